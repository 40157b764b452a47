package drivercomm

import (
	"math"
	"math/big"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestNetFPGATick(t *testing.T) {
	tick := NetFPGATick()
	for _, c := range []struct {
		at       clock.Time
		up, down uint64
	}{
		{-1, 0, 0}, {0, 0, 0}, {1, 1, 0}, {7, 1, 0}, {8, 1, 1}, {9, 2, 1},
		{13560, 1695, 1695}, {1<<63 - 1, 1 << 60, 1<<60 - 1},
	} {
		if up, down := tick.Up(c.at), tick.Down(c.at); up != c.up || down != c.down {
			t.Errorf("%d ns: up %d, down %d, want %d, %d", int64(c.at), up, down, c.up, c.down)
		}
	}
	for _, c := range []struct {
		tick uint64
		want clock.Time
	}{
		{0, 0}, {1, 8}, {1695, 13560}, {1<<60 - 1, 1<<63 - 8}, {1 << 60, clock.Never}, {1<<64 - 1, clock.Never},
	} {
		if got := tick.Time(c.tick); got != c.want {
			t.Errorf("tick %d is at %d, want %d", c.tick, int64(got), int64(c.want))
		}
	}
}

// Conversions agree with arithmetic without bounds, and a time that is a tick's stays it.
func FuzzTick(f *testing.F) {
	f.Add(uint64(32), uint64(5), int64(1<<62), uint64(1<<59)) // 6.4 ns
	f.Add(uint64(80008), uint64(10000), int64(1e18), uint64(1e17))
	f.Add(uint64(8), uint64(1), int64(-5), uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, num, den uint64, ns int64, k uint64) {
		tick := Tick{num, den}
		if tick.Check() != nil {
			return
		}
		at := clock.Time(ns)
		down := new(big.Int).Quo(new(big.Int).Mul(big.NewInt(max(ns, 0)), u(den)), u(num)).Uint64()
		if tick.Down(at) != down {
			t.Errorf("%v: %d ns: down %d, want %d", tick, ns, tick.Down(at), down)
		}
		if up := tick.Up(at); at > 0 && (tick.Time(up) < at || tick.Time(up-1) >= at) && tick.Time(up) < clock.Never {
			t.Errorf("%v: %d ns: up %d, which is at %d", tick, ns, up, int64(tick.Time(up)))
		}
		q, r := new(big.Int).QuoRem(new(big.Int).Mul(u(k), u(num)), u(den), new(big.Int))
		if r.Sign() > 0 {
			q.Add(q, big.NewInt(1))
		}
		want := clock.Never
		if q.Cmp(big.NewInt(int64(want))) < 0 {
			want = clock.Time(q.Int64())
			if tick.Down(want) != k || tick.Up(want) != k {
				t.Errorf("%v: tick %d is at %d, which is tick %d", tick, k, int64(want), tick.Down(want))
			}
		}
		if got := tick.Time(k); got != want {
			t.Errorf("%v: tick %d is at %d, want %d", tick, k, int64(got), int64(want))
		}
	})
}

func u(x uint64) *big.Int { return new(big.Int).SetUint64(x) }

func TestTickCheck(t *testing.T) {
	for _, c := range []struct {
		tick Tick
		ok   bool
	}{
		{Tick{8, 1}, true}, {Tick{32, 5}, true}, {Tick{1, 1}, true}, {Tick{1e9, 1}, true},
		{Tick{}, false}, {Tick{8, 0}, false}, {Tick{1, 2}, false}, {Tick{1e9 + 1, 1}, false}, {Tick{1 << 63, 1 << 62}, false},
	} {
		if err := c.tick.Check(); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.tick, err)
		}
	}
}

func TestCounter(t *testing.T) {
	fast, err := NetFPGATick().Off(100) // 8 ns / 1.0001
	if err != nil {
		t.Fatal(err)
	}
	c := Counter{Tick: fast, Start: 1000}
	for _, x := range []struct {
		at       clock.Time
		up, down uint64
	}{
		{-1, 1000, 1000}, {0, 1000, 1000}, {1, 1001, 1000}, {8, 1001, 1001}, {9, 1002, 1001}, {1e9, 1000 + 125_012_500, 1000 + 125_012_500},
		{1e9 + 1, 1001 + 125_012_500, 1000 + 125_012_500},
	} {
		if up, down := c.Up(x.at), c.Down(x.at); up != x.up || down != x.down {
			t.Errorf("%d ns: up %d, down %d, want %d, %d", int64(x.at), up, down, x.up, x.down)
		}
	}
	for _, x := range []struct {
		tick uint64
		want clock.Time
	}{
		{0, 0}, {999, 0}, {1000, 0}, {1001, 8}, {1000 + 125_012_500, 1e9}, {1<<64 - 1, clock.Never},
	} {
		if got := c.Time(x.tick); got != x.want {
			t.Errorf("tick %d is at %d, want %d", x.tick, int64(got), int64(x.want))
		}
	}
}

func TestOff(t *testing.T) {
	for _, ppm := range []float64{0, 100, -100, 0.001, MaxPPM, -MaxPPM} {
		got, err := (Tick{512, 165}).Off(ppm)
		if err != nil {
			t.Fatal(err)
		}
		// 512/165 * 1e9/(1e9+ppb), in lowest terms or not.
		ppb := int64(1e9) + int64(math.Round(ppm*1000))
		left := new(big.Int).Mul(u(got.Num), new(big.Int).Mul(u(165), big.NewInt(ppb)))
		right := new(big.Int).Mul(u(got.Den), new(big.Int).Mul(u(512), big.NewInt(1e9)))
		if left.Cmp(right) != 0 {
			t.Errorf("%v ppm off: %v", ppm, got)
		}
	}
	for _, ppm := range []float64{201, -200.5, math.NaN(), math.Inf(1)} {
		if got, err := NetFPGATick().Off(ppm); err == nil {
			t.Errorf("%v ppm off: %v", ppm, got)
		}
	}
	if got, err := (Tick{1 << 62, 1<<32 - 1}).Off(1); err == nil {
		t.Errorf("a tick too odd: %v", got)
	}
}
