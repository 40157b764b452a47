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

// shutter is a device that has no room while it is shut, and notes what the frames missed.
type shutter struct {
	linktest.Null
	shut   bool
	missed []time.Duration
	full   []time.Duration
}

func (s *shutter) Transmit(frames []*link.Frame) (int, error) {
	if s.shut {
		return 0, link.ErrFull
	}
	for _, f := range frames {
		s.missed, s.full = append(s.missed, f.Missed), append(s.full, f.Full)
	}
	return s.Null.Transmit(frames)
}

// A frame says by how much its flow's schedule moved up, as the frame was not there, and
// how long it waited for the device.
func TestMissed(t *testing.T) {
	clk := clock.NewVirtual()
	below := &shutter{Null: linktest.Null{Is: gig}}
	h := hold.New(below, clk, nil)
	send := func(at time.Duration) {
		clk.RunUntil(clock.Time(at))
		f := link.NewFrame(1514)
		f.Flow, f.Depart = flowOf(1), clk.Now()
		f.Size = pacer.Size{Wire: 1538, IP: 1500, Payload: 1460}
		h.Transmit([]*link.Frame{f})
	}
	const us = time.Microsecond
	h.Do(pacer.Pace(flowOf(1), rate(1538*8*1e3))) // one frame a ms
	lead := 12304 * time.Nanosecond               // between a frame's arrival and its departure

	// # the first one asks for nothing; the next two are there in time
	send(500 * us)
	send(500 * us)
	send(500 * us)
	// # due at 3.5 ms and lead, and 300 us late, which moves the schedule up
	send(3800 * us)
	send(3800 * us)
	// # at 4.8 ms the device has no room for 200 us; the frame behind is in time again
	clk.RunUntil(clock.Time(4700 * us))
	below.shut = true
	clk.RunUntil(clock.Time(4800*us + lead + 150*us))
	h.Ready() // it is wrong about that
	clk.RunUntil(clock.Time(4800*us + lead + 200*us))
	below.shut = false
	h.Ready()
	send(5000*us + lead)
	clk.RunUntil(clock.Time(time.Second))
	want := []time.Duration{0, 0, 0, 300 * us, 0, 0}
	full := []time.Duration{0, 0, 0, 0, 200 * us, 0}
	for i := range want {
		if i >= len(below.missed) || below.missed[i] != want[i] || below.full[i] != full[i] {
			t.Fatalf("missed %v, want %v; no room for %v, want %v", below.missed, want, below.full, full)
		}
	}
}

// What a list of gaps was late with is made up for, and a pause in a schedule is not missed.
func TestMissedByOthers(t *testing.T) {
	ms := clock.Time(time.Millisecond)
	size := pacer.Size{Wire: 125, IP: 125, Payload: 125}
	gaps, err := pacer.NewGaps([]pacer.Gap{pacer.Gap(ms) * pacer.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, ready := range []clock.Time{0, 0, 5 * ms, 5 * ms, 5 * ms, 5 * ms, 5 * ms, 20 * ms} {
		sum += gaps.Missed(size, gaps.Next(size, ready))
		gaps.Depart(size, ready)
	}
	if sum != time.Duration(13*ms) { // the eighth is due at 7 ms
		t.Errorf("a list of gaps has missed %v", sum)
	}
	schedule, err := pacer.NewSchedule([]pacer.Step{{At: 0, BitsPerSecond: 1e6}, {At: 10 * time.Millisecond, BitsPerSecond: 0}, {At: 30 * time.Millisecond, BitsPerSecond: 1e6}}, 0, pacer.Wire)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 { // one a ms, of which 20 ms are a pause
		if m := schedule.Missed(size, schedule.Next(size, 0)); m != 0 {
			t.Errorf("packet %d missed %v", i, m)
		}
		schedule.Depart(size, 0)
	}
	if m := schedule.Missed(size, 100*ms); m != time.Duration(60*ms) {
		t.Errorf("at 100 ms %v are missed", m)
	}
}
