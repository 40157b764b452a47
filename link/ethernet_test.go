package link_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
)

var (
	udp4 = linktest.UDP(netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:9"), make([]byte, 40))
	udp6 = linktest.UDP(netip.MustParseAddrPort("[fd00::1]:4000"), netip.MustParseAddrPort("[fd00::2]:9"), make([]byte, 40))
)

// behind returns an Ethernet frame with layers between its addresses and a packet.
func behind(packet []byte, layers ...byte) []byte {
	return slices.Concat(make([]byte, 12), layers, packet)
}

// TestMeasureLayers finds the flow behind all that an IP packet may stand behind.
func TestMeasureLayers(t *testing.T) {
	for _, test := range []struct {
		name  string
		frame []byte
		udp   bool
	}{
		{"IPv4", behind(udp4, 8, 0), true},
		{"IPv6", behind(udp6, 0x86, 0xdd), true},
		{"VLAN", behind(udp4, 0x81, 0, 0, 5, 8, 0), true},
		{"QinQ", behind(udp6, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd), true},
		{"QinQ of old", behind(udp4, 0x91, 0, 0, 5, 0x91, 0, 0, 6, 0x81, 0, 0, 7, 8, 0), true},
		{"MPLS", behind(udp4, 0x88, 0x47, 0, 1, 1, 64), true},
		{"three labels of MPLS behind a VLAN", behind(udp6, 0x81, 0, 0, 5, 0x88, 0x48, 0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64), true},
		{"PPPoE", behind(udp4, 0x88, 0x64, 0x11, 0, 0, 1, 0, 70, 0, 0x21), true},
		{"PPPoE of IPv6 behind a VLAN", behind(udp6, 0x81, 0, 0, 5, 0x88, 0x64, 0x11, 0, 0, 1, 0, 90, 0, 0x57), true},
		{"ARP", behind(udp4, 8, 6), false},
		{"PPPoE of something else", behind(udp4, 0x88, 0x64, 0x11, 0, 0, 1, 0, 70, 0xc0, 0x21), false},
		{"Ethernet in MPLS", behind(make([]byte, 60), 0x88, 0x47, 0, 1, 1, 64), false},
		{"tags without an end", behind(nil, bytes.Repeat([]byte{0x81, 0, 0, 1}, 50)...), false},
		{"a tag that is cut short", behind(nil, 0x81, 0, 0), false},
		{"a header that is cut short", make([]byte, 13), false},
	} {
		f := linktest.FrameOf(test.frame)
		f.Measure(link.EthernetHeader)
		if (f.Flow.Proto == pacer.ProtoUDP && f.Flow.DstPort == 9 && f.Size.Payload == 40) != test.udp || !test.udp && f.Flow != (pacer.Flow{}) {
			t.Errorf("%s: %v, %+v", test.name, f.Flow, f.Size)
		}
		if want := link.WireBytes(max(len(test.frame), 14)); f.Size.Wire != want {
			t.Errorf("%s: %d bytes of wire, want %d", test.name, f.Size.Wire, want)
		}
		f.Free()
	}
}

// TestFits has frames of full size with tags, which are legal, and one byte more, which
// is not.
func TestFits(t *testing.T) {
	ethernet := link.Info{MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	for _, test := range []struct {
		info link.Info
		tags []byte
		most int
	}{
		{ethernet, []byte{8, 0}, 1514},
		{ethernet, []byte{0x81, 0, 0, 5, 8, 0}, 1518},
		{ethernet, []byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0}, 1522},
		{ethernet, []byte{0x91, 0, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 8, 0}, 1522},
		{ethernet, []byte{0x88, 0x47, 0, 1, 1, 64}, 1514}, // labels count
		{link.Info{MTU: 1500}, []byte{0x81, 0, 0, 5, 8, 0}, 1500},
	} {
		frame := behind(make([]byte, 1600), test.tags...)
		if !test.info.Fits(frame[:test.most]) || test.info.Fits(frame[:test.most+1]) {
			t.Errorf("behind % x not just %d bytes fit", test.tags, test.most)
		}
	}
	for n := range 20 {
		if !ethernet.Fits(make([]byte, n)) {
			t.Errorf("%d bytes do not fit", n)
		}
	}
}

// FuzzFindIP checks that what is found is in the frame, behind its header, and is the same
// whatever follows it.
func FuzzFindIP(f *testing.F) {
	f.Add(behind(udp4, 0x81, 0, 0, 5, 8, 0))
	f.Add(behind(udp6, 0x81, 0, 0, 5, 0x88, 0x48, 0, 1, 0, 64, 0, 2, 1, 64))
	f.Add(behind(udp4, 0x88, 0x64, 0x11, 0, 0, 1, 0, 70, 0, 0x21))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, ok := link.FindIPInFrame(b)
		if !ok {
			return
		}
		if at < link.EthernetHeader || at > len(b) {
			t.Fatalf("at %d of %d", at, len(b))
		}
		if again, ok := link.FindIPInFrame(b[:min(len(b), at+1)]); !ok || again != at {
			t.Errorf("at %d, and without what follows at %d", at, again)
		}
		if n := link.VLANBytes(b); n > at-link.EthernetHeader {
			t.Errorf("%d bytes of tags before IP at %d", n, at)
		}
		if etherType := binary.BigEndian.Uint16(b[12:]); etherType == 0x0800 && at != 14 {
			t.Errorf("IPv4 at %d", at)
		}
	})
}
