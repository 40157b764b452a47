package tuntap_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic/tuntap"
	"github.com/netcaliper/caliper/pacer/clock"
)

// BenchmarkTransmit writes 1500-byte packets to the kernel, which throws them away.
func BenchmarkTransmit(b *testing.B) {
	namespace(b)
	clk := clock.NewVirtual()
	d := openTun(b, clk, nil)
	defer d.Close()
	packet := linktest.Packet(d.Info(), 0, 1500)
	batch := make([]*link.Frame, 1)
	b.ReportAllocs()
	for b.Loop() {
		batch[0] = linktest.FrameOf(packet)
		d.Transmit(batch)
	}
	if sent := d.Counters().Sent; sent.Dropped() > 0 {
		b.Errorf("sent %+v", sent)
	}
}

// BenchmarkReceive reads packets that the kernel sends from a UDP socket, and reports how
// many of them were there in time.
func BenchmarkReceive(b *testing.B) {
	namespace(b)
	clk := clock.NewReal()
	defer clk.Close()
	d := openTun(b, clk, &tuntap.Config{KernelAddrs: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}})
	defer clk.Do(func() { d.Close() })
	null := new(linktest.Null)
	clk.Do(func() { d.Attach(null) })
	c, err := net.Dial("udp", "10.99.0.2:9")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	payload := make([]byte, 1472)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(payload); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	clk.Do(func() { b.ReportMetric(float64(null.Frames)/float64(b.N), "received/op") })
}

// BenchmarkEcho has a packet of the kernel's answered from above the device, which waits for
// it on a goroutine, or looks for it.
func BenchmarkEcho(b *testing.B) {
	for _, poll := range []time.Duration{0, 5 * time.Microsecond, 20 * time.Microsecond} {
		b.Run("poll="+poll.String(), func(b *testing.B) {
			namespace(b)
			clk := clock.NewReal()
			defer clk.Close()
			d := openTun(b, clk, &tuntap.Config{Poll: poll, KernelAddrs: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}})
			defer clk.Do(func() { d.Close() })
			clk.Do(func() { d.Attach(&echo{b, clk, d}) })
			c, err := net.Dial("udp", "10.99.0.2:9")
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			payload := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				c.Write(payload)
				if _, err := c.Read(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
