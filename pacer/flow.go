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
//
// The flow of an IPv6 packet is the one behind its extension headers. A length of 0 in the
// IP header, as segmentation offload leaves it in captures, means all that is given.
func Parse(ip []byte) (Flow, Size) { return ParseCut(ip, len(ip)) }

// ParseCut is Parse for an IP packet of length bytes of which only the first are there, as
// in a capture. What is not there may be payload; of headers, as much as there is is read.
func ParseCut(ip []byte, length int) (Flow, Size) {
	f, s, _ := parse(ip, length)
	return f, s
}

// ParseUpper is ParseCut that also returns the bytes above IP, as far as they are there; nil
// of a fragment.
func ParseUpper(ip []byte, length int) (Flow, Size, []byte) { return parse(ip, length) }

func parse(ip []byte, length int) (f Flow, s Size, upper []byte) {
	ip = ip[:min(len(ip), length)]
	if len(ip) < 20 {
		return f, s, nil
	}
	header, total, fragment := 0, 0, false
	switch ip[0] >> 4 {
	case 4:
		header, total = int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if total == 0 {
			total = length
		}
		if header < 20 || total < header || total > length {
			return f, s, nil
		}
		f.Proto = ip[9]
		f.Src, f.Dst = mapped(ip[12:16]), mapped(ip[16:20])
		fragment = binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
	case 6:
		if len(ip) < 40 {
			return f, s, nil
		}
		total = 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if total == 40 && ip[6] != noNextHeader {
			total = length
		}
		if total > length {
			return f, s, nil
		}
		copy(f.Src[:], ip[8:24])
		copy(f.Dst[:], ip[24:40])
		f.Proto, header, fragment = extensions(ip[:min(len(ip), total)])
	default:
		return f, s, nil
	}
	s.IP = total
	n := total - header
	if fragment {
		s.Payload = n
		return f, s, nil
	}
	upper = ip[min(header, len(ip)):min(total, len(ip))]
	switch {
	case f.Proto == ProtoTCP && n >= 20:
		if len(upper) > 12 {
			if offset := int(upper[12]>>4) * 4; offset >= 20 && offset <= n {
				s.Payload = n - offset
			}
		}
	case f.Proto == ProtoUDP && n >= 8:
		s.Payload = n - 8
	default:
		return f, s, upper
	}
	if len(upper) >= 4 {
		f.SrcPort = binary.BigEndian.Uint16(upper)
		f.DstPort = binary.BigEndian.Uint16(upper[2:])
	}
	return f, s, upper
}

// Protocol numbers of the extension headers of IPv6 (RFC 7045).
const (
	hopByHop     = 0
	routing      = 43
	ipv6Fragment = 44
	authHeader   = 51
	noNextHeader = 59
	destOptions  = 60
	mobility     = 135
	hip          = 139
	shim6        = 140
)

// IsExtension tells the protocol numbers of IPv6's extension headers, which is what Parse
// returns where it could not go behind one.
func IsExtension(proto uint8) bool {
	switch proto {
	case hopByHop, routing, ipv6Fragment, authHeader, destOptions, mobility, hip, shim6:
		return true
	}
	return false
}

// maxExtensions is how many extension headers are looked behind: there are seven kinds.
const maxExtensions = 8

// extensions goes behind the extension headers of an IPv6 packet and returns the protocol
// that it carries, where that begins, and whether it is a fragment of it. Behind a header
// that is cut short or unknown it does not go.
func extensions(ip []byte) (proto uint8, at int, fragment bool) {
	proto, at = ip[6], 40
	for range maxExtensions {
		if len(ip) < at+8 {
			return proto, at, false
		}
		n := 8 + 8*int(ip[at+1])
		switch proto {
		case hopByHop, routing, destOptions, mobility, hip, shim6:
		case authHeader:
			n = 8 + 4*int(ip[at+1])
		case ipv6Fragment:
			n = 8
			fragment = binary.BigEndian.Uint16(ip[at+2:])&0xfff9 != 0
		default:
			return proto, at, false
		}
		if len(ip) < at+n {
			return proto, at, false
		}
		proto, at = ip[at], at+n
		if fragment {
			return proto, at, true
		}
	}
	return proto, at, false
}

func mapped(ip4 []byte) (a [16]byte) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], ip4)
	return a
}
