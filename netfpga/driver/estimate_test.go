package driver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// stamps is a card that says the time again and again, through messages that are delayed.
type stamps struct {
	tick    drivercomm.Tick // nominal
	counter drivercomm.Counter
	every   time.Duration // on average, between two
	delay   func(*rand.Rand) time.Duration
}

func atOnce(*rand.Rand) time.Duration { return 0 }

// exponential is the delay of a host with much to do: 5 us on average.
func exponential(rng *rand.Rand) time.Duration {
	return time.Duration(rng.ExpFloat64() * 5000)
}

// stalls is exponential, and one in a hundred waits for up to 8 ms.
func stalls(rng *rand.Rand) time.Duration {
	if rng.IntN(100) == 0 {
		return time.Duration(rng.Int64N(8e6))
	}
	return exponential(rng)
}

// Over 10 s the true error of each conversion, up to ahead, is within the bound that was
// given for it. The table has the worst of both behind the first second.
func TestEstimate(t *testing.T) {
	var table strings.Builder
	const ahead = time.Millisecond
	sume := drivercomm.Tick{Num: 32, Den: 5}
	for _, c := range []struct {
		what  string
		ppm   float64
		start uint64
		stamps
	}{
		{"fast", 100, 1 << 40, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 50 * time.Microsecond, atOnce}},
		{"slow", -100, 0, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 50 * time.Microsecond, atOnce}},
		{"true", 0, 123, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 50 * time.Microsecond, atOnce}},
		{"fast, 6.4 ns", 33.333, 1 << 62, stamps{sume, drivercomm.Counter{}, 50 * time.Microsecond, atOnce}},
		{"fast, rarely heard of", 100, 7, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 50 * time.Millisecond, atOnce}},
		{"slow, delayed", -100, 7, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 50 * time.Microsecond, exponential}},
		{"fast, delayed and stalled", 100, 7, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 50 * time.Microsecond, stalls}},
		{"slow, rarely, delayed and stalled", -77, 7, stamps{drivercomm.NetFPGATick(), drivercomm.Counter{}, 5 * time.Millisecond, stalls}},
	} {
		off, err := c.stamps.tick.Off(c.ppm)
		if err != nil {
			t.Fatal(err)
		}
		c.counter = drivercomm.Counter{Tick: off, Start: c.start}
		rng := rand.New(rand.NewPCG(1, 2))
		e := estimate{tick: c.stamps.tick}
		worst, widest, drift := 0.0, 0.0, 0.0
		heard, now := clock.Time(0), clock.Time(0)
		for range handshakes {
			heard = now + clock.Time(c.delay(rng))
			e.add(c.counter.Down(now), heard)
			e.answered(heard.Sub(now))
			now = heard.Add(betweenThese)
		}
		e.close()
		for ; now < 10e9; now += clock.Time(rng.Int64N(2 * int64(c.every))) {
			heard = max(heard, now+clock.Time(c.delay(rng))) // messages keep their order
			if !e.add(c.counter.Down(now), heard) {
				t.Fatalf("%s: a time stamp is refused", c.what)
			}
			at := heard + clock.Time(rng.Int64N(int64(ahead)))
			tick := c.stamps.tick
			length := float64(tick.Num) / float64(tick.Den)
			base, after := e.convert(at)
			miss := float64(c.counter.Time(base+e.tick.Up(after)) - at)
			bound := e.bound(at)
			if miss < -bound || miss > bound+length+1 {
				t.Errorf("%s: at %v, %v is missed by %.0f ns, bound %.1f", c.what, now, at, miss, bound)
			}
			if now > 1e9 {
				worst, widest = max(worst, math.Abs(miss)), max(widest, bound)
				drift = max(drift, math.Abs(e.slope*1e6-c.ppm))
			}
		}
		fmt.Fprintf(&table, "%-34s error %4.0f ns, bound %5.0f ns, drift wrong by %.4f ppm\n", c.what, worst, widest, drift)
	}
	want := `
fast                               error    8 ns, bound    19 ns, drift wrong by 0.0000 ppm
slow                               error    9 ns, bound    19 ns, drift wrong by 0.0000 ppm
true                               error    7 ns, bound    19 ns, drift wrong by 0.0000 ppm
fast, 6.4 ns                       error    7 ns, bound    15 ns, drift wrong by 0.0000 ppm
fast, rarely heard of              error    8 ns, bound    29 ns, drift wrong by 0.0011 ppm
slow, delayed                      error   12 ns, bound   415 ns, drift wrong by 0.0047 ppm
fast, delayed and stalled          error   11 ns, bound   761 ns, drift wrong by 0.0071 ppm
slow, rarely, delayed and stalled  error  112 ns, bound  1975 ns, drift wrong by 0.1542 ppm
`
	if table.String() != want[1:] {
		t.Errorf("got\n%swant%s", table.String(), want)
	}
}

// A card whose clock runs back, or away, is not believed, and nothing breaks.
func FuzzEstimate(f *testing.F) {
	f.Add(uint64(1<<40), int64(5), uint64(1<<40+100), int64(800), uint64(1<<63), int64(900))
	f.Add(uint64(0), int64(0), uint64(1e9), int64(2e6), uint64(2e9), int64(4e6))
	f.Add(uint64(5), int64(5), uint64(4), int64(800), uint64(1<<64-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, k0 uint64, t0 int64, k1 uint64, t1 int64, k2 uint64, t2 int64) {
		e := estimate{tick: drivercomm.NetFPGATick()}
		heard := clock.Time(0)
		for _, s := range []struct {
			tick uint64
			at   int64
		}{{k0, t0}, {k1, t1}, {k2, t2}} {
			heard = max(heard, clock.Time(s.at))
			e.add(s.tick, heard)
			e.answered(0)
		}
		e.close()
		if s := math.Abs(e.slope); !(s <= maxSlope) {
			t.Errorf("a slope of %v", e.slope)
		}
		for _, p := range e.points {
			if above := e.above(p); above > 1e-6*math.Abs(p.ahead)+1 {
				t.Errorf("the stamp %v is above the line by %v", p, above)
			}
		}
	})
}
