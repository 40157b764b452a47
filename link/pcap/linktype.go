package pcap

import (
	"encoding/binary"
	"fmt"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// A LinkType says what link headers packets have: a LINKTYPE_ value
// (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that are known.
const (
	Null     LinkType = 0 // BSD loopback: the address family in the machine's byte order
	Ethernet LinkType = 1
	Raw12    LinkType = 12  // Raw as some systems number it: their DLT_RAW
	Raw14    LinkType = 14  // and OpenBSD
	Raw      LinkType = 101 // IPv4 or IPv6, as the first byte says
	Loop     LinkType = 108 // OpenBSD loopback: the family in network byte order
	Cooked   LinkType = 113 // Linux, SLL
	IPv4     LinkType = 228
	IPv6     LinkType = 229
	Cooked2  LinkType = 276 // Linux, SLL2
)

// Known names the link types that Measure knows, for messages.
const Known = "Ethernet, raw IP, Linux cooked and BSD loopback"

var linkNames = map[LinkType]string{
	Null: "BSD loopback", Ethernet: "Ethernet", Raw12: "raw IP", Raw14: "raw IP", Raw: "raw IP", Loop: "OpenBSD loopback",
	Cooked: "Linux cooked", IPv4: "IPv4", IPv6: "IPv6", Cooked2: "Linux cooked 2",

	6: "Token Ring", 9: "PPP", 10: "FDDI", 50: "PPP", 51: "PPPoE", 104: "Cisco HDLC", 105: "IEEE 802.11", 119: "IEEE 802.11 with a Prism header",
	127: "IEEE 802.11 with radiotap", 163: "IEEE 802.11 with an AVS header", 187: "Bluetooth", 189: "USB", 192: "PPI", 195: "IEEE 802.15.4",
	220: "USB", 227: "CAN", 249: "USB", 253: "netlink",
}

// String returns the name, with the number where that is less known.
func (t LinkType) String() string {
	name, ok := linkNames[t]
	switch {
	case !ok:
		return fmt.Sprintf("link type %d", uint16(t))
	case t.known():
		return name
	}
	return fmt.Sprintf("%s (link type %d)", name, uint16(t))
}

// known reports whether Measure knows the link type.
func (t LinkType) known() bool {
	_, ok := t.header()
	return ok
}

// header returns the length of the link header, and whether the link type is known.
func (t LinkType) header() (n int, ok bool) {
	switch t {
	case Ethernet:
		return link.EthernetHeader, true
	case Cooked:
		return 16, true
	case Cooked2:
		return 20, true
	case Null, Loop:
		return 4, true
	case Raw, Raw12, Raw14, IPv4, IPv6:
		return 0, true
	}
	return 0, false
}

// FindIP returns where in Bytes an IP packet begins, behind the link header and all that
// link.FindIP looks behind.
func (p *Packet) FindIP() (at int, ok bool) {
	n, known := p.Link.header()
	if !known || len(p.Bytes) <= n {
		return 0, false
	}
	switch p.Link {
	case Ethernet:
		return link.FindIPInFrame(p.Bytes)
	case Cooked:
		return link.FindIP(p.Bytes, binary.BigEndian.Uint16(p.Bytes[14:]), n)
	case Cooked2:
		return link.FindIP(p.Bytes, binary.BigEndian.Uint16(p.Bytes), n)
	case Null, Loop:
		if !isIPFamily(p.Bytes) {
			return 0, false
		}
	}
	return n, p.Bytes[n]>>4 == 4 || p.Bytes[n]>>4 == 6
}

// isIPFamily tells whether a loopback header has the address family of IPv4 or IPv6, in
// whatever byte order. IPv6 has another number on every system.
func isIPFamily(b []byte) bool {
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2, 10, 23, 24, 28, 30:
		return true
	}
	return false
}

// Measure returns the flow and the size of a packet, the zero Flow if it is not IP. What is
// not Ethernet is counted on the wire as if it were. It reports false if the link type is
// not known.
func (p *Packet) Measure() (f pacer.Flow, s pacer.Size, ok bool) {
	header, ok := p.Link.header()
	if !ok {
		return f, s, false
	}
	if at, ok := p.FindIP(); ok {
		f, s = pacer.ParseCut(p.Bytes[at:], p.Length-at)
	}
	s.Wire = link.WireBytes(max(0, p.Length-header) + link.EthernetHeader)
	return f, s, true
}

// cooked takes from a cooked header the interface's index, and the direction where the
// file did not tell it.
func (p *Packet) cooked() {
	const outgoing = 4 // of what this machine sent
	var kind byte
	switch {
	case p.Link == Cooked && len(p.Bytes) >= 16:
		kind = p.Bytes[1]
	case p.Link == Cooked2 && len(p.Bytes) >= 20:
		p.Index = binary.BigEndian.Uint32(p.Bytes[4:])
		kind = p.Bytes[10]
	default:
		return
	}
	switch {
	case p.Direction != Unknown:
	case kind == outgoing:
		p.Direction = Sent
	default:
		p.Direction = Received
	}
}
