package stack

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// BenchmarkReal is one TCP flow between two hosts in this process, in real time.
//
// bare: the two stacks over gVisor's own link/pipe, which delivers a packet to the other
// stack within the call that writes it. caliper: the same through endpoint, Hold and
// card, with a line that takes no time.
func BenchmarkReal(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		x, y := pipe.New("\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02", 1500)
		near, far := bareHost(b, x, "10.0.0.1/24"), bareHost(b, y, "10.0.0.2/24")
		defer near.stack.Destroy()
		defer far.stack.Destroy()
		l, err := gonet.ListenTCP(far.stack, tcpip.FullAddress{Port: 1}, ipv4.ProtocolNumber)
		if err != nil {
			b.Fatal(err)
		}
		c, err := gonet.DialTCP(near.stack, tcpip.FullAddress{Addr: address(netip.MustParseAddr("10.0.0.2")), Port: 1}, ipv4.ProtocolNumber)
		if err != nil {
			b.Fatal(err)
		}
		bulk(b, near, l, c)
	})
	b.Run("caliper", func(b *testing.B) {
		clk := clock.NewReal()
		defer clk.Close()
		x, y := newCable(clk, 1500)
		var chain link.Device
		clk.Do(func() {
			card, err := netfpga.New(clk, x, &netfpga.Config{Speed: netfpga.Infinite})
			if err != nil {
				b.Error(err)
				return
			}
			chain = hold.New(card, clk, nil)
		})
		near, err := New(clk, Config{Device: chain, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
		if err != nil {
			b.Fatal(err)
		}
		defer near.Close()
		far, err := New(clk, Config{Device: y, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
		if err != nil {
			b.Fatal(err)
		}
		defer far.Close()
		l, err := far.Listen("tcp", ":1")
		if err != nil {
			b.Fatal(err)
		}
		c, err := near.Dial("tcp", "10.0.0.2:1")
		if err != nil {
			b.Fatal(err)
		}
		bulk(b, near, l, c)
	})
}

// bareHost is a host with the same settings over another link endpoint.
func bareHost(b *testing.B, ep gstack.LinkEndpoint, prefix string) *Host {
	config := Config{Addrs: []netip.Prefix{netip.MustParsePrefix(prefix)}}
	h := &Host{addrs: config.Addrs, stack: gstack.New(options())}
	if err := h.setUp(config, ep); err != nil {
		b.Fatal(err)
	}
	return h
}

// bulk sends b.N blocks of 128 KiB from near by c, to who accepts at l.
func bulk(b *testing.B, near *Host, l net.Listener, c net.Conn) {
	const block = 128 << 10
	defer l.Close()
	done := make(chan error)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_, err = io.Copy(io.Discard, c)
		}
		done <- err
	}()
	buf := make([]byte, block)
	b.SetBytes(block)
	b.ReportAllocs()
	sent := near.Stats().TCP.SegmentsSent.Value()
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(near.Stats().TCP.SegmentsSent.Value()-sent)/float64(b.N), "packets/op") // a super-segment is one
}
