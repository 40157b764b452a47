package stack

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/wire"
)

// BenchmarkVirtual is one flow at 1 Gbit/s with 2 ms RTT and a queue of 1000 packets, in
// virtual time, without a card.
func BenchmarkVirtual(b *testing.B) {
	w := NewWorld(1)
	defer w.Close()
	x, y := newWire(w)
	near, err := w.NewHost(Config{Device: x, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		b.Fatal(err)
	}
	far, err := w.NewHost(Config{Device: y, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		b.Fatal(err)
	}
	l, _ := far.Listen("tcp", ":1")
	w.Go(func() {
		c, err := l.Accept()
		if err != nil {
			b.Error(err)
			return
		}
		buf := make([]byte, 128<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				if err != io.EOF {
					b.Error(err)
				}
				return
			}
		}
	})
	b.ReportAllocs()
	var sent uint64
	w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:1")
		if err != nil {
			b.Error(err)
			return
		}
		buf := make([]byte, 128<<10)
		before := near.ep.Sent.Frames
		b.ResetTimer()
		start := time.Now()
		for near.ep.Sent.Frames-before < uint64(b.N) {
			if _, err := c.Write(buf); err != nil {
				b.Error(err)
				return
			}
		}
		sent = near.ep.Sent.Frames - before
		b.StopTimer()
		b.ReportMetric(float64(sent)/time.Since(start).Seconds(), "packets/s")
		b.ReportMetric(float64(near.Stats().TCP.Retransmits.Value()), "retransmits")
		b.ReportMetric(near.Now().Sub(time.Unix(0, 0)).Seconds()/time.Since(start).Seconds(), "x-real")
	})
}

func newWire(w *World) (a, b *wire.End) {
	c := &wire.Config{Rate: 1e9, Delay: time.Millisecond, QueueFrames: 1000}
	return wire.New(w.Clock(), c, c)
}
