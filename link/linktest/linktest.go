// Package linktest tests devices.
//
//   - Run puts a link.Device through what every device must do. RunOver does so with a
//     device that wraps another.
//   - NoAllocs tests that a frame costs no allocation on its way.
//   - Sink and Null are devices for the bottom of a chain, Collector is a handler for
//     its top. They write down what reaches them, and when.
//   - UDP makes packets. Namespace gives a test a network of its own, Command runs a
//     program that does not outlive it, Skip gives up a test for a reason, Golden compares
//     with a file.
//
// The tests run as fast in real time as the device does, and in virtual time in no time.
// They wait for what must happen; what waits in vain is ended by Bound or by go test.
package linktest

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Harness is a device under test and what is around it.
type Harness struct {
	Device link.Device

	// Clock is the device's, a *clock.Virtual or a *clock.Real. Run calls all methods
	// of the device on its goroutine.
	Clock clock.Clock

	// Left returns the frames that left below the device since it was made, in order.
	// It does not wait.
	Left func() [][]byte

	// Arrive makes a frame of these bytes arrive from below. Nil says that nothing
	// can arrive.
	Arrive func(frame []byte)

	// Bottom is the last device of the chain, below the one under test. Nil says that this
	// is the last.
	Bottom link.Device
}

// Run tests a device: that it sends what it is given, once, in order and unchanged, that it
// tells of each frame what became of it, that it counts each (link.Counters) whenever one looks,
// and that it uses no frame that is no longer its own. Each part of the test opens one of its own, unattached, and
// closes it.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	part := func(name string, f func(*testing.T, *run)) {
		t.Run(name, func(t *testing.T) {
			r := &run{Harness: open(t), told: make(map[int]int), left: make(map[int]bool)}
			r.above.Clock = r.Clock
			r.above.OnReady = func() { r.ready = true }
			r.do(func() { r.Device.Attach(&r.above) })
			defer r.do(func() { r.Device.Close() })
			f(t, r)
		})
	}
	part("info", testInfo)
	part("order", testOrder)
	part("burst", testBurst)
	part("nothing", testNothing)
	part("receive", testReceive)
	part("close", testClose)
	part("close at once", testCloseAtOnce)
}

// RunOver tests a device that wraps another, over one that always has room, and over a
// slow one that is full after every second frame.
func RunOver(t *testing.T, wrap func(clk *clock.Virtual, below link.Device) link.Device) {
	info := link.Info{Name: "sink", MTU: 1500, Speed: 1e9}
	over := func(room int) func(*testing.T) Harness {
		return func(*testing.T) Harness {
			clk := clock.NewVirtual()
			sink := NewSink(clk, info)
			sink.Room, sink.Every = room, 10*time.Microsecond
			return Harness{Device: wrap(clk, sink), Clock: clk, Left: sink.Left, Arrive: sink.Arrive, Bottom: sink}
		}
	}
	t.Run("room", func(t *testing.T) { Run(t, over(0)) })
	t.Run("full", func(t *testing.T) { Run(t, over(2)) })
}

// NoAllocs tests that a frame sent by dev costs no allocation once the device is warm.
// What is below must not allocate either: a Null, or the device's other end with a Null
// attached.
func NoAllocs(t *testing.T, clk *clock.Virtual, dev link.Device) {
	t.Helper()
	var pool link.Pool
	if testing.AllocsPerRun(100, func() { pool.Frame(64).Free() }) > 0 {
		t.Log("not tested: the race detector makes sync.Pool forget at random")
		return
	}
	b := Packet(dev.Info(), 0, 64)
	batch := make([]*link.Frame, 1)
	send := func() {
		batch[0] = pool.Frame(len(b))
		copy(batch[0].Bytes(), b)
		if n, err := dev.Transmit(batch); n != 1 || err != nil {
			t.Fatalf("Transmit = %d, %v", n, err)
		}
		for clk.Step() {
		}
	}
	if n := testing.AllocsPerRun(1000, send); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}

// FrameOf returns a new frame of the bytes.
func FrameOf(b []byte) *link.Frame {
	f := link.NewFrame(len(b))
	copy(f.Bytes(), b)
	return f
}

// Packet returns a frame for a device: a UDP packet of n bytes, at least 32, from its IP
// header on, with the number seq in it, behind an Ethernet header if the device has one.
func Packet(info link.Info, seq, n int) []byte {
	payload := make([]byte, n-28)
	for i := range payload {
		payload[i] = byte(seq + i)
	}
	binary.BigEndian.PutUint32(payload, uint32(seq))
	b := UDP(netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:2000"), payload)
	if info.Address == nil {
		return b
	}
	header := append([]byte{2, 0, 0, 0, 0, 0xff}, info.Address...)
	return append(append(header, 8, 0), b...)
}
