package pcap

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap/pcaptest"
	"github.com/netcaliper/caliper/pacer"
)

// TestLinkTypes reads the same packet behind each link header, whole and cut off behind
// the UDP header.
func TestLinkTypes(t *testing.T) {
	ip := pcaptest.UDP4(1000)
	head := func(header string) []byte { return append([]byte(header), ip...) }
	for _, test := range []struct {
		name string
		link LinkType
		data []byte
		wire int // more than the packet by itself
		want Packet
	}{
		{"Ethernet", Ethernet, ethernet(ip), 0, Packet{}},
		{"VLAN", Ethernet, ethernet(ip, 0x8100), 4, Packet{}},
		{"two VLANs", Ethernet, ethernet(ip, 0x88a8, 0x8100), 8, Packet{}},
		{"two VLANs of old", Ethernet, ethernet(ip, 0x9100, 0x9100), 8, Packet{}},
		{"MPLS", Ethernet, head("0123456789ab\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40"), 8, Packet{}},
		{"PPPoE behind a VLAN", Ethernet, head("0123456789ab\x81\x00\x00\x05\x88\x64\x11\x00\x00\x01\x04\x06\x00\x21"), 12, Packet{}},
		{"raw", Raw, ip, 0, Packet{}},
		{"raw, as BSD has it", Raw12, ip, 0, Packet{}},
		{"raw, as OpenBSD has it", Raw14, ip, 0, Packet{}},
		{"IPv4", IPv4, ip, 0, Packet{}},
		{"BSD loopback", Null, head("\x02\x00\x00\x00"), 0, Packet{}},
		{"BSD loopback of the other byte order", Null, head("\x00\x00\x00\x02"), 0, Packet{}},
		{"OpenBSD loopback", Loop, head("\x00\x00\x00\x02"), 0, Packet{}},
		{"cooked", Cooked, head("\x00\x04\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00"), 0, Packet{Direction: Sent}},
		{"cooked, VLAN", Cooked, head("\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x81\x00\x00\x05\x08\x00"), 4, Packet{Direction: Received}},
		{"cooked 2", Cooked2, head("\x08\x00\x00\x00\x00\x00\x00\x07\x00\x01\x00\x06" + strings.Repeat("\x00", 8)), 0, Packet{Direction: Received, Index: 7}},
		{"cooked 2, QinQ", Cooked2, head("\x88\xa8\x00\x00\x00\x00\x00\x07\x00\x01\x04\x06" + strings.Repeat("\x00", 8) + "\x00\x05\x81\x00\x00\x06\x08\x00"), 8,
			Packet{Direction: Sent, Index: 7}},
	} {
		for _, captured := range []int{len(test.data), len(test.data) - 1000} {
			f := pcaptest.Big()
			f.Section()
			f.Interface(int(test.link), "eth0")
			f.Packet(0, 5, 0, test.data[:captured], len(test.data))
			got, _, err := readAll(f.Bytes())
			if err != nil || len(got) != 1 {
				t.Fatal(test.name, got, err)
			}
			p := got[0]
			flow, size, ok := p.Measure()
			want := pacer.Size{Wire: 1066 + test.wire, IP: 1028, Payload: 1000}
			if !ok || flow != pcaptest.Flow || size != want || p.Direction != test.want.Direction || p.Index != test.want.Index {
				t.Errorf("%s, %d bytes: %+v, %v, %+v", test.name, captured, p, flow, size)
			}
			if at, ok := p.FindIP(); !ok || at != len(test.data)-1028 {
				t.Errorf("%s, %d bytes: IP at %d, %v", test.name, captured, at, ok)
			}
		}
	}
}

// TestNotIP has what is no IP packet, or none that is there.
func TestNotIP(t *testing.T) {
	for _, p := range []Packet{
		{Link: Ethernet, Bytes: append(make([]byte, 12), 0x08, 0x06, 0, 1), Length: 16},
		{Link: Ethernet, Bytes: make([]byte, 14), Length: 14},
		{Link: Ethernet, Bytes: nil, Length: 60},
		{Link: Cooked2, Bytes: []byte{8, 0}, Length: 60},
		{Link: Raw, Bytes: []byte{0x50}, Length: 60},
		{Link: Null, Bytes: []byte("\x07\x00\x00\x00\x45"), Length: 60},
		{Link: Loop, Bytes: []byte("\x00\x00\x00\x02\x00"), Length: 60},
	} {
		if at, ok := p.FindIP(); ok {
			t.Errorf("%v % x: IP at %d", p.Link, p.Bytes, at)
		}
		if flow, size, ok := p.Measure(); !ok || flow != (pacer.Flow{}) || size.IP != 0 || size.Wire < link.WireBytes(0) {
			t.Errorf("%v % x: %v, %+v, %v", p.Link, p.Bytes, flow, size, ok)
		}
	}
}

// TestLinkNames names what is refused.
func TestLinkNames(t *testing.T) {
	for link, want := range map[LinkType]string{
		105: "IEEE 802.11 (link type 105)", 127: "IEEE 802.11 with radiotap (link type 127)", 192: "PPI (link type 192)",
		147: "link type 147", Ethernet: "Ethernet", Raw14: "raw IP",
	} {
		p := Packet{Link: link, Bytes: pcaptest.UDP4(10), Length: 38}
		_, _, ok := p.Measure()
		if s := link.String(); s != want || ok == strings.Contains(s, "link type") {
			t.Errorf("%d is %s, %v", link, s, ok)
		}
	}
	for _, family := range []uint32{2, 10, 23, 24, 28, 30} {
		for _, b := range [][]byte{binary.LittleEndian.AppendUint32(nil, family), binary.BigEndian.AppendUint32(nil, family)} {
			if p := (Packet{Link: Null, Bytes: slices.Concat(b, pcaptest.UDP4(0))}); !isIPFamily(p.Bytes) {
				t.Errorf("family %d as % x", family, b)
			}
		}
	}
}
