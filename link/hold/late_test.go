package hold_test

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// departure is what the device below a Hold is told of a frame.
type departure struct {
	flow                        uint16
	seq                         int
	paced                       bool
	depart, sched, handed, when clock.Time
	wire                        int
}

// journal is a device for the bottom of a chain that writes down what it is told.
type journal struct {
	linktest.Null
	clk  *clock.Virtual
	left []departure
}

func (l *journal) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		seq, _ := f.Cookie.(int)
		l.left = append(l.left, departure{f.Flow.SrcPort, seq, f.Paced, f.Depart, f.Sched.Or(clock.Never), f.Enqueued.Or(clock.Never), l.clk.Now(), f.Size.Wire})
	}
	return l.Null.Transmit(frames)
}

// rig is a Hold above a journal, in virtual time.
type rig struct {
	*testing.T
	*hold.Hold
	clk  *clock.Virtual
	log  *journal
	sent int
}

func newRig(t *testing.T, info link.Info, config *hold.Config) *rig {
	r := &rig{T: t, clk: clock.NewVirtual()}
	r.log = &journal{Null: linktest.Null{Is: info}, clk: r.clk}
	r.Hold = hold.New(r.log, r.clk, config)
	return r
}

func flowOf(port uint16) pacer.Flow { return pacer.Flow{SrcPort: port, Proto: pacer.ProtoUDP} }

// send gives the Hold a frame of n bytes without FCS. Its sequence number is what
// transmitted counted before.
func (r *rig) send(port uint16, n int) {
	f := link.NewFrame(n)
	f.Flow, f.Depart = flowOf(port), r.clk.Now()
	f.Size = pacer.Size{Wire: link.WireBytes(n), IP: n - 14, Payload: n - 54}
	f.Cookie = r.sent
	r.sent++
	if taken, err := r.Transmit([]*link.Frame{f}); taken != 1 || err != nil {
		r.Fatalf("Transmit = %d, %v", taken, err)
	}
}

func (r *rig) run(d time.Duration) { r.clk.RunUntil(r.clk.Now().Add(d)) }

// gig is a line of 1 Gbit/s, on which a full frame takes 12304 ns.
var gig = link.Info{Name: "gig", MTU: 1500, Speed: 1e9}

const fullFrame = 12304 * time.Nanosecond

func rate(bps int64) *pacer.Rate { return &pacer.Rate{BitsPerSecond: bps} }

func TestFirstDepartureIsOneFrameAfterTheArrival(t *testing.T) {
	r := newRig(t, gig, nil)
	r.Do(pacer.Pace(flowOf(1), rate(1e8)))
	r.run(time.Microsecond)
	r.send(1, 1514)
	r.send(1, 1514)
	r.run(time.Second)
	for i, want := range []clock.Time{1000 + 12304, 1000 + 12304 + 123040} {
		if d := r.log.left[i]; !d.paced || d.depart != want || d.sched != want || d.when != want {
			t.Errorf("frame %d: %+v, want a departure at %d", i, d, want)
		}
	}
}

func TestAMillionDeparturesAreExact(t *testing.T) {
	// # 1538 bytes at 949 Mbit/s are 12965.226... ns
	const bps, frames = 949e6, 1e6
	r := newRig(t, gig, nil)
	r.Do(pacer.Pace(flowOf(1), rate(bps)))
	for range 1000 {
		r.send(1, 1514)
	}
	first := clock.Time(fullFrame)
	for n := clock.Time(0); n < frames; {
		if !r.clk.Step() {
			t.Fatal("the Hold has stopped")
		}
		for _, d := range r.log.left {
			want := first + clock.Time(uint64(n)*1538*8*1e9/bps)
			if d.depart != want || d.when != want {
				t.Fatalf("departure %d: %+v, want %d", n, d, want)
			}
			n++
			r.send(1, 1514)
		}
		r.log.left = r.log.left[:0]
	}
}

// The time from a change of the rate to the first departure at the new gap is at most the
// lead and one gap.
func TestARateThatChangesCountsAtOnce(t *testing.T) {
	for _, lead := range []time.Duration{0, 50 * time.Microsecond, 2 * time.Millisecond} {
		for _, bps := range [][2]int64{{10e6, 100e6}, {100e6, 10e6}, {1e6, 500e6}, {50e6, 200e6}} {
			info := gig
			info.Paces, info.Lead = true, lead
			r := newRig(t, info, nil)
			r.Do(pacer.Pace(flowOf(1), rate(bps[0])))
			for range 1000 {
				r.send(1, 1514)
			}
			r.run(100 * time.Millisecond)
			changed := r.clk.Now()
			already := len(r.log.left)
			r.Do(pacer.Command{Op: pacer.ChangeRate, Flow: flowOf(1), Policy: policy(bps[1])})
			r.run(10 * time.Millisecond)

			gap := clock.Time(1538 * 8 * 1e9 / bps[1])
			last := r.log.left[already-1].depart
			for i, d := range r.log.left[already:] {
				if at := d.depart - last; i > 0 && at != gap {
					t.Errorf("lead %v, %d to %d bit/s: a gap of %d ns, want %d", lead, bps[0], bps[1], at, gap)
					break
				}
				last = d.depart
			}
			reaction := r.log.left[already].depart.Sub(changed)
			if most := lead + time.Duration(gap); reaction > most {
				t.Errorf("lead %v, %d to %d bit/s: the first departure is %v after the change, want at most %v", lead, bps[0], bps[1], reaction, most)
			}
		}
	}
}

func TestAPacerCanBeReplacedWhileFramesWait(t *testing.T) {
	r := newRig(t, link.Info{MTU: 1500}, nil)
	r.Do(pacer.Pace(flowOf(1), rate(1538*8))) // one a second
	for range 6 {
		r.send(1, 1514)
	}
	r.run(1500 * time.Millisecond)
	t.Log("# two have left; ten a second from now on")
	r.Do(pacer.Pace(flowOf(1), rate(1538*80)))
	r.run(150 * time.Millisecond)
	t.Log("# two more have left; nobody paces the rest")
	r.Do(pacer.Pace(flowOf(1), nil))
	r.run(0)
	want := []clock.Time{0, 1e9, 1500e6, 1600e6, 1650e6, 1650e6}
	for i, d := range r.log.left {
		if d.seq != i || d.when != want[i] || d.paced != (i < 4) {
			t.Errorf("departure %d: %+v, want at %v", i, d, want[i])
		}
	}
	if len(r.log.left) != len(want) {
		t.Errorf("%d departures, want %d", len(r.log.left), len(want))
	}
}

// own is a pacer of one's own.
type own struct{ *pacer.Rate }

func TestASlowerPacerIsNoticed(t *testing.T) {
	// # nobody says so: all the same nothing leaves before its time
	r := newRig(t, link.Info{MTU: 1500}, nil)
	p := own{rate(1538 * 80)}
	r.Do(pacer.Pace(flowOf(1), p))
	for range 3 {
		r.send(1, 1514)
	}
	r.run(50 * time.Millisecond)
	if err := p.SetRate(1538*8, r.clk.Now()); err != nil {
		t.Fatal(err)
	}
	r.run(time.Minute)
	for i, want := range []clock.Time{0, 550e6, 1550e6} {
		if d := r.log.left[i]; d.depart != want || d.when != want {
			t.Errorf("departure %d: %+v, want at %v", i, d, want)
		}
	}
}

func TestNextDeparture(t *testing.T) {
	r := newRig(t, link.Info{MTU: 1500}, nil)
	r.Do(pacer.Pace(flowOf(1), rate(1538*8)))
	if at := r.Do(pacer.Command{Flow: flowOf(1)}).NextDeparture; at != clock.Never {
		t.Errorf("nothing waits, and the next departure is %v", at)
	}
	r.send(1, 1514)
	r.send(1, 1514)
	r.send(1, 514)
	r.run(0)
	if at := r.Do(pacer.Command{Flow: flowOf(1)}).NextDeparture; at != 1e9 {
		t.Errorf("the next departure is %v, want 1 s", at)
	}
	if got := r.Do(pacer.Command{Flow: flowOf(1)}); got.Frames != 2 || got.Bytes != 1514+514 {
		t.Errorf("%d frames of %d bytes are queued", got.Frames, got.Bytes)
	}
	t.Log("# at most one in 4 s for all")
	if err := r.SetRate("", 1538*2); err != nil {
		t.Fatal(err)
	}
	r.run(time.Second)
	if at := r.Do(pacer.Command{Flow: flowOf(1)}).NextDeparture; at != 5e9 {
		t.Errorf("the next departure is %v, want 5 s", at)
	}
}

func TestReserve(t *testing.T) {
	// # two flows that ask for the same instants, above one line
	for _, reserve := range []bool{false, true} {
		clk := clock.NewVirtual()
		trace := link.NewTrace(&linktest.Null{Is: gig}, clk, nil)
		held := hold.New(trace, clk, &hold.Config{Reserve: reserve})
		for port := range uint16(2) {
			held.Do(pacer.Pace(flowOf(port), rate(1e8)))
		}
		for range 1000 {
			for port := range uint16(2) {
				f := link.NewFrame(1514)
				f.Flow, f.Size.Wire = flowOf(port), 1538
				held.Transmit([]*link.Frame{f})
			}
		}
		clk.RunUntil(clock.Time(time.Second))
		r := trace.Departures.Report()
		if r.Packets != 2000 || r.GapError.Max != 0 || r.RateError != link.NewPPM(1, 1) {
			t.Errorf("%+v, want 2000 packets without an error", r)
		}
		late, moved := int64(fullFrame), int64(0)
		if reserve {
			late, moved = moved, late
		}
		if r.Lateness.Max != late || r.Late != uint64(late)*1000/uint64(fullFrame) {
			t.Errorf("reserved %v: %d late by up to %d ns, want %d", reserve, r.Late, r.Lateness.Max, late)
		}
		if r.Moved.Max != moved {
			t.Errorf("reserved %v: moved by up to %d ns, want %d", reserve, r.Moved.Max, moved)
		}
	}
}

// count returns one of the Hold's counters.
func (r *rig) count(name string) int64 {
	c := r.Counters()
	return c.Get(name)
}
