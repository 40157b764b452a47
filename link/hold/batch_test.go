package hold_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// picky is a journal that has room for so many frames and then none for a time, and that
// refuses one in sixteen.
type picky struct {
	journal
	rng     *rand.Rand
	handler link.Handler
	taken   int
	full    bool
	refused int
	calls   []int // how many frames it was given
	most    int   // frames that it takes before it is full; 0 says that it never is
	refuses bool
}

func (p *picky) Transmit(frames []*link.Frame) (n int, err error) {
	p.calls = append(p.calls, len(frames))
	defer func() { p.journal.Transmit(frames[:n]) }()
	for n = range frames {
		switch {
		case p.full || p.most > 0 && p.taken == p.most:
			if p.taken = 0; !p.full {
				p.full = true
				p.clk.AfterFunc(time.Duration(1+p.rng.Int64N(300_000)), func() {
					p.full = false
					p.handler.Ready()
				})
			}
			return n, link.ErrFull
		case p.refuses && frames[n].Cookie.(int)%16 == 3:
			p.refused++
			return n, errors.New("not this one")
		}
		p.taken++
	}
	return len(frames), nil
}

func newPickyRig(t *testing.T, info link.Info, config *hold.Config, p *picky) *rig {
	r := &rig{T: t, clk: clock.NewVirtual()}
	p.journal = journal{Null: linktest.Null{Is: info}, clk: r.clk}
	r.log = &p.journal
	r.Hold = hold.New(p, r.clk, config)
	p.handler = r.Hold
	return r
}

// frame returns one of n bytes that has not been sent.
func (r *rig) frame(port uint16, n int) *link.Frame {
	f := link.NewFrame(n)
	f.Flow, f.Depart, f.Size = flowOf(port), r.clk.Now(), sizeOf(n)
	f.Cookie = r.sent
	r.sent++
	return f
}

// Of what is due at one instant a device that likes batches is given as much as it likes in
// one call, and any other one frame after the other.
func TestBatches(t *testing.T) {
	for _, test := range []struct {
		batch int
		want  []int
	}{{0, []int{1, 1, 1, 1, 1, 1, 1}}, {1, []int{1, 1, 1, 1, 1, 1, 1}}, {2, []int{2, 2, 2, 1}}, {4, []int{4, 2, 1}}, {64, []int{6, 1}}} {
		p := &picky{}
		r := newPickyRig(t, link.Info{MTU: 1500, Batch: test.batch}, nil, p)
		for port := range uint16(6) {
			r.Do(pacer.Pace(flowOf(port), &pacer.Gaps{List: []pacer.Gap{1}, Start: 5000}))
			r.send(port, 100)
		}
		// # the next one is due a nanosecond later
		r.Do(pacer.Pace(flowOf(6), &pacer.Gaps{List: []pacer.Gap{1}, Start: 5001}))
		r.send(6, 100)
		r.run(time.Second)
		if !slices.Equal(p.calls, test.want) {
			t.Errorf("batches of %d: calls of %d frames, want %d", test.batch, p.calls, test.want)
		}
		for i, d := range r.log.left {
			at := clock.Time(5000 + i/6)
			if d.flow != uint16(i) || d.when != at || d.depart != at || d.sched != at || d.handed != at {
				t.Errorf("batches of %d: departure %d: %+v", test.batch, i, d)
			}
		}
	}
}

// What a device with a lead is given late, it is given in one call.
func TestABatchAheadOfTime(t *testing.T) {
	p := &picky{}
	info := gig
	info.Paces, info.Lead, info.Batch = true, 100*time.Microsecond, 24
	r := newPickyRig(t, info, nil, p)
	var frames []*link.Frame
	for i := range 12 {
		f := r.frame(99, 1514)
		f.Paced, f.Depart = true, clock.Time(i*20_000)
		frames = append(frames, f)
	}
	r.Transmit(frames)
	if want := []int{6}; !slices.Equal(p.calls, want) { // up to 100 us
		t.Errorf("calls of %d frames, want %d", p.calls, want)
	}
	r.run(time.Second)
	if want := []int{6, 1, 1, 1, 1, 1, 1}; !slices.Equal(p.calls, want) {
		t.Errorf("calls of %d frames, want %d", p.calls, want)
	}
	for i, d := range r.log.left {
		if d.seq != i || d.sched != clock.Time(i*20_000) {
			t.Errorf("departure %d: %+v", i, d)
		}
	}
}

// What a device has no room for in the middle of a batch comes next, in its order and with the
// places on the wire that it then has. A frame that it refuses is dropped, and takes none.
func TestTheRestOfABatch(t *testing.T) {
	p := &picky{most: 3, rng: rand.New(rand.NewPCG(1, 1))}
	r := newPickyRig(t, link.Info{MTU: 1500, Batch: 8}, nil, p)
	var frames []*link.Frame
	for range 8 {
		frames = append(frames, r.frame(1, 100))
	}
	r.Transmit(frames)
	r.Transmit([]*link.Frame{r.frame(2, 100)})
	if r.Waiting() != 6 || !slices.Equal(p.calls, []int{8}) {
		t.Errorf("%d frames wait after calls of %d", r.Waiting(), p.calls)
	}
	r.run(time.Second)
	if !slices.Equal(p.calls, []int{8, 6, 3}) || len(r.log.left) != 9 {
		t.Errorf("%d have left in calls of %d", len(r.log.left), p.calls)
	}
	for i, d := range r.log.left {
		if d.seq != i || i > 0 && d.when < r.log.left[i-1].when {
			t.Errorf("departure %d: %+v", i, d)
		}
	}
	if c := r.Counters(); c.Sent.Frames != 9 || c.Sent.Bytes != 900 || c.Sent.Dropped() != 0 || c.Waiting != 0 {
		t.Errorf("%+v", c)
	}
}

// What is due while a device has no room keeps its places on the wire, and is late by the device.
func TestNoRoomForABatch(t *testing.T) {
	for _, batch := range []int{0, 8} {
		p := &picky{full: true}
		info := gig
		info.Batch = batch
		r := newPickyRig(t, info, nil, p)
		var frames []*link.Frame
		for i := range 6 {
			f := r.frame(99, 1514)
			f.Paced, f.Depart = true, clock.Time(i*20_000)
			frames = append(frames, f)
		}
		r.Transmit(frames)
		r.run(70 * time.Microsecond)
		p.full = false
		r.Ready()
		r.run(time.Second)
		for i, d := range r.log.left {
			at := clock.Time(i * 20_000)
			if d.seq != i || d.sched != at || d.handed != at || d.when != max(at, 70_000) {
				t.Errorf("batches of %d: departure %d: %+v", batch, i, d)
			}
		}
		for i, n := range frames {
			if full := n.Full; full != 0 && i > 0 {
				t.Errorf("frame %d waited for %v", i, full)
			}
		}
	}
}

// A frame that is refused, or waits for room, has no place on the wire.
func TestNoPlaceForWhatIsRefused(t *testing.T) {
	for what, p := range map[string]*picky{"refused": {refuses: true}, "full": {most: 3, rng: rand.New(rand.NewPCG(1, 1))}} {
		info := gig
		info.Batch, info.Paces, info.Lead = 24, true, 100*time.Microsecond
		r := newPickyRig(t, info, nil, p)
		r.run(time.Millisecond)
		var frames []*link.Frame
		for range 7 {
			f := r.frame(99, 1514)
			f.Paced = true // for now
			frames = append(frames, f)
		}
		r.Transmit(frames)
		r.run(time.Second)
		if p.calls[0] != 7 || p.calls[1] >= 7 {
			t.Errorf("%s: calls of %d frames", what, p.calls)
		}
		for i, d := range r.log.left {
			if want := clock.Time(1e6).Add(time.Duration(i) * fullFrame); d.sched != want {
				t.Errorf("%s: departure %d is scheduled for %v, want %v", what, i, d.sched, want)
			}
		}
	}
}

// closer is a device that is closed while it is given frames.
type closer struct {
	picky
	hold *hold.Hold
}

func (c *closer) Transmit([]*link.Frame) (int, error) {
	c.hold.Close()
	return 0, link.ErrFull
}

func TestCloseWithABatchOnItsWay(t *testing.T) {
	clk := clock.NewVirtual()
	below := &closer{}
	below.Is = link.Info{MTU: 1500, Batch: 8}
	below.hold = hold.New(below, clk, nil)
	o := new(told)
	var frames []*link.Frame
	for range 5 {
		f := link.NewFrame(100)
		f.Origin = o
		frames = append(frames, f)
	}
	below.hold.Transmit(frames)
	if c := below.hold.Counters(); *o != 5 || c.Sent.Drops[link.Closed] != 5 || c.Waiting != 0 {
		t.Errorf("%d Origins told, %+v", *o, c)
	}
}

func TestCloseDropsTheRestOfABatch(t *testing.T) {
	p := &picky{most: 2, rng: rand.New(rand.NewPCG(1, 1))}
	r := newPickyRig(t, link.Info{MTU: 1500, Batch: 8}, nil, p)
	o := new(told)
	var frames []*link.Frame
	for range 5 {
		f := r.frame(1, 100)
		f.Origin = o
		frames = append(frames, f)
	}
	r.Transmit(frames)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if c := r.Counters(); *o != 5 || c.Sent.Frames != 2 || c.Sent.Drops[link.Closed] != 3 || c.Waiting != 0 {
		t.Errorf("%d Origins told, %+v", *o, c)
	}
}

// play has a script act on a Hold, without changing classes.
func (r *rig) play(script []byte) {
	for s := steps(script); ; {
		op, flow, arg, ok := s.next()
		if !ok {
			return
		}
		key, bps := flowOf(uint16(flow)), int64(arg+1)*1e6
		switch op % 10 {
		case 0, 1, 2, 3:
			var frames []*link.Frame
			for i := range 1 + arg%7 {
				frames = append(frames, r.frame(uint16((flow+i*(op%3))%flowCount), 60+5*arg))
			}
			r.Transmit(frames)
		case 4, 5:
			r.run(time.Duration(arg) * 1234)
		case 6:
			r.Do(pacer.Pace(key, rate(bps)))
		case 7:
			r.Do(pacer.Pace(key, nil))
		case 8:
			r.Do(pacer.Command{Op: pacer.Forget, Flow: key})
		case 9:
			f := r.frame(99, 100)
			f.Paced, f.Depart = true, r.clk.Now()+clock.Time(arg*100)
			r.Transmit([]*link.Frame{f})
		}
		c := r.Counters()
		if int(c.Sent.Frames) != len(r.log.left) || len(r.log.left)+int(c.Sent.Dropped())+c.Waiting != r.sent {
			r.Fatalf("%d sent, %d have left, %+v", r.sent, len(r.log.left), c)
		}
	}
}

var batchInfos = []link.Info{
	{MTU: 1500}, gig, {MTU: 1500, Speed: 1e9, Paces: true, Tick: 8, Lead: 50 * time.Microsecond},
}

// However many frames a device is given at a time, each is given to it at the same time, in the
// same order and with the same plan.
func FuzzBatchesChangeNothing(f *testing.F) {
	addScripts(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, info := range batchInfos {
			var want []departure
			for _, batch := range []int{0, 2, 24} {
				info.Batch = batch
				p := &picky{}
				r := newPickyRig(t, info, &hold.Config{FlowBytes: 20_000}, p)
				r.play(script)
				r.run(time.Minute)
				if slices.Max(append(p.calls, 0)) > max(batch, 1) {
					t.Fatalf("%d frames in a call, want at most %d", slices.Max(p.calls), max(batch, 1))
				}
				if want == nil {
					want = r.log.left
				}
				for i, d := range r.log.left {
					if len(want) != len(r.log.left) || d != want[i] {
						t.Fatalf("batches of %d: departure %d of %d: %+v, want %+v, of %d", batch, i, len(r.log.left), d, want[i], len(want))
					}
				}
			}
		}
	})
}

// A device that has no room and refuses frames loses nothing else, and no order.
func FuzzBatchesLoseNothing(f *testing.F) {
	addScripts(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		for i, info := range batchInfos {
			info.Batch = 1 + len(script)%9
			p := &picky{rng: rand.New(rand.NewPCG(uint64(len(script)), uint64(i))), most: 1 + i*3, refuses: i > 0}
			r := newPickyRig(t, info, &hold.Config{FlowBytes: 20_000}, p)
			r.play(script)
			r.run(time.Minute)
			c := r.Counters()
			if int(c.Sent.Drops[link.LinkError]) != p.refused || len(r.log.left)+int(c.Sent.Dropped()) != r.sent || c.Waiting != 0 {
				t.Fatalf("%d sent, %d refused, %d have left; %+v", r.sent, p.refused, len(r.log.left), c)
			}
			last := make(map[uint16]int)
			var free clock.Time
			for _, d := range r.log.left {
				if before, ok := last[d.flow]; ok && before > d.seq && d.flow != 99 {
					t.Fatalf("%+v left behind frame %d", d, before)
				}
				last[d.flow] = d.seq
				if d.paced && d.when.Add(info.Lead) < d.depart || !info.Paces && d.when < d.sched {
					t.Fatalf("%+v was handed on too early", d)
				}
				if d.sched < d.depart || d.sched < free {
					t.Fatalf("%+v is scheduled too early: the line is free at %d", d, free)
				}
				free = d.sched.Add(link.WireTime(d.wire, info.Speed))
			}
		}
	})
}
