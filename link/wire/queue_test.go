package wire_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestMean(t *testing.T) {
	t.Run("a burst of three", func(t *testing.T) {
		b := newBench(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60, 60, 60) // two wait for 672 ns, one for 672 more
		for _, c := range []struct {
			until clock.Time
			want  float64
		}{{672, 2}, {1344, 1.5}, {2016, 1}, {4032, 0.5}} {
			b.clk.RunUntil(c.until)
			if got := b.near.Queue().Mean(wire.Queue{}); got != c.want {
				t.Errorf("at %d ns: %v, want %v", c.until, got, c.want)
			}
		}
	})
	t.Run("between two looks", func(t *testing.T) {
		b := newBench(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60, 60, 60)
		b.clk.RunUntil(336)
		first := b.near.Queue()
		b.clk.RunUntil(1008)
		if got := b.near.Queue().Mean(first); got != 1.5 {
			t.Errorf("%v, want 1.5", got)
		}
		if got := first.Mean(first); got != 0 {
			t.Errorf("over no time: %v, want 0", got)
		}
	})
	t.Run("closed", func(t *testing.T) {
		b := newBench(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60, 60, 60)
		b.clk.RunUntil(672 / 2)
		b.near.Close()
		b.clk.RunUntil(672)
		if got := b.near.Queue().Mean(wire.Queue{}); got != 1 {
			t.Errorf("%v, want 1: two until the end was closed", got)
		}
	})
	t.Run("beyond 64 bits", func(t *testing.T) {
		// 100,000 frames for 253 years, behind one that takes 272.
		b := newBench(t, &wire.Config{QueueFrames: 100_000, Rate: 1})
		f := link.NewFrame(32)
		f.Size.Wire = 1 << 30
		b.transmit(f)
		for range 100_000 {
			b.send(0, 32)
		}
		b.clk.RunUntil(8e18)
		if got := b.near.Queue().Mean(wire.Queue{}); got != 100_000 {
			t.Errorf("%v, want 100000", got)
		}
		if got := waited(b.near); got != math.MaxInt64 {
			t.Errorf("the counter is %d", got)
		}
	})
}

// The mean agrees with a look at the queue every nanosecond, while frames come at random
// and the rate changes.
func TestMeanByLooking(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, line := range []int64{0, 5e9} {
		clk := clock.NewVirtual()
		near, far := wire.New(clk, &wire.Config{Line: line, Rate: 1e9, QueueFrames: 8}, nil)
		far.Attach(new(linktest.Null))
		const end = 200_000
		for range 200 {
			clk.AfterFunc(time.Duration(random.IntN(end)), func() { near.Transmit([]*link.Frame{link.NewFrame(32)}) })
		}
		for _, rate := range []int64{3e8, 2e9, 7e8} {
			clk.AfterFunc(time.Duration(random.IntN(end)), func() { near.SetRate(rate) })
		}
		sum := 0
		for now := clock.Time(0); now < end; now++ {
			clk.RunUntil(now)
			sum += near.Queue().Frames
		}
		clk.RunUntil(end)
		if got, want := near.Queue().Mean(wire.Queue{}), float64(sum)/end; got != want || sum == 0 {
			t.Errorf("%v, want %v", got, want)
		}
		if got := waited(near); got != int64(sum)/1000 {
			t.Errorf("the counter is %d us, %d ns were counted", got, sum)
		}
	}
}

// waited returns the counter of what has waited, in frames times microseconds.
func waited(e *wire.End) int64 {
	c := e.Counters()
	return c.Get("queue_frame_us")
}
