package hold_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// from returns a rule for flows by their source port.
func from(first, last uint16) pacer.Rule {
	return pacer.Rule{SrcPort: pacer.Ports{First: first, Last: last}}
}

// policy returns one that makes a Rate for each flow.
func policy(bps int64) pacer.Policy {
	return pacer.Policy{Kind: pacer.PacedByRate, BitsPerSecond: bps}
}

// keep keeps 16 frames of each flow waiting, for a time.
func (r *rig) keep(d time.Duration, sizes map[uint16]int) {
	for end := r.clk.Now().Add(d); r.clk.Now() < end; {
		for port := range uint16(100) {
			n := sizes[port]
			if n == 0 {
				continue
			}
			for frames := r.Do(pacer.Command{Flow: flowOf(port)}).Frames; frames < 16; frames++ {
				r.send(port, n)
			}
		}
		r.clk.Step()
	}
}

// wire returns how many bytes of the wire each flow has had, of those handed on in [from, to).
func (r *rig) wire(from, to clock.Time) map[uint16]int {
	sum := make(map[uint16]int)
	for _, d := range r.log.left {
		if from <= d.when && d.when < to {
			sum[d.flow] += d.wire
		}
	}
	return sum
}

func (r *rig) share(what string, got, all int, want float64) {
	r.Helper()
	if share := float64(got) / float64(all); share < want*0.99 || share > want*1.01 {
		r.Errorf("%s: a share of %.4f, want %.4f", what, share, want)
	}
}

// In each case four flows in three classes of weight 1, 2 and 5 want more than there is;
// after a while the class of weight 5 wants nothing any more.
func TestClassesShareByWeight(t *testing.T) {
	for _, test := range []struct {
		name string
		bps  int64 // of each flow, 0: not paced
		rate int64 // of the port
		all  int64 // what there is to be shared, bit/s
	}{
		{"paced flows, the wire", 1e9, 0, 1e9},
		{"paced flows, the rate of the port", 800e6, 500e6, 500e6},
		{"flows that nobody paces, the wire", 0, 0, 1e9},
		{"flows that nobody paces, the rate of the port", 0, 500e6, 500e6},
	} {
		t.Run(test.name, func(t *testing.T) {
			class := func(name string, rule pacer.Rule, weight int) hold.Class {
				c := hold.Class{Name: name, Rule: rule, Weight: weight}
				if test.bps > 0 {
					c.Policy = policy(test.bps)
				}
				return c
			}
			r := newRig(t, gig, &hold.Config{
				Rate:    test.rate,
				Classes: []hold.Class{class("two", from(2, 2), 2), class("five", from(5, 6), 5)},
				Default: class("", pacer.Rule{}, 1),
			})
			// # frames of different sizes: what is shared are bytes of the wire
			sizes := map[uint16]int{1: 1514, 2: 400, 5: 1000, 6: 60}
			r.keep(200*time.Millisecond, sizes)
			sizes[5], sizes[6] = 0, 0
			r.keep(200*time.Millisecond, sizes)

			const ms = clock.Time(time.Millisecond)
			had := r.wire(50*ms, 200*ms)
			all := had[1] + had[2] + had[5] + had[6]
			r.share("the whole", all, int(test.all/8*150/1000), 1)
			r.share("weight 1", had[1], all, 1./8)
			r.share("weight 2", had[2], all, 2./8)
			r.share("weight 5", had[5]+had[6], all, 5./8)
			had = r.wire(250*ms, 400*ms)
			all = had[1] + had[2]
			r.share("the whole, without weight 5", all, int(test.all/8*150/1000), 1)
			r.share("weight 1, without weight 5", had[1], all, 1./3)
			r.share("weight 2, without weight 5", had[2], all, 2./3)
		})
	}
}

func TestTheRateOfAClassIsExact(t *testing.T) {
	// # ten flows of 20 Mbit/s each, and 70 Mbit/s for all of them: 175771.43 ns a frame
	const bps = 70e6
	r := newRig(t, gig, &hold.Config{Classes: []hold.Class{
		{Name: "slow", Rule: from(1, 10), Rate: bps, Policy: policy(20e6)},
	}})
	sizes := make(map[uint16]int)
	for port := range uint16(10) {
		sizes[port+1] = 1514
	}
	r.keep(10*time.Second, sizes)
	had := make(map[uint16]int)
	for n, d := range r.log.left {
		if want := clock.Time(fullFrame) + clock.Time(n)*1538*8*1e9/bps; d.depart != want || d.when != want {
			t.Fatalf("departure %d: %+v, want %d", n, d, want)
		}
		had[d.flow]++
	}
	for port := range had {
		r.share(fmt.Sprint("flow ", port), had[port], len(r.log.left), 0.1)
	}
}

func TestANewRateCountsFromNow(t *testing.T) {
	// # 100 frames wait for a line that takes 1.2304 ms for them; after 1 ms they have a rate
	for _, class := range []string{"", "default"} {
		r := newRig(t, gig, nil)
		for range 100 {
			r.send(1, 1514)
		}
		r.run(time.Millisecond)
		before := len(r.log.left)
		if err := r.SetRate(class, 1538*8*10); err != nil {
			t.Fatal(err)
		}
		r.run(time.Second)
		for n, d := range r.log.left[before:] {
			if want := clock.Time(time.Millisecond) + clock.Time(n)*100e6; d.depart != want {
				t.Errorf("class %q, departure %d: %+v, want %v", class, n, d, want)
			}
		}
		if n := len(r.log.left) - before; n != 11 {
			t.Errorf("class %q: %d frames have left in a second, want 11 with both its ends", class, n)
		}
	}
}

func TestAFlowKeepsItsGapInsideOfAClass(t *testing.T) {
	// # the class stops its flows for a second; then the flow does not make up for it
	r := newRig(t, gig, &hold.Config{Default: hold.Class{Rate: 100e6, Policy: policy(10e6)}})
	sizes := map[uint16]int{1: 1514}
	r.keep(100*time.Millisecond, sizes)
	if err := r.SetRate("default", 1538*8); err != nil {
		t.Fatal(err)
	}
	r.keep(time.Second, sizes)
	if err := r.SetRate("default", 100e6); err != nil {
		t.Fatal(err)
	}
	r.keep(100*time.Millisecond, sizes)
	for i := 1; i < len(r.log.left); i++ {
		if gap := r.log.left[i].depart - r.log.left[i-1].depart; gap < 1538*8*100 {
			t.Errorf("departure %d: a gap of %d ns, want at least %d", i, gap, 1538*8*100)
		}
	}
}

func TestPacedFlowsGoFirst(t *testing.T) {
	// # in two classes of equal weight: what nobody paces has the holes, and shifts nothing
	r := newRig(t, gig, &hold.Config{Classes: []hold.Class{
		{Name: "paced", Rule: from(1, 1), Policy: policy(250e6)},
		{Name: "ready", Rule: from(2, 3)},
	}})
	r.keep(100*time.Millisecond, map[uint16]int{1: 1514, 2: 1514, 3: 60})
	had := r.wire(0, clock.Time(100*time.Millisecond))
	for _, d := range r.log.left {
		if d.flow == 1 && d.sched != d.depart {
			t.Fatalf("a paced frame was shifted: %+v", d)
		}
	}
	const line = 100e6 / 8
	r.share("paced", had[1], line, 0.25)
	if rest := had[2] + had[3]; rest < line/2 {
		r.Errorf("the others have had %d bytes of %v, want at least the half", rest, line)
	}
}

func TestClassesChangeUnderTraffic(t *testing.T) {
	slow := hold.Class{Name: "slow", Rule: from(1, 2), Policy: policy(1e6)}
	fast := hold.Class{Name: "fast", Rule: from(1, 1), Policy: policy(100e6)}
	r := newRig(t, gig, &hold.Config{Classes: []hold.Class{slow}})
	for range 100 {
		r.send(1, 1514)
		r.send(2, 1514)
		r.send(3, 1514)
	}
	r.run(50 * time.Millisecond)
	before := len(r.log.left)
	if before != 100+5+5 { // a gap is 12.304 ms
		t.Fatalf("%d frames have left, want 110", before)
	}
	if err := r.SetClasses([]hold.Class{fast, slow}, hold.Class{}); err != nil {
		t.Fatal(err)
	}
	r.run(12 * time.Millisecond)
	next := map[uint16]int{1: 5, 2: 5}
	for _, d := range r.log.left[before:] {
		if want := 3*next[d.flow] + int(d.flow) - 1; d.seq != want {
			t.Fatalf("flow %d: frame %d, want %d", d.flow, d.seq, want)
		}
		next[d.flow]++
	}
	if next[1] != 100 || next[2] != 6 {
		t.Errorf("after 12 ms %v have left, want all 100 and 1 more than 5", next)
	}
	stats := r.Classes()
	for i, want := range []struct {
		name   string
		frames uint64
	}{{"default", 100}, {"fast", 95}, {"slow", 11}} {
		if s := stats[i]; s.Name != want.name || s.Frames != want.frames || s.Bytes != 1514*want.frames {
			t.Errorf("class %d: %+v, want %+v", i, s, want)
		}
	}
	t.Log("# what cannot be is refused, and nothing changes")
	for _, classes := range [][]hold.Class{
		{{Rule: from(1, 1)}},
		{slow, slow},
		{{Name: "a", Rate: -1}},
		{{Name: "a", Weight: -1}},
		{{Name: "a", Weight: hold.MaxWeight + 1}},
		{{Name: "a", Unit: 7}},
		make([]hold.Class, hold.MaxClasses+1),
	} {
		if r.SetClasses(classes, hold.Class{}) == nil {
			t.Errorf("%+v were taken", classes)
		}
	}
	if r.SetRate("none", 1) == nil || r.SetRate("fast", -1) == nil {
		t.Error("a rate was set that cannot be")
	}
	if got := r.Classes(); len(got) != 3 || got[1].Name != "fast" {
		t.Errorf("got %+v", got)
	}
}

// TestClassesChangeAboveAFullDevice changes the classes while frames wait for room below: their
// class has been charged for them, and counts them when they leave, or are dropped.
func TestClassesChangeAboveAFullDevice(t *testing.T) {
	for _, closes := range []bool{false, true} {
		clk := clock.NewVirtual()
		sink := linktest.NewSink(clk, link.Info{MTU: 1500, Batch: 8})
		sink.Room, sink.Every = 2, time.Millisecond
		classes := []hold.Class{{Name: "one", Rule: from(1, 1)}}
		h := hold.New(sink, clk, &hold.Config{Classes: classes})
		h.Attach(nobody{})
		for i := range 20 {
			f := link.NewFrame(1000)
			f.Flow = pacer.Flow{Proto: pacer.ProtoUDP, SrcPort: uint16(i % 2)}
			h.Transmit([]*link.Frame{f})
		}
		if err := h.SetClasses(classes, hold.Class{Weight: 2}); err != nil {
			t.Fatal(err)
		}
		if !closes {
			clk.RunUntil(clock.Time(time.Second))
		}
		h.Close()
		for _, c := range h.Classes() {
			if n := c.Frames + c.Dropped(); n != 10 || (c.Dropped() > 0) != closes {
				t.Errorf("class %s: %d frames have left, %v of 10", c.Name, c.Frames, c.Drops)
			}
		}
	}
}
