package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

func TestBoundsAt(t *testing.T) {
	for _, c := range []struct {
		rate  int64
		given bool
		mss   int
		want  bounds
	}{
		{0, false, 1448, bounds{mostBound, 2 * mostBound}},    // # no line speed
		{1e9, false, 1448, bounds{125_000, 512 << 10}},        // # 1 ms; 100 ms are more than mostLead
		{100e6, false, 1448, bounds{12_500, 512 << 10}},       //
		{10e6, false, 1448, bounds{2 * 1448, 125_000}},        // # two segments; 100 ms
		{100e6, true, 1448, bounds{12_500, 250_000}},          // # 20 ms of a given rate
		{100e9, true, 1448, bounds{mostBound, 2 * mostBound}}, // # bounded, and twice that
		{1e6, true, 1448, bounds{2 * 1448, 4 * 1448}},         //
		{1, true, 1448, bounds{2 * 1448, 4 * 1448}},           //
	} {
		if got := boundsAt(c.rate, c.given, c.mss); got != c.want {
			t.Errorf("%d bit/s, given %v: %v, want %v", c.rate, c.given, got, c.want)
		}
	}
}

func TestMayLead(t *testing.T) {
	b := bounds{10_000, 500_000}
	for _, c := range []struct {
		b      bounds
		window int
		srtt   time.Duration
		want   int
	}{
		{b, 100_000, 0, 500_000},                         // # no round trip is known
		{bounds{0, 500_000}, 1000, time.Second, 500_000}, // # nothing is bounded
		{b, 100_000, 100 * time.Millisecond, 300_000},    // # two windows and 100 ms
		{b, 100_000, 50 * time.Millisecond, 400_000},     //
		{b, 100_000, time.Millisecond, 500_000},          // # no more than lead
		{b, 1000, time.Second, 20_000},                   // # no less than twice what may wait
	} {
		if got := c.b.mayLead(c.window, c.srtt); got != c.want {
			t.Errorf("%v, a window of %d in %v: %d, want %d", c.b, c.window, c.srtt, got, c.want)
		}
	}
}

func TestMayWrite(t *testing.T) {
	for _, c := range []struct {
		n, ahead, lead, mss int
		waits               bool
		want                int
	}{
		{5000, 0, 10_000, 1000, false, 5000},
		{5000, 5000, 10_000, 1000, false, 5000},
		{5000, 5500, 10_000, 1000, false, 4000}, // # whole segments
		{5000, 9500, 10_000, 1000, false, 0},    // # less than one
		{400, 9500, 10_000, 1000, false, 400},   // # but all of it fits
		{1, 10_000, 10_000, 1000, false, 0},
		{1, 12_000, 10_000, 1000, false, 0},
		{5000, 5500, 10_000, 0, false, 5000},
		{5000, 5000, 10_000, 1000, true, 0},    // # who waits, waits for half
		{5000, 4999, 10_000, 1000, true, 5000}, //
		{9000, 4999, 10_000, 1000, true, 5000}, //
	} {
		if got := mayWrite(c.n, c.ahead, c.lead, c.mss, c.waits); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestClamp(t *testing.T) {
	for _, c := range []struct{ bound, cwnd, outstanding, ahead, mss, want int }{
		{0, 100, 90, 1 << 20, 1000, 100},    // # nothing is bounded
		{10_000, 100, 20, 0, 1000, 30},      // # what is in flight, and the bound
		{10_000, 25, 20, 0, 1000, 25},       // # the window is less
		{10_000, 100, 20, 4000, 1000, 26},   //
		{10_000, 100, 20, 4001, 1000, 26},   // # rounded up, so that it never stops
		{10_000, 100, 20, 10_000, 1000, 20}, //
		{10_000, 100, 20, 50_000, 1000, 20}, //
	} {
		if got := (bounds{waiting: c.bound}).clamp(c.cwnd, c.outstanding, c.ahead, c.mss); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestUsage(t *testing.T) {
	var u usage
	c := &cc.Conn{Cwnd: 10, Ssthresh: 100, Una: 0, Nxt: 10_000}
	check := func(what string, outstanding int, want bool) {
		t.Helper()
		if got := u.seen(c, outstanding); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	// # in slow start half a window is enough
	check("5 of 10", 5, false)
	check("6 of 10", 6, true)
	check("6 were, in this window", 1, true)
	c.Una, c.Nxt = 10_000, 20_000
	check("the next window", 1, false)
	// # and above it is to be full
	c.Ssthresh = 10
	check("9 of 10", 9, false)
	check("10 of 10", 10, true)
	check("it was full", 2, true)
	c.Una = 19_999
	check("it still is that window", 2, true)
	c.Una = pacer.Seq(20_000)
	check("the next", 2, false)
}
