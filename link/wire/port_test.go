package wire_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A frame of 60 bytes takes 672 ns at 1 Gbit/s and 6720 ns at 100 Mbit/s, one of 1514
// bytes 12304 and 123040 ns.
func TestPort(t *testing.T) {
	t.Run("one frame takes both times", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e8, Delay: 100 * time.Microsecond})
		b.send(1000, 1514)
		b.arrived("236.344µs:1514")
		if speed := b.near.Info().Speed; speed != 1e9 {
			t.Errorf("Info().Speed = %d, want the port's", speed)
		}
	})
	t.Run("a burst waits in the queue", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e8})
		b.send(0, 60, 60, 60)
		b.arrived("7.392µs:60 14.112µs:60 20.832µs:60")
		if n := b.most("frames"); n != 2 {
			t.Errorf("%d frames waited at most, want 2", n)
		}
	})
	t.Run("frames at the bottleneck's rate do not wait", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e8})
		b.send(0, 60)
		b.send(6720, 60)
		b.arrived("7.392µs:60 14.112µs:60")
		if n := b.most("frames"); n != 0 {
			t.Errorf("%d frames waited at most, want none", n)
		}
	})
	t.Run("the queue is bounded and the port counts what it lets in", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e8, QueueFrames: 2})
		b.send(0, 60, 61, 62, 63, 64) // in the queue after 672, 1352, 2040, 2736, 3440 ns
		b.arrived("7.392µs:60 14.192µs:61 21.072µs:62")
		sent := b.near.Counters().Sent
		if sent.Frames != 3 || sent.Drops[link.QueueFull] != 2 {
			t.Errorf("sent %+v", sent)
		}
	})
	t.Run("the port's own queue is bounded", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Line: 1e6})
		for range 1100 {
			b.send(0, 60)
		}
		if sent := b.near.Counters().Sent; sent.Drops[link.QueueFull] != 99 {
			t.Errorf("%d frames dropped, want 99: one leaves, 1000 wait", sent.Drops[link.QueueFull])
		}
	})
	t.Run("a step of the bottleneck does not change the port", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e8})
		b.near.SetRate(1e9)
		b.send(0, 60, 60)
		b.arrived("1.344µs:60 2.016µs:60")
	})
	t.Run("close ends what is in the port", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e8})
		b.send(0, 60, 60, 60, 60)
		b.clk.RunUntil(1400) // one is on the line, one in the queue, one in the port, one before it
		b.near.Close()
		b.arrived("7.392µs:60")
		if sent := b.near.Counters().Sent; sent.Frames != 1 || sent.Drops[link.Closed] != 3 {
			t.Errorf("sent %+v", sent)
		}
		if next := b.clk.Next(); next != clock.Never {
			t.Errorf("an event is left over at %v", next)
		}
	})
}

// The Origin is told when the frame leaves the port, and not again at the bottleneck.
func TestPortSent(t *testing.T) {
	b := newTestWire(t, &wire.Config{Address: ethernet, Line: 1e9, Rate: 1e6})
	o := &origin{clk: b.clk}
	kept := make([]*link.Frame, 3)
	for i := range kept {
		kept[i] = link.NewFrame(60)
		kept[i].Origin = o
		b.transmit(kept[i])
	}
	b.clk.RunUntil(1_000_000) // the second is on the line
	if got := fmt.Sprint(o.sent, o.told); got != "[0.000000000s 0.000000672s 0.000001344s] [0.000000000s 0.000000672s 0.000001344s]" {
		t.Errorf("left, and told at: %s", got)
	}
	if kept[1].Sent != clock.At(672) {
		t.Errorf("Sent = %v", kept[1].Sent)
	}
}

// Behind a port whose byte time is no whole number of nanoseconds, frames arrive when they
// should, exactly: each stage rounds up once and carries the rest.
func TestPortNoDrift(t *testing.T) {
	const line, rate, frames = 3e9, 999_999_937, 10_000
	clk := clock.NewVirtual()
	near, far := wire.New(clk, &wire.Config{Line: line, Rate: rate, QueueFrames: frames}, nil)
	got := &linktest.Collector{Clock: clk}
	far.Attach(got)
	for range 1000 {
		near.Transmit([]*link.Frame{link.NewFrame(1500)})
	}
	for clk.Step() {
	}
	first := ceil(1538*8e9, line)
	for _, i := range []int64{1, 2, 3, 999, 1000} {
		if at, want := int64(got.Records[i-1].At), first+ceil(i*1538*8e9, rate); at != want {
			t.Errorf("frame %d arrived at %d ns, want %d", i, at, want)
		}
	}
}

func ceil(a, b int64) int64 {
	q := new(big.Int).Add(big.NewInt(a), big.NewInt(b-1))
	return q.Div(q, big.NewInt(b)).Int64()
}

func TestPortNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	near, far := wire.New(clk, &wire.Config{Line: 3e9, Rate: 1e9, Delay: time.Millisecond}, nil)
	far.Attach(new(linktest.Null))
	linktest.NoAllocs(t, clk, near)
}
