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

func TestWhatWaitsIsBounded(t *testing.T) {
	r := newRig(t, gig, &hold.Config{FlowBytes: 4000, Bytes: 10000, Default: hold.Class{Policy: policy(1e3)}})
	for _, step := range []struct {
		port           uint16
		n, flow, queue int
	}{
		{1, 1514, 0, 0}, {1, 1514, 0, 0}, {1, 1000, 1, 0}, {1, 972, 1, 0},
		{2, 4000, 1, 0}, {2, 60, 2, 0}, // # one flow's bound is not the other's
		{3, 2000, 2, 0}, {4, 60, 2, 1},
	} {
		r.send(step.port, step.n)
		if d := r.Counters().Sent.Drops; d[link.FlowFull] != uint64(step.flow) || d[link.QueueFull] != uint64(step.queue) {
			t.Fatalf("%+v: drops %v", step, d)
		}
	}
	if d := r.Classes()[0].Drops[link.FlowFull]; d != 2 {
		t.Errorf("the class counts %d drops, want 2", d)
	}
	t.Log("# what has left makes room")
	r.run(5 * time.Second)
	r.send(1, 1514)
	if d := r.Counters().Sent.Drops.Total(); d != 3 {
		t.Errorf("%d drops, want 3", d)
	}
	t.Log("# one frame may always wait, however large")
	r = newRig(t, gig, &hold.Config{FlowBytes: 100, Default: hold.Class{Policy: policy(1e3)}})
	r.send(1, 1514)
	r.send(1, 60)
	if d := r.Counters().Sent.Drops.Total(); d != 1 || r.Waiting() != 1 {
		t.Errorf("%d drops and %d wait, want 1 and 1", d, r.Waiting())
	}
}

func TestIdleFlowsAreReclaimed(t *testing.T) {
	r := newRig(t, gig, &hold.Config{Idle: 100 * time.Millisecond, Default: hold.Class{Policy: policy(1e6)}})
	r.Do(pacer.Pace(flowOf(9999), rate(1e6)))
	for port := range uint16(1000) {
		r.send(port, 1514)
	}
	if r.count("flows") != 1001 || r.count("flows_peak") != 1001 {
		t.Fatalf("%+v, want 1001 flows", r.Counters())
	}
	t.Log("# a pacer whose flow may leave only after the idle time began is kept")
	r.run(112 * time.Millisecond)
	for range 2000 {
		r.send(0, 60)
	}
	if r.count("flows_reclaimed") != 0 {
		t.Errorf("%d flows were reclaimed too early", r.count("flows_reclaimed"))
	}
	r.run(113 * time.Millisecond)
	for range 2000 {
		r.send(0, 60)
	}
	if r.count("flows_reclaimed") != 999 || r.count("flows") != 2 {
		t.Errorf("%+v, want two flows: the one with frames, and the one whose pacer was set", r.Counters())
	}
	t.Log("# flows that come and go hold the memory of a few")
	for i := range 100_000 {
		r.send(uint16(i%1000)+1000, 60)
		r.run(time.Millisecond)
	}
	if r.count("flows_peak") != 1001 {
		t.Errorf("%d flows at the most, want 1001 as before", r.count("flows_peak"))
	}
}

func TestFlowsBeyondTheBoundShare(t *testing.T) {
	r := newRig(t, link.Info{MTU: 1500}, &hold.Config{Flows: 2, Default: hold.Class{Policy: policy(1538 * 8)}})
	for range 3 {
		for port := range uint16(4) {
			r.send(port, 1514)
		}
	}
	if r.count("frames_shared") != 6 || r.count("flows") != 2 {
		t.Errorf("%+v, want 2 flows and 6 frames of others", r.Counters())
	}
	t.Log("# flows 2 and 3 have one frame a second together, and go on so until none waits")
	r.run(2500 * time.Millisecond)
	r.Do(pacer.Command{Op: pacer.Forget, Flow: flowOf(0)})
	r.send(2, 1514)
	r.run(time.Minute)
	var last clock.Time
	var order []int
	for _, d := range r.log.left {
		if d.flow >= 2 {
			if d.depart != last {
				t.Errorf("%+v, want a departure at %v", d, last)
			}
			last += 1e9
			order = append(order, d.seq)
		}
	}
	for i, want := range []int{2, 3, 6, 7, 10, 11, 12} {
		if i >= len(order) || order[i] != want {
			t.Fatalf("frames %v left in this order, want %d at place %d", order, want, i)
		}
	}
	r.send(2, 1514)
	if r.count("frames_shared") != 7 {
		t.Errorf("%d frames have shared, want 7: flow 2 has a place now", r.count("frames_shared"))
	}
}

func TestAFlowIsBoundedInTime(t *testing.T) {
	r := newRig(t, link.Info{MTU: 1500}, &hold.Config{FlowTime: 500 * time.Millisecond})
	r.Do(pacer.Pace(flowOf(1), rate(1514*8*10))) // ten frames a second
	expect := func(waiting int64, dropped int) {
		t.Helper()
		if frames := r.Do(pacer.Command{Flow: flowOf(1)}).Frames; frames != waiting || r.Counters().Sent.Drops[link.FlowFull] != uint64(dropped) {
			t.Errorf("%d frames wait, %d were dropped; want %d and %d", frames, r.Counters().Sent.Drops[link.FlowFull], waiting, dropped)
		}
	}
	burst := func() {
		for range 10 {
			r.send(1, 1514)
		}
	}
	t.Log("# one leaves at once, five take half a second")
	burst()
	expect(5, 4)
	t.Log("# at twice the rate there is room for ten")
	r.Do(pacer.Command{Op: pacer.ChangeRate, Flow: flowOf(1), Policy: policy(1514 * 8 * 20)})
	burst()
	expect(10, 9)
	t.Log("# at a rate at which none is in time, one may wait")
	r.Do(pacer.Pace(flowOf(2), rate(8)))
	for range 3 {
		r.send(2, 1514)
	}
	if frames := r.Do(pacer.Command{Flow: flowOf(2)}).Frames; frames != 1 {
		t.Errorf("%d frames wait, want 1", frames)
	}
	t.Log("# gaps have no rate, and this bound does not count for them")
	r.Do(pacer.Pace(flowOf(3), &pacer.Gaps{List: []pacer.Gap{pacer.Gap(time.Hour) * pacer.Nanosecond}}))
	for range 20 {
		r.send(3, 1514)
	}
	if frames := r.Do(pacer.Command{Flow: flowOf(3)}).Frames; frames != 19 {
		t.Errorf("%d frames wait, want 19", frames)
	}
}

func TestForgetEndsWithTheLastFrame(t *testing.T) {
	r := newRig(t, link.Info{MTU: 1500}, nil)
	r.Do(pacer.Pace(flowOf(1), rate(1538*8)))
	r.Do(pacer.Command{Op: pacer.Forget, Flow: flowOf(2)})
	for range 3 {
		r.send(1, 1514)
	}
	r.Do(pacer.Command{Op: pacer.Forget, Flow: flowOf(1)})
	r.run(1500 * time.Millisecond)
	if r.count("flows") != 1 || len(r.log.left) != 2 {
		t.Errorf("%d flows, %d frames have left", r.count("flows"), len(r.log.left))
	}
	r.run(time.Second)
	if r.count("flows") != 0 || len(r.log.left) != 3 {
		t.Errorf("%d flows, %d frames have left", r.count("flows"), len(r.log.left))
	}
	r.send(1, 1514)
	r.run(0)
	if d := r.log.left[3]; d.paced {
		t.Errorf("%+v, want a frame that nobody paces", d)
	}
}

func TestCloseDropsWhatWaits(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, gig)
	sink.Room, sink.Every = 1, time.Hour
	held := hold.New(sink, clk, &hold.Config{Classes: []hold.Class{{Name: "paced", Rule: from(1, 1), Policy: policy(1e6)}}})
	held.Attach(&linktest.Collector{Clock: clk})
	o := new(told)
	for i, paced := range []bool{false, false, false, true} {
		for port := range uint16(2) {
			f := link.NewFrame(100)
			f.Flow, f.Paced, f.Origin = flowOf(port), paced, o
			f.Depart = clock.Time(i)
			held.Transmit([]*link.Frame{f})
		}
	}
	clk.RunUntil(clock.Time(time.Second))
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if *o != 8 || held.Counters().Sent.Frames != 1 || held.Counters().Sent.Drops[link.Closed] != 7 || held.Waiting() != 0 {
		t.Errorf("%d Origins told, %+v, want 8, 1 frame and 7 drops", *o, held.Counters())
	}
}

// told counts departures.
type told int

func (o *told) Departed(*link.Frame) { *o++ }

func TestNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	null := &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Speed: 1e9}}
	linktest.NoAllocs(t, clk, hold.New(null, clk, nil))

	t.Log("# a hundred flows that are paced, in a class with a rate")
	below := &back{info: null.Is}
	held := hold.New(below, clk, &hold.Config{
		Rate:    1e9,
		Classes: []hold.Class{{Name: "paced", Rule: from(0, 99), Policy: pacer.Policy{Kind: pacer.PacedByDelivery}, Rate: 5e8}},
	})
	feedback := pacer.Feedback{PacingRate: 1e8}
	for port := range uint16(100) {
		f := link.NewFrame(100)
		f.Flow, f.Size = flowOf(port), pacer.Size{Wire: 1538, Payload: 1460}
		held.Transmit([]*link.Frame{f})
	}
	one := make([]*link.Frame, 1)
	step := func() {
		clk.Step()
		for _, f := range below.frames {
			f.Paced, f.Depart, one[0] = false, clk.Now(), f
			held.Transmit(one)
			held.Do(pacer.Command{Op: pacer.Follow, Flow: f.Flow, Feedback: feedback})
		}
		below.frames = below.frames[:0]
	}
	for range 10_000 {
		step()
	}
	if n := testing.AllocsPerRun(10_000, step); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
	if held.Classes()[1].Frames < 15_000 {
		t.Errorf("%+v, want all frames to be paced", held.Classes()[1])
	}
}
