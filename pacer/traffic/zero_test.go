package traffic

import (
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Time 0 is one like any other. Of the packets of a plan that begins there only the first one
// is absolute.
func TestPacketsFromZero(t *testing.T) {
	plan := &Plan{Gaps: CycleGaps([]pacer.Gap{1000}), Sizes: CycleSizes([]int{10}), Packets: 3}
	var absolute []bool
	for d := range Packets(plan, time.Unix(0, 0)) {
		absolute = append(absolute, d.Absolute)
	}
	if want := []bool{true, false, false}; !slices.Equal(absolute, want) {
		t.Errorf("absolute: %v, want %v", absolute, want)
	}
}

// A frame that leaves at 0 has left, and one that does not is dropped.
func TestPlayerAtZero(t *testing.T) {
	clk := clock.NewVirtual()
	p := &Player{clk: clk, counters: NewCounters(), timer: clk.AfterFunc(0, func() {})}
	for i, f := range []*link.Frame{linktest.FrameOf(make([]byte, 60)), linktest.FrameOf(make([]byte, 60))} {
		p.counters.Give()
		f.Origin = p
		if i == 0 {
			f.Left(0)
		}
		f.Free()
	}
	if p.counters.dropped != 1 {
		t.Errorf("%d of two frames were dropped", p.counters.dropped)
	}
}

// scheduled keeps what the frames are scheduled for.
type scheduled struct {
	linktest.Null
	at []clock.Time
}

func (s *scheduled) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		s.at = append(s.at, f.Sched.Or(clock.Never))
	}
	return s.Null.Transmit(frames)
}

// What the devices above the card schedule for 0 stays so.
func TestMonitorAtZero(t *testing.T) {
	clk, below := clock.NewVirtual(), &scheduled{Null: linktest.Null{Is: ethernetPort}}
	m := NewMonitor(below, clk, 1e9, NewCounters())
	set, unset := linktest.FrameOf(make([]byte, 60)), linktest.FrameOf(make([]byte, 60))
	set.Depart, set.Sched, unset.Depart = 500, clock.At(0), 500
	if _, err := m.Transmit([]*link.Frame{set, unset}); err != nil {
		t.Fatal(err)
	}
	if want := []clock.Time{0, 500}; !slices.Equal(below.at, want) {
		t.Errorf("scheduled for %v, want %v", below.at, want)
	}
}
