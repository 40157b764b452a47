package wire_test

import (
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestConformance(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for name, c := range map[string]*wire.Config{
		"nil":       nil,
		"ethernet":  {Address: mac, Rate: 1e9, Delay: 200 * time.Microsecond},
		"slow":      {Name: "modem", MTU: 576, Rate: 56_000, Delay: 50 * time.Millisecond},
		"bytes":     {Rate: 1e8, QueueBytes: 300_000},
		"jumbo":     {MTU: 9000, Rate: 1e10},
		"port":      {Address: mac, Line: 1e9, Rate: 1e8, Delay: time.Millisecond},
		"port only": {Line: 1e8},
	} {
		t.Run(name, func(t *testing.T) {
			linktest.Run(t, func(*testing.T) linktest.Harness {
				clk := clock.NewVirtual()
				near, far := wire.New(clk, c, c)
				other := &linktest.Collector{Clock: clk}
				far.Attach(other)
				return linktest.Harness{
					Device: near, Clock: clk,
					Left: func() (left [][]byte) {
						for _, r := range other.Records {
							left = append(left, r.Bytes)
						}
						return left
					},
					Arrive: func(b []byte) { far.Transmit([]*link.Frame{linktest.FrameOf(b)}) },
				}
			})
		})
	}
}

// A testWire is a wire with a collector at its far end.
type testWire struct {
	*testing.T
	clk       *clock.Virtual
	near, far *wire.End
	got       linktest.Collector
}

// most returns how many frames, or bytes, waited at most.
func (b *testWire) most(what string) int64 {
	c := b.near.Counters()
	return c.Get("queue_" + what + "_peak")
}

func newTestWire(t *testing.T, c *wire.Config) *testWire {
	b := &testWire{T: t, clk: clock.NewVirtual()}
	b.near, b.far = wire.New(b.clk, c, nil)
	b.got.Clock = b.clk
	b.near.Attach(&linktest.Null{})
	b.far.Attach(&b.got)
	return b
}

// send transmits frames of so many bytes at a time.
func (b *testWire) send(at time.Duration, sizes ...int) {
	b.Helper()
	b.clk.RunUntil(clock.Time(at))
	for _, n := range sizes {
		b.transmit(link.NewFrame(n))
	}
}

func (b *testWire) transmit(f *link.Frame) {
	b.Helper()
	if n, err := b.near.Transmit([]*link.Frame{f}); n != 1 || err != nil {
		b.Fatalf("Transmit = %d, %v", n, err)
	}
}

// arrived tests which frames arrived when, written as "1µs:1500 2µs:64".
func (b *testWire) arrived(want string) {
	b.Helper()
	for b.clk.Step() {
	}
	var got []string
	for _, r := range b.got.Records {
		got = append(got, fmt.Sprintf("%v:%d", time.Duration(r.At), len(r.Bytes)))
	}
	if got := strings.Join(got, " "); got != want {
		b.Errorf("arrived %s\nwant    %s", got, want)
	}
}

var ethernet = net.HardwareAddr{2, 0, 0, 0, 0, 1}

func TestTimes(t *testing.T) {
	t.Run("one frame", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9, Delay: 100 * time.Microsecond})
		b.send(1000, 1514) // 1538 byte times of 8 ns
		b.arrived("113.304µs:1514")
	})
	t.Run("a frame without link header takes the same time", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Rate: 1e9, Delay: 100 * time.Microsecond})
		b.send(1000, 1500)
		b.arrived("113.304µs:1500")
	})
	t.Run("the frame's own wire size counts", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Rate: 1e9})
		f := link.NewFrame(100)
		f.Size.Wire = 1000
		b.transmit(f)
		b.arrived("8µs:100")
	})
	t.Run("back to back, then idle", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60, 60, 60)
		b.send(10_000, 60)
		b.arrived("672ns:60 1.344µs:60 2.016µs:60 10.672µs:60")
	})
	t.Run("just before and when the line is free", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60)
		b.send(671, 60)
		b.send(1344, 60)
		b.arrived("672ns:60 1.344µs:60 2.016µs:60")
	})
	t.Run("without a rate frames arrive together", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Delay: time.Microsecond})
		b.send(0, 60, 70)
		b.send(1, 80)
		b.arrived("1µs:60 1µs:70 1.001µs:80")
		if got := fmt.Sprint(b.got.Batches); got != "[2 1]" {
			t.Errorf("batches of %s frames, want [2 1]", got)
		}
	})
	t.Run("full duplex", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Rate: 1e6, Delay: time.Millisecond})
		back := &linktest.Collector{Clock: b.clk}
		b.near.Attach(back)
		b.send(0, 1500)
		b.far.Transmit([]*link.Frame{link.NewFrame(60)}) // infinitely fast
		b.arrived("13.304ms:1500")
		if len(back.Records) != 1 || back.Records[0].At != 0 {
			t.Errorf("the other direction: %v", back.Records)
		}
	})
}

// origin notes when frames left, and what the clock said when it was told.
type origin struct {
	clk        clock.Clock
	sent, told []clock.Time
	next       func() // called when a frame left
}

func (o *origin) Departed(f *link.Frame) {
	o.sent = append(o.sent, f.Sent.Or(clock.Never))
	o.told = append(o.told, o.clk.Now())
	if o.next != nil {
		o.next()
	}
}

// At speeds whose byte time is no whole number of nanoseconds, frame i starts
// ceil(i * wire time) after the first one, exactly.
func TestNoDrift(t *testing.T) {
	for _, rate := range []int64{3e9, 1e9, 999_999_937, 123_456_789, 40e9, 100e9, 9_600} {
		frames := 10_000
		if rate == 3e9 && !testing.Short() {
			frames = 1_000_000
		}
		clk := clock.NewVirtual()
		near, far := wire.New(clk, &wire.Config{Rate: rate}, nil)
		far.Attach(new(linktest.Null))
		o := &origin{clk: clk}
		send := func() {
			f := link.NewFrame(1500)
			f.Origin = o
			near.Transmit([]*link.Frame{f})
		}
		o.next = func() {
			if len(o.sent) < frames {
				send() // from within the wire: there is always one frame that waits
			}
		}
		send()
		for clk.Step() {
		}
		for _, i := range []int{1, 2, 3, 1000, frames - 1} {
			want := new(big.Int).Mul(big.NewInt(int64(i)), big.NewInt(1538*8e9))
			want.Add(want, big.NewInt(rate-1)).Div(want, big.NewInt(rate))
			if got := int64(o.sent[i]); got != want.Int64() || o.told[i] != o.sent[i] {
				t.Errorf("%d bit/s: frame %d started at %d ns, told at %d, want %v", rate, i, got, o.told[i], want)
			}
		}
	}
}

func TestQueueFrames(t *testing.T) {
	b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9, QueueFrames: 2})
	b.send(0, 60, 61, 62, 63, 64) // one on the line, two in the queue
	b.send(672, 65, 66)           // the second has just started
	if c := b.near.Counters(); c.Waiting != 2 || b.most("frames") != 2 || b.most("bytes") != 62+65 {
		t.Errorf("%+v, want that 2 frames of 127 bytes wait, and no more at any time", c)
	}
	b.arrived("672ns:60 1.352µs:61 2.04µs:62 2.752µs:65")
	if sent := b.near.Counters().Sent; sent.Frames != 4 || sent.Bytes != 60+61+62+65 || sent.Drops[link.QueueFull] != 3 {
		t.Errorf("sent %+v", sent)
	}
	if received := b.far.Counters().Received; received.Frames != 4 || received.Bytes != 60+61+62+65 || received.Dropped() != 0 {
		t.Errorf("received %+v", received)
	}
	if c := b.near.Counters(); c.Waiting != 0 {
		t.Errorf("%+v in the end", c)
	}
}

func TestQueueBytes(t *testing.T) {
	b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9, QueueBytes: 200})
	b.send(0, 1514, 100, 101, 100, 60)
	b.arrived("12.304µs:1514 13.296µs:100 14.288µs:100")
	if sent := b.near.Counters().Sent; sent.Drops[link.QueueFull] != 2 {
		t.Errorf("sent %+v", sent)
	}
	if b.most("frames") != 2 || b.most("bytes") != 200 {
		t.Errorf("%+v", b.near.Counters())
	}
}

func TestQueueDefault(t *testing.T) {
	b := newTestWire(t, &wire.Config{Rate: 1e6})
	for range 1100 {
		b.send(0, 60)
	}
	if sent := b.near.Counters().Sent; sent.Drops[link.QueueFull] != 99 {
		t.Errorf("%d frames dropped, want 99: one on the line, 1000 in the queue", sent.Drops[link.QueueFull])
	}
}

func TestTooLong(t *testing.T) {
	b := newTestWire(t, &wire.Config{Address: ethernet, MTU: 1000})
	b.send(0, 1014, 1015)
	b.arrived("0s:1014")
	if sent := b.near.Counters().Sent; sent.Drops[link.TooLong] != 1 {
		t.Errorf("sent %+v", sent)
	}
}

// TestTagged has full-size frames behind a VLAN tag, which are not too long.
func TestTagged(t *testing.T) {
	clk := clock.NewVirtual()
	near, far := wire.New(clk, &wire.Config{Address: ethernet}, nil)
	got := &linktest.Collector{Clock: clk}
	far.Attach(got)
	for _, n := range []int{1518, 1519} {
		b := make([]byte, n)
		copy(b[12:], "\x81\x00\x00\x05\x08\x00")
		near.Transmit([]*link.Frame{linktest.FrameOf(b)})
	}
	clk.RunUntil(clock.Time(time.Second))
	if sent := near.Counters().Sent; sent.Frames != 1 || sent.Drops[link.TooLong] != 1 {
		t.Errorf("sent %+v", sent)
	}
}

func TestSetRate(t *testing.T) {
	t.Run("slower", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60, 60, 60)
		b.clk.RunUntil(700) // the second is on the line
		b.near.SetRate(1e8)
		b.arrived("672ns:60 1.344µs:60 8.064µs:60")
	})
	t.Run("faster at the end of a fraction", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 3e9})
		b.send(0, 1514, 1514, 1514) // 4101 1/3 ns each
		b.near.SetRate(1e9)
		b.arrived("4.102µs:1514 16.406µs:1514 28.71µs:1514")
	})
	t.Run("no limit", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e3})
		b.send(0, 60, 60, 60)
		b.near.SetRate(0)
		b.arrived("672ms:60 672ms:60 672ms:60")
	})
	t.Run("frames that wait, two steps", func(t *testing.T) {
		// At 1 Gbit/s a frame takes 672 ns, at 100 Mbit/s 6720, at 200 Mbit/s 3360.
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.send(0, 60, 60, 60, 60, 60)
		b.clk.RunUntil(1000) // the second is on the line until 1344
		b.near.SetRate(1e8)
		b.clk.RunUntil(8063) // the third, until 8064
		b.near.SetRate(2e8)
		b.arrived("672ns:60 1.344µs:60 8.064µs:60 11.424µs:60 14.784µs:60")
	})
	t.Run("the frame that starts at the instant keeps the old rate", func(t *testing.T) {
		// Whichever of the two events the clock runs first.
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9})
		b.clk.AfterFunc(672, func() { b.near.SetRate(1e8) }) // before the line's own event
		b.send(0, 60, 60, 60)
		b.clk.AfterFunc(1344, func() { b.near.SetRate(1e9) }) // behind it
		b.arrived("672ns:60 1.344µs:60 8.064µs:60")
	})
	t.Run("the queue's bound holds", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9, QueueFrames: 2})
		b.send(0, 60, 60, 60, 60) // the last has no room
		b.near.SetRate(1e8)
		b.send(672, 60, 60) // the second has started, and so one has room
		b.arrived("672ns:60 7.392µs:60 14.112µs:60 20.832µs:60")
		if sent := b.near.Counters().Sent; sent.Frames != 4 || sent.Drops[link.QueueFull] != 2 {
			t.Errorf("sent %+v", sent)
		}
	})
	t.Run("a limit where there was none", func(t *testing.T) {
		b := newTestWire(t, &wire.Config{Address: ethernet, Delay: 1})
		b.send(0, 60)
		b.near.SetRate(1e9)
		b.send(0, 60)
		b.arrived("1ns:60 673ns:60")
	})
}

func TestNobodyThere(t *testing.T) {
	clk := clock.NewVirtual()
	near, far := wire.New(clk, nil, nil)
	near.Transmit([]*link.Frame{link.NewFrame(60)})
	clk.Step()
	if received := far.Counters().Received; received.Drops[link.Closed] != 1 {
		t.Errorf("without a handler: received %+v", received)
	}
	far.Attach(new(linktest.Null))
	far.Close()
	near.Transmit([]*link.Frame{link.NewFrame(60)})
	clk.Step()
	if received := far.Counters().Received; received.Drops[link.Closed] != 2 || received.Frames != 0 {
		t.Errorf("closed: received %+v", received)
	}
}

// What is on its way when an end closes arrives; what waits does not.
func TestCloseInFlight(t *testing.T) {
	b := newTestWire(t, &wire.Config{Address: ethernet, Rate: 1e9, Delay: time.Millisecond})
	b.send(0, 60, 60, 60)
	b.clk.RunUntil(700)
	b.near.Close()
	b.arrived("1.000672ms:60 1.001344ms:60")
	if sent := b.near.Counters().Sent; sent.Frames != 2 || sent.Drops[link.Closed] != 1 {
		t.Errorf("sent %+v", sent)
	}
	if clk := b.clk; clk.Next() != clock.Never {
		t.Errorf("an event is left over at %v", clk.Next())
	}
}

func TestNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	near, far := wire.New(clk, &wire.Config{Rate: 3e9, Delay: time.Millisecond}, nil)
	far.Attach(new(linktest.Null))
	linktest.NoAllocs(t, clk, near)
}

type nobody struct{}

func (nobody) Departed(*link.Frame) {}

// BenchmarkWire sends 1500-byte packets over 1 Gbit/s and 10 ms, handed over one by one
// at 90 % of the rate (idle), at 110 % (queue: the queue is always full and one in eleven
// is dropped), or in bursts of 10 (burst). A frame costs its start, its arrival and, where
// it waits, an event for each. The clock's own event of handing it over is in the figure.
func BenchmarkWire(b *testing.B) {
	for _, c := range []struct {
		name   string
		gap    time.Duration
		burst  int
		origin link.Origin
	}{
		{"idle", 13_671, 1, nobody{}},
		{"queue", 11_185, 1, nobody{}},
		{"burst", 136_711, 10, nobody{}},
		{"events alone", 13_671, 1, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			clk := clock.NewVirtual()
			near, far := wire.New(clk, &wire.Config{Rate: 1e9, Delay: 10 * time.Millisecond}, nil)
			far.Attach(new(linktest.Null))
			batch := make([]*link.Frame, c.burst)
			sent := 0
			var timer clock.Timer
			next := clock.Time(0)
			timer = clk.AfterFunc(0, func() {
				next = next.Add(c.gap)
				timer.ResetAt(next)
				sent += c.burst
				if c.origin == nil {
					return
				}
				for i := range batch {
					f := link.NewFrame(1500)
					f.Size.Wire = 1538
					f.Origin = c.origin
					batch[i] = f
				}
				near.Transmit(batch)
			})
			b.ReportAllocs()
			for sent < b.N {
				clk.Step()
			}
		})
	}
}
