package netfpga_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Frames with departures in the host's time leave a card whose clock is off: 10 s of one
// every 400 us, each handed over 1 ms ahead. The departure is missed by no more than the
// bound that was given for it, and a tick of 8 ns that it is rounded up to.
func TestOwnClock(t *testing.T) {
	var table strings.Builder
	for _, c := range []struct {
		what   string
		config netfpga.Config
	}{
		{"the host's", netfpga.Config{}},
		{"100 ppm fast", netfpga.Config{ClockPPM: 100, ClockOffset: 1}},
		{"100 ppm slow, began an hour ago", netfpga.Config{ClockPPM: -100, ClockOffset: time.Hour}},
		{"12.345 ppm fast", netfpga.Config{ClockPPM: 12.345}},
		{"true, but not the host's", netfpga.Config{ClockOffset: 3*time.Hour + 5}},
		{"100 ppm slow, measured bus", netfpga.Config{ClockPPM: -100, PCI: pci.Measured()}},
		{"100 ppm fast, 100g", netfpga.Config{ClockPPM: 100, Profile: "100g"}},
	} {
		const gap, ahead, end = 400_000, 1_000_000, clock.Time(10e9)
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &c.config)
		tick := card.Info().Tick
		clk.RunUntil(200_000_000)
		var bounds []time.Duration
		n := 0
		var early, late, bound time.Duration
		dev.onFrame = func(f *link.Frame) {
			miss := f.Sent.Or(clock.Never).Sub(f.Depart)
			if miss < -bounds[n] || miss > bounds[n]+tick {
				t.Errorf("%s: frame %d missed its departure by %d ns, bound %d", c.what, n, miss, bounds[n])
			}
			early, late, bound = max(early, -miss), max(late, miss), max(bound, bounds[n])
			n++
		}
		for at := clk.Now(); at < end; at += gap {
			clk.RunUntil(at)
			if taken, err := card.Transmit([]*link.Frame{frame(100, at+ahead+7)}); taken != 1 {
				t.Fatal(err)
			}
			bounds = append(bounds, card.Clock().Error)
		}
		k := card.Clock()
		run(clk)
		if s := card.Counters(); n != len(bounds) || s.Get("driver_bad_stamps")+s.Get("driver_disordered") != 0 || s.Sent.Dropped() != 0 {
			t.Errorf("%s: %d frames of %d; %+v", c.what, n, len(bounds), s)
		}
		fmt.Fprintf(&table, "%-32s up to %2d ns early, %2d late, bound %3d; offset %14d ns, drift %8.4f ppm\n",
			c.what, early, late, bound, k.Offset, k.DriftPPM)
	}
	want := `
the host's                       up to  0 ns early,  1 late, bound   0; offset              0 ns, drift   0.0000 ppm
100 ppm fast                     up to  0 ns early,  5 late, bound  34; offset         999960 ns, drift 100.0000 ppm
100 ppm slow, began an hour ago  up to  0 ns early,  6 late, bound  34; offset  3599999000040 ns, drift -100.0000 ppm
12.345 ppm fast                  up to  3 ns early,  9 late, bound  62; offset         123445 ns, drift  12.3450 ppm
true, but not the host's         up to  0 ns early,  1 late, bound  34; offset 10800000000000 ns, drift   0.0000 ppm
100 ppm slow, measured bus       up to  0 ns early,  6 late, bound  56; offset        -999961 ns, drift -100.0000 ppm
100 ppm fast, 100g               up to  2 ns early,  3 late, bound  20; offset         999960 ns, drift 100.0000 ppm
`
	if table.String() != want[1:] {
		t.Errorf("got\n%swant%s", table.String(), want)
	}
}
