package packet

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/link"
)

// offloadHeader is the length of what the kernel puts before a frame, in bytes: struct
// virtio_net_hdr of linux/virtio_net.h, in the byte order of the machine.
//
//	0  flags        1: the checksum is to be completed
//	1  kind         what is to be cut: 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP; 0x80: TCP with CWR
//	2  header length
//	4  size         payload of each piece, in bytes
//	6  start        where in the frame the bytes begin that the checksum is over
//	8  offset       where after start it stands, with the pseudo-header's sum in it
const offloadHeader = 10

const (
	needsChecksum = 1

	cutNothing = 0
	cutTCP4    = 1
	cutTCP6    = 4
	cutUDP     = 5
	withCWR    = 0x80
)

// maxSuper is the largest frame that is cut, in bytes: an IP packet of 64 KiB behind its
// Ethernet header.
const maxSuper = link.EthernetHeader + 1<<16 - 1

// A super is what the kernel handed over: one frame, or a segment to be cut into many.
type super struct {
	b       []byte // the frame
	count   int    // frames to be made of it
	size    int    // payload of each but the last, which has the rest
	payload int    // where the payload begins
	length  int    // where the IP header's length stands; 0 for a frame that is not cut
	l4      int    // where the checksum's bytes begin
	sum     int    // where the checksum stands, 0 where it is complete
	udp     bool
}

const (
	ipHeader   = link.EthernetHeader
	ip4Length  = ipHeader + 2
	ip4ID      = ipHeader + 4
	ip4Sum     = ipHeader + 10
	ip4Header  = 20
	ip6Length  = ipHeader + 4
	ip6Header  = 40
	tcpHeader  = 20
	tcpSum     = 16
	tcpFINPSH  = 0x01 | 0x08
	tcpCWR     = 0x80
	udpHeader  = 8
	udpSum     = 6
	typeOfIPv4 = 0x0800
	typeOfIPv6 = 0x86dd
)

// unload reads what the kernel handed over. It returns false for what is no frame, or
// contradicts itself.
func unload(b []byte) (s super, ok bool) {
	if len(b) < offloadHeader+link.EthernetHeader {
		return s, false
	}
	order := binary.NativeEndian
	flags, kind := b[0], b[1]&^withCWR
	s = super{b: b[offloadHeader:], count: 1}
	if flags&needsChecksum != 0 {
		s.l4 = int(order.Uint16(b[6:]))
		s.sum = s.l4 + int(order.Uint16(b[8:]))
		if s.l4 < link.EthernetHeader || s.sum+2 > len(s.b) {
			return s, false
		}
	}
	if kind == cutNothing {
		return s, true
	}
	s.size = int(order.Uint16(b[4:]))
	return s, s.plan(kind)
}

// plan finds where to cut. A kernel leaves no segment to be cut whose checksum it has
// completed.
func (s *super) plan(kind byte) bool {
	if s.sum == 0 || s.size == 0 || len(s.b) > maxSuper || !s.planIP(kind) {
		return false
	}
	l4 := s.b[s.l4:]
	switch kind {
	case cutTCP4, cutTCP6:
		if len(l4) < tcpHeader {
			return false
		}
		n := int(l4[12]>>4) * 4
		if n < tcpHeader || s.sum != s.l4+tcpSum {
			return false
		}
		s.payload = s.l4 + n
	case cutUDP:
		s.udp = true
		s.payload = s.l4 + udpHeader
		if s.sum != s.l4+udpSum {
			return false
		}
	}
	if s.payload >= len(s.b) {
		return false
	}
	s.count = (len(s.b) - s.payload + s.size - 1) / s.size
	return true
}

// planIP checks that the IP header is one, and ends before the checksum's bytes.
func (s *super) planIP(kind byte) bool {
	switch t := binary.BigEndian.Uint16(s.b[ipHeader-2:]); {
	case t == typeOfIPv4 && (kind == cutTCP4 || kind == cutUDP):
		s.length = ip4Length
		return s.l4 >= ipHeader+ip4Header && s.l4 == ipHeader+int(s.b[ipHeader]&0x0f)*4
	case t == typeOfIPv6 && (kind == cutTCP6 || kind == cutUDP):
		s.length = ip6Length
		return s.l4 >= ipHeader+ip6Header
	}
	return false
}

// longest returns the length of the longest frame to be made, in bytes.
func (s *super) longest() int {
	if s.length == 0 {
		return len(s.b)
	}
	return min(len(s.b), s.payload+s.size)
}

// frame makes frame i.
func (s *super) frame(pool *link.Pool, i int) *link.Frame {
	if s.length == 0 {
		f := pool.Frame(len(s.b))
		copy(f.Bytes(), s.b)
		if s.sum != 0 {
			complete(f.Bytes(), s.l4, s.sum)
		}
		return f
	}
	from := s.payload + i*s.size
	to := min(from+s.size, len(s.b))
	f := pool.Frame(s.payload + to - from)
	b := f.Bytes()
	copy(b[copy(b, s.b[:s.payload]):], s.b[from:to])
	s.headIP(b, i)
	s.headL4(b, i)
	complete(b, s.l4, s.sum)
	return f
}

// headIP makes the IP header of frame i right.
func (s *super) headIP(b []byte, i int) {
	order := binary.BigEndian
	if s.length == ip6Length {
		order.PutUint16(b[ip6Length:], uint16(len(b)-ipHeader-ip6Header))
		return
	}
	order.PutUint16(b[ip4Length:], uint16(len(b)-ipHeader))
	order.PutUint16(b[ip4ID:], order.Uint16(b[ip4ID:])+uint16(i))
	order.PutUint16(b[ip4Sum:], 0)
	order.PutUint16(b[ip4Sum:], ^link.Fold(link.Sum(0, b[ipHeader:s.l4])))
}

// headL4 makes the TCP or UDP header of frame i right, but for its checksum: there it puts
// the sum of the pseudo-header, which differs from the whole segment's in the length.
func (s *super) headL4(b []byte, i int) {
	order := binary.BigEndian
	whole, n := uint16(len(s.b)-s.l4), uint16(len(b)-s.l4)
	order.PutUint16(b[s.sum:], link.Fold(uint64(order.Uint16(b[s.sum:]))+uint64(^whole)+uint64(n)))
	l4 := b[s.l4:]
	if s.udp {
		order.PutUint16(l4[4:], n)
		return
	}
	order.PutUint32(l4[4:], order.Uint32(l4[4:])+uint32(i*s.size))
	if i > 0 {
		l4[13] &^= tcpCWR // the first says it for all (RFC 3168)
	}
	if i < s.count-1 {
		l4[13] &^= tcpFINPSH
	}
}

// complete puts the checksum over all bytes from start on at sum, where the
// pseudo-header's sum stands. As with UDP 0 says that there is none, it is written as -0,
// which for TCP is the same (RFC 768, 1071).
func complete(b []byte, start, sum int) {
	c := ^link.Fold(link.Sum(0, b[start:]))
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[sum:], c)
}
