package pacer

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A Flow names the packets that are paced together: one direction of a connection. It
// is comparable, has no pointers, and serves as a key. IPv4 addresses are held in their
// IPv6-mapped form. The zero Flow stands for everything that is not IP.
type Flow struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16 // 0 where the protocol has none, and in fragments
	Proto            uint8  // IP protocol number: 6 TCP, 17 UDP
}

// Protocol numbers of the flows that have ports.
const (
	ProtoTCP = 6
	ProtoUDP = 17
)

// ipv6Fragment is the protocol number of the header that IPv6 fragments have.
const ipv6Fragment = 44

// FlowOf returns the flow from src to dst.
func FlowOf(proto uint8, src, dst netip.AddrPort) Flow {
	return Flow{
		Src: src.Addr().As16(), Dst: dst.Addr().As16(),
		SrcPort: src.Port(), DstPort: dst.Port(),
		Proto: proto,
	}
}

// Reverse returns the flow of the other direction.
func (f Flow) Reverse() Flow {
	f.Src, f.Dst = f.Dst, f.Src
	f.SrcPort, f.DstPort = f.DstPort, f.SrcPort
	return f
}

// String writes the flow as "tcp 10.0.0.1:4000 > 10.0.0.2:5201".
func (f Flow) String() string {
	if f == (Flow{}) {
		return "not IP"
	}
	proto := fmt.Sprintf("ip-%d", f.Proto)
	switch f.Proto {
	case ProtoTCP:
		proto = "tcp"
	case ProtoUDP:
		proto = "udp"
	case 1, 58:
		proto = "icmp"
	}
	src := netip.AddrPortFrom(netip.AddrFrom16(f.Src).Unmap(), f.SrcPort)
	dst := netip.AddrPortFrom(netip.AddrFrom16(f.Dst).Unmap(), f.DstPort)
	return fmt.Sprintf("%s %v > %v", proto, src, dst)
}

// Size is how large a packet is, counted in the three ways that rates are meant in.
type Size struct {
	Wire    int // bytes of time on the wire: frame with FCS, at least 64, and 20 for preamble and gap
	IP      int // bytes from the IP header on; 0 if it is not IP
	Payload int // bytes above TCP or UDP, as iperf3 counts, and all of a fragment's; 0 for a pure ACK
}

// Parse reads the flow and the size of an IP packet, given from its IP header on. What
// is cut short or unknown yields as much as could be read: the addresses without ports,
// or the zero Flow. Size.Wire is left 0, as it depends on the link.
func Parse(ip []byte) (f Flow, s Size) {
	if len(ip) < 20 {
		return f, s
	}
	var l4 []byte
	switch ip[0] >> 4 {
	case 4:
		header := int(ip[0]&15) * 4
		total := int(binary.BigEndian.Uint16(ip[2:]))
		if header < 20 || total < header || total > len(ip) {
			return f, s
		}
		s.IP = total
		f.Proto = ip[9]
		f.Src, f.Dst = mapped(ip[12:16]), mapped(ip[16:20])
		if binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 { // a fragment
			s.Payload = total - header
			return f, s
		}
		l4 = ip[header:total]
	case 6:
		if len(ip) < 40 {
			return f, s
		}
		total := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if total > len(ip) {
			return f, s
		}
		s.IP = total
		f.Proto = ip[6] // extension headers are flows of their own protocol number
		copy(f.Src[:], ip[8:24])
		copy(f.Dst[:], ip[24:40])
		l4 = ip[40:total]
	default:
		return f, s
	}
	switch {
	case f.Proto == ProtoTCP && len(l4) >= 20:
		if offset := int(l4[12]>>4) * 4; offset >= 20 && offset <= len(l4) {
			s.Payload = len(l4) - offset
		}
	case f.Proto == ProtoUDP && len(l4) >= 8:
		s.Payload = len(l4) - 8
	case f.Proto == ipv6Fragment && ip[0]>>4 == 6 && len(l4) >= 8:
		s.Payload = len(l4) - 8
		return f, s
	default:
		return f, s
	}
	f.SrcPort = binary.BigEndian.Uint16(l4[0:])
	f.DstPort = binary.BigEndian.Uint16(l4[2:])
	return f, s
}

func mapped(ip4 []byte) (a [16]byte) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], ip4)
	return a
}
