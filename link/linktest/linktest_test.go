package linktest_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestSink(t *testing.T) {
	for _, room := range []int{0, 1, 7} {
		linktest.Run(t, func(*testing.T) linktest.Harness {
			clk := clock.NewVirtual()
			s := linktest.NewSink(clk, link.Info{
				Name: "sink", MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1},
			})
			s.Room, s.Every = room, time.Microsecond
			return linktest.Harness{Device: s, Clock: clk, Left: s.Left, Arrive: s.Arrive}
		})
	}
}

// The tests run in real time too.
func TestSinkReal(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Harness {
		clk := clock.NewReal()
		t.Cleanup(func() { clk.Close() })
		s := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500})
		s.Room, s.Every = 20, time.Microsecond
		return linktest.Harness{Device: s, Clock: clk, Left: s.Left, Arrive: s.Arrive}
	})
}

func TestNull(t *testing.T) {
	null := &linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}
	linktest.NoAllocs(t, clock.NewVirtual(), null)
	before := null.Frames
	null.Transmit([]*link.Frame{linktest.FrameOf(make([]byte, 99))})
	if null.Frames != before+1 {
		t.Errorf("%d frames, want %d", null.Frames, before+1)
	}
}

// The checksums were computed by hand from RFC 1071.
func TestUDP(t *testing.T) {
	got := linktest.UDP(netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2"), []byte{3})
	want := []byte{
		0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0x66, 0xce, 10, 0, 0, 1, 10, 0, 0, 2,
		0, 1, 0, 2, 0, 9, 0xe8, 0xd6, 3,
	}
	if !bytes.Equal(got, want) {
		t.Errorf("IPv4:\n%x, want\n%x", got, want)
	}
	for _, to := range []string{"10.0.0.2:2", "[fd00::2]:2"} {
		dst := netip.MustParseAddrPort(to)
		src := netip.AddrPortFrom(dst.Addr().Prev(), 1)
		flow, size := pacer.Parse(linktest.UDP(src, dst, make([]byte, 100)))
		if flow != pacer.FlowOf(pacer.ProtoUDP, src, dst) || size.Payload != 100 {
			t.Errorf("UDP from %v to %v is read as %v of %d bytes", src, dst, flow, size.Payload)
		}
	}
}
