package stack

import (
	"io"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
)

// BenchmarkVirtual is one TCP flow at 1 Gbit/s with 2 ms RTT and a queue of 1000 packets
// in virtual time, over the wire alone and through Hold and card. One op is a data
// packet, with its ACK. It runs on one processor: see the package comment.
func BenchmarkVirtual(b *testing.B) {
	b.Run("wire", func(b *testing.B) { benchmarkVirtual(b, false) })
	b.Run("card", func(b *testing.B) { benchmarkVirtual(b, true) })
}

func benchmarkVirtual(b *testing.B, withCard bool) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	w := NewWorld(1)
	defer w.Close()
	config := wire.Config{Rate: 1e9, Delay: time.Millisecond, QueueFrames: 1000}
	x, y := wire.New(w.Clock(), &config, &config)
	var top link.Device = x
	if withCard {
		card, err := netfpga.New(w.Clock(), x, nil)
		if err != nil {
			b.Fatal(err)
		}
		top = hold.New(card, w.Clock(), nil)
	}
	near, err := w.NewHost(Config{Device: top, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		b.Fatal(err)
	}
	far, err := w.NewHost(Config{Device: y, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		b.Fatal(err)
	}
	l, err := far.Listen("tcp", ":1")
	if err != nil {
		b.Fatal(err)
	}
	w.Go(func() {
		c, err := l.Accept()
		if err != nil {
			b.Error(err)
			return
		}
		buf := make([]byte, 128<<10)
		for err == nil {
			_, err = c.Read(buf)
		}
		if err != io.EOF {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	err = w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:1")
		if err != nil {
			b.Error(err)
			return
		}
		buf := make([]byte, 128<<10)
		before := near.Counters().Sent.Frames
		began := near.Now()
		b.ResetTimer()
		for near.Counters().Sent.Frames-before < uint64(b.N) {
			if _, err := c.Write(buf); err != nil {
				b.Error(err)
				return
			}
		}
		b.StopTimer()
		took := b.Elapsed().Seconds()
		b.ReportMetric(float64(near.Counters().Sent.Frames-before)/took, "packets/s")
		b.ReportMetric(near.Now().Sub(began).Seconds()/took, "x-real-time")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MB-from-system")
	})
	if err != nil {
		b.Fatal(err)
	}
}
