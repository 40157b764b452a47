package link

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/pacer"
)

// A Super is a super-segment: TCP or UDP over IPv4 or IPv6, with more payload than a frame
// takes behind one set of headers. It is cut into frames one after the other, each with
// Segment bytes of payload and the last one with the rest; what the headers say is made
// right in each, and the checksums are computed then. The payload may lie in several pieces,
// which are read when they are cut, and otherwise left alone.
//
// The IP header's length may be at most that of an IP packet, 64 KiB, all payload included.
// The zero Super is used up.
type Super struct {
	Segment int // payload of each frame but the last, in bytes

	frame   Frame // that it is
	pool    *Pool
	cutter  Cutter
	head    []byte   // all headers
	all     [][]byte // pieces of payload
	pieces  [][]byte // those of them that are not cut yet
	left    int      // bytes in them
	whole   int      // bytes from the TCP or UDP header on, in the beginning
	cut     int      // bytes of payload that were cut off
	frames  int      // and in how many frames
	ip, l4  int      // where the headers begin
	version byte
	proto   byte
	fixedID bool // an atomic IPv4 datagram: its identification says nothing (RFC 6864)
}

// MaxSuper is the largest super-segment that there is, as the sum of headers and payload, in
// bytes.
const MaxSuper = EthernetHeader + maxIP

// A Cutter has made a super-segment, whose memory is its own, and is told of each frame that
// is cut from it. It keeps account of those: the super-segment itself has no Origin.
type Cutter interface {
	Owner
	// Cut tells that f was cut from the super-segment, with its Flow, Size, Tag and times.
	Cut(super, f *Frame)
}

// Frame returns the frame that is the super-segment, and has no bytes of its own. Frames are
// cut from it in memory of the pool.
func (s *Super) Frame(pool *Pool, c Cutter) *Frame {
	s.pool, s.cutter = pool, c
	s.frame = Frame{Super: s, owner: c}
	return &s.frame
}

// Cut cuts the next frame off a super-segment; nil if it is used up. It has the flow, the tag
// and the departure of the whole.
func (f *Frame) Cut() *Frame {
	c := f.Super.Next(f.Super.pool)
	if c != nil {
		c.Flow, c.Tag, c.Paced, c.Depart, c.Stop = f.Flow, f.Tag, f.Paced, f.Depart, f.Stop
		f.Super.cutter.Cut(f, c)
	}
	return c
}

// Frames returns how many frames a frame stands for: 1, or what a super-segment is still cut
// into.
func (f *Frame) Frames() int {
	if f.Super == nil {
		return 1
	}
	return f.Super.Frames()
}

// Total returns how many bytes those frames have, without FCS.
func (f *Frame) Total() int {
	if f.Super == nil {
		return f.Len()
	}
	return f.Super.Len()
}

// Lengths of headers, and where in them things stand (RFC 791, 8200, 9293, 768).
const (
	ip4Header = 20
	ip4Length = 2
	ip4ID     = 4
	ip4Flags  = 6
	ip4Sum    = 10
	ip4DF     = 0x40
	ip6Header = 40
	ip6Length = 4

	tcpHeader = 20
	tcpSeq    = 4
	tcpOffset = 12
	tcpFlags  = 13
	tcpSum    = 16
	tcpFINPSH = 0x01 | 0x08
	tcpCWR    = 0x80
	udpHeader = 8
	udpLength = 4
	udpSum    = 6
)

// SumOffset returns where the checksum stands in the header of TCP or UDP.
func SumOffset(proto byte) int {
	if proto == pacer.ProtoUDP {
		return udpSum
	}
	return tcpSum
}

// Set makes s the super-segment that begins with frame, from the link header on, and goes on
// in more. The IP header begins at ip and is followed, maybe behind extension headers, by
// that of proto, TCP or UDP, at l4, in which the sum of the pseudo-header stands in place
// of the checksum. All headers are in frame. It reports false, and s is used up, if the
// headers contradict that, or there is no payload.
func (s *Super) Set(frame []byte, ip, l4 int, proto byte, segment int, more ...[]byte) bool {
	*s = Super{ip: ip, l4: l4, proto: proto, all: s.all[:0]}
	head, ok := s.headers(frame)
	if !ok {
		return false
	}
	s.head, s.Segment = frame[:head], segment
	s.add(frame[head:])
	for _, piece := range more {
		s.add(piece)
	}
	s.pieces = s.all
	s.whole = head - l4 + s.left
	if segment < 1 || head-ip+s.left > maxIP {
		s.left, s.Segment = 0, 0
	}
	return s.left > 0
}

// maxIP is the longest IP packet, in bytes.
const maxIP = 1<<16 - 1

// headers checks the headers and returns how long they are.
func (s *Super) headers(b []byte) (n int, ok bool) {
	if s.ip < 0 || s.ip > HeadRoom || s.ip >= len(b) {
		return 0, false
	}
	switch s.version = b[s.ip] >> 4; s.version {
	case 4:
		if s.l4 < s.ip+ip4Header || s.l4 != s.ip+int(b[s.ip]&15)*4 || s.l4 > len(b) {
			return 0, false
		}
		s.fixedID = b[s.ip+ip4Flags]&ip4DF != 0
	case 6:
		if s.l4 < s.ip+ip6Header {
			return 0, false
		}
	default:
		return 0, false
	}
	switch n = s.l4 + udpHeader; s.proto {
	case pacer.ProtoUDP:
	case pacer.ProtoTCP:
		if len(b) < s.l4+tcpHeader {
			return 0, false
		}
		header := int(b[s.l4+tcpOffset]>>4) * 4
		n = s.l4 + header
		ok = header >= tcpHeader
		return n, ok && n <= len(b)
	default:
		return 0, false
	}
	return n, n <= len(b)
}

func (s *Super) add(piece []byte) {
	if len(piece) > 0 {
		s.all = append(s.all, piece)
		s.left += len(piece)
	}
}

// Clear makes the super-segment used up, and forgets its payload.
func (s *Super) Clear() {
	clear(s.all)
	*s = Super{all: s.all[:0]}
}

// Frames returns how many frames are still to be cut.
func (s *Super) Frames() int {
	if s.left == 0 {
		return 0
	}
	return (s.left + s.Segment - 1) / s.Segment
}

// Payload returns how many bytes of payload are still to be cut.
func (s *Super) Payload() int { return s.left }

// Len returns how many bytes the frames have together that are still to be cut.
func (s *Super) Len() int { return s.Frames()*len(s.head) + s.left }

// Longest returns the length of the longest frame that is still to be cut, in bytes.
func (s *Super) Longest() int { return len(s.head) + min(s.Segment, s.left) }

// Next cuts off the next frame, in memory of the pool; nil if there is none. It has its Flow
// and Tag not set, and Size but for the wire.
func (s *Super) Next(pool *Pool) *Frame {
	n := min(s.Segment, s.left)
	if n == 0 {
		return nil
	}
	f := pool.Frame(len(s.head) + n)
	b := f.Bytes()
	s.read(b[copy(b, s.head):])
	s.left -= n
	s.headIP(b)
	s.headL4(b)
	s.cut += n
	s.frames++
	f.Size = pacer.Size{Wire: WireBytes(EthernetHeader + len(b) - s.ip), IP: len(b) - s.ip, Payload: n}
	return f
}

// read takes the next bytes of payload out of the pieces.
func (s *Super) read(b []byte) {
	for len(b) > 0 {
		n := copy(b, s.pieces[0])
		b = b[n:]
		if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
			s.pieces = s.pieces[1:]
		}
	}
}

// headIP makes the IP header of a frame right.
func (s *Super) headIP(b []byte) {
	order, ip := binary.BigEndian, b[s.ip:]
	if s.version == 6 {
		order.PutUint16(ip[ip6Length:], uint16(len(ip)-ip6Header))
		return
	}
	order.PutUint16(ip[ip4Length:], uint16(len(ip)))
	if !s.fixedID {
		order.PutUint16(ip[ip4ID:], order.Uint16(ip[ip4ID:])+uint16(s.frames))
	}
	order.PutUint16(ip[ip4Sum:], 0)
	order.PutUint16(ip[ip4Sum:], ^Fold(Sum(0, b[s.ip:s.l4])))
}

// headL4 makes the TCP or UDP header of a frame right. The sum of its pseudo-header differs
// from the whole segment's in the length.
func (s *Super) headL4(b []byte) {
	order, l4 := binary.BigEndian, b[s.l4:]
	sum := l4[SumOffset(s.proto):]
	n := uint16(len(l4))
	order.PutUint16(sum, Fold(uint64(order.Uint16(sum))+uint64(^uint16(s.whole))+uint64(n)))
	if s.proto == pacer.ProtoUDP {
		order.PutUint16(l4[udpLength:], n)
	} else {
		order.PutUint32(l4[tcpSeq:], order.Uint32(l4[tcpSeq:])+uint32(s.cut))
		if s.frames > 0 {
			l4[tcpFlags] &^= tcpCWR // the first says it for all (RFC 3168)
		}
		if s.left > 0 {
			l4[tcpFlags] &^= tcpFINPSH
		}
	}
	CompleteSum(b, s.l4, s.l4+SumOffset(s.proto))
}

// CompleteSum puts the checksum over all bytes from start on at sum, where the
// pseudo-header's sum stands. UDP's 0 says that there is none: there it is written as -0 (RFC
// 768), which with TCP would be taken for wrong by whoever compares rather than adds.
func CompleteSum(b []byte, start, sum int) {
	c := ^Fold(Sum(0, b[start:]))
	if c == 0 && sum-start == udpSum {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[sum:], c)
}
