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

// TestWaited has frames wait for 1.5 s and 1 s of a line that takes a frame each half second.
func TestWaited(t *testing.T) {
	slow := &wire.Config{Address: ethernet, Rate: 84 * 8 * 2}
	t.Run("a burst of three", func(t *testing.T) {
		b := newTestWire(t, slow)
		b.send(0, 60, 60, 60) // two wait for half a second, one for half a second more
		for _, c := range []struct{ ms, want int64 }{{0, 0}, {100, 200}, {500, 1000}, {750, 1250}, {1000, 1500}, {3000, 1500}} {
			b.clk.RunUntil(clock.Time(c.ms * 1e6))
			if got := waited(b.near); got != c.want*1000 {
				t.Errorf("at %d ms: %d us, want %d ms", c.ms, got, c.want)
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		b := newTestWire(t, slow)
		b.send(0, 60, 60, 60)
		b.clk.RunUntil(250e6)
		b.near.Close()
		b.clk.RunUntil(1e9)
		if got := waited(b.near); got != 500_000 {
			t.Errorf("%d us, want those of two until the end was closed", got)
		}
	})
	t.Run("beyond 64 bits", func(t *testing.T) {
		// 100,000 frames for years, behind one that takes 272 of them.
		b := newTestWire(t, &wire.Config{QueueFrames: 100_000, Rate: 1})
		f := link.NewFrame(32)
		f.Size.Wire = 1 << 30
		b.transmit(f)
		for range 100_000 {
			b.send(0, 32)
		}
		for _, c := range []struct {
			until clock.Time
			want  int64
		}{{9e16, 9e18}, {92e15, 92e17}, {93e15, math.MaxInt64}, {8e18, math.MaxInt64}} {
			b.clk.RunUntil(c.until)
			if got := waited(b.near); got != c.want {
				t.Errorf("after %d ns: %d us, want %d", c.until, got, c.want)
			}
		}
	})
}

// What has waited agrees with a look at the queue every nanosecond, while frames come at random
// and the rate changes.
func TestWaitedByLooking(t *testing.T) {
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
		var sum int64
		for now := clock.Time(0); now < end; now++ {
			clk.RunUntil(now)
			c := near.Counters()
			sum += c.Get("queue_frames")
		}
		clk.RunUntil(end)
		if got := waited(near); got != sum/1000 || sum < 1000 {
			t.Errorf("the counter is %d us, %d ns were counted", got, sum)
		}
	}
}

// waited returns the counter of what has waited, in frames times microseconds.
func waited(e *wire.End) int64 {
	c := e.Counters()
	return c.Get("queue_frame_us")
}
