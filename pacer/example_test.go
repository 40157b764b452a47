package pacer_test

import (
	"fmt"
	"strings"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Frames of 1518 bytes, which are 1538 on the wire, leave at 950 Mbit/s of the wire. The
// exact gap is 12951 and 11/19 ns.
func ExampleRate() {
	rate, err := pacer.NewRate(950e6, pacer.Wire)
	if err != nil {
		fmt.Println(err)
		return
	}
	frame := pacer.Size{Wire: 1538}

	last := clock.Time(0)
	for i := range 6 {
		t := rate.Depart(frame, 0)
		fmt.Printf("packet %d at %5d ns, gap %5d ns\n", i, t, t-last)
		last = t
	}
	for range 1_000_000 - 6 {
		rate.Depart(frame, 0)
	}
	t := rate.Depart(frame, 0)
	exact := 1_000_000 * 1538 * 8 * 1e9 / 950e6
	fmt.Printf("packet 1000000 at %d ns, off by %.2f ns\n", t, float64(t)-exact)

	// Output:
	// packet 0 at     0 ns, gap     0 ns
	// packet 1 at 12951 ns, gap 12951 ns
	// packet 2 at 25903 ns, gap 12952 ns
	// packet 3 at 38854 ns, gap 12951 ns
	// packet 4 at 51806 ns, gap 12952 ns
	// packet 5 at 64757 ns, gap 12951 ns
	// packet 1000000 at 12951578947 ns, off by -0.37 ns
}

// A list of gaps is used in order and from its beginning again.
func ExampleGaps() {
	list, err := pacer.ParseGaps(strings.NewReader("13560 12336\n0 500.5\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	gaps, err := pacer.NewGaps(list)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 10 {
		fmt.Println(gaps.Depart(pacer.Size{}, 0))
	}

	// Output:
	// 0.000000000s
	// 0.000013560s
	// 0.000025896s
	// 0.000025896s
	// 0.000026396s
	// 0.000039956s
	// 0.000052292s
	// 0.000052292s
	// 0.000052793s
	// 0.000066353s
}
