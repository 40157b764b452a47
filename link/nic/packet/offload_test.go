package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
)

// A segment is what a kernel would hand over: TCP or UDP in one piece, with the sum of the
// pseudo-header where the checksum goes.
type segment struct {
	v6, udp bool
	options int // bytes of IPv4 options or of an IPv6 extension header, times 8
	tcp     int // bytes of TCP options, times 4
	flags   byte
	payload []byte
	size    int
}

const (
	ipHeader  = link.EthernetHeader
	ip4Header = 20
	ip4ID     = ipHeader + 4
	ip6Header = 40
	tcpHeader = 20
	tcpSum    = 16
	udpHeader = 8
	udpSum    = 6

	testSeq = 0xffff_ff00 // wraps on the way
	testID  = 0xfffe
)

// bytes returns the segment behind its offload header.
func (s segment) bytes() []byte {
	order := binary.BigEndian
	b := append(make([]byte, offloadHeader), 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00)
	l4 := udpHeader
	if !s.udp {
		l4 = tcpHeader + 4*s.tcp
	}
	proto := byte(6)
	if s.udp {
		proto = 17
	}
	ip := len(b)
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	kind := byte(cutTCP4)
	if s.v6 {
		src, dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
		kind = cutTCP6
		copy(b[ip-2:], []byte{0x86, 0xdd})
		b = append(b, make([]byte, ip6Header+8*s.options)...)
		b[ip], b[ip+6], b[ip+7] = 0x60, proto, 64
		if s.options > 0 {
			b[ip+6] = 60 // destination options (RFC 8200)
			b[ip+ip6Header], b[ip+ip6Header+1] = proto, byte(s.options-1)
		}
		order.PutUint16(b[ip+4:], uint16(8*s.options+l4+len(s.payload)))
		copy(b[ip+8:], src.AsSlice())
		copy(b[ip+24:], dst.AsSlice())
	} else {
		b = append(b, make([]byte, ip4Header+8*s.options)...)
		b[ip], b[ip+8], b[ip+9] = 0x40|byte(5+2*s.options), 64, proto
		order.PutUint16(b[ip+2:], uint16(len(b)-ip+l4+len(s.payload)))
		order.PutUint16(b[ip+4:], testID)
		copy(b[ip+12:], src.AsSlice())
		copy(b[ip+16:], dst.AsSlice())
	}
	start := len(b)
	b = append(append(b, make([]byte, l4)...), s.payload...)
	at := udpSum
	if s.udp {
		kind = cutUDP
		order.PutUint16(b[start+4:], uint16(l4+len(s.payload)))
	} else {
		at = tcpSum
		order.PutUint32(b[start+4:], testSeq)
		b[start+12], b[start+13] = byte(5+s.tcp)<<4, s.flags
	}
	order.PutUint16(b[start+at:], ^linktest.Checksum(linktest.PseudoHeader(src.AsSlice(), dst.AsSlice(), proto, l4+len(s.payload))))

	b[0], b[1] = needsChecksum, kind
	if s.size == 0 {
		b[1] = cutNothing
	}
	binary.NativeEndian.PutUint16(b[4:], uint16(s.size))
	binary.NativeEndian.PutUint16(b[6:], uint16(start-offloadHeader))
	binary.NativeEndian.PutUint16(b[8:], uint16(at))
	return b
}

// cut makes all frames of what was handed over.
func cut(t *testing.T, b []byte) (frames [][]byte) {
	t.Helper()
	var s link.Super
	b = bytes.Clone(b)
	more, ok := unload(b[:offloadHeader], b[offloadHeader:], &s)
	switch {
	case !ok:
		t.Fatal("this is refused")
	case !more:
		return [][]byte{b[offloadHeader:]}
	}
	var pool link.Pool
	for f := s.Next(&pool); f != nil; f = s.Next(&pool) {
		frames = append(frames, bytes.Clone(f.Bytes()))
		f.Free()
	}
	return frames
}

// verify tests that a frame of the segment is a right one from its IP header on, and
// returns its TCP or UDP header with what is behind it.
func (s segment) verify(t *testing.T, f []byte) []byte {
	t.Helper()
	order := binary.BigEndian
	ip := f[ipHeader:]
	var l4, src, dst []byte
	if s.v6 {
		if n := int(order.Uint16(ip[4:])); n != len(ip)-ip6Header {
			t.Fatalf("the IP header says %d bytes, and there are %d", n, len(ip)-ip6Header)
		}
		src, dst, l4 = ip[8:24], ip[24:40], ip[ip6Header+8*s.options:]
	} else {
		if n := int(order.Uint16(ip[2:])); n != len(ip) {
			t.Fatalf("the IP header says %d bytes, and there are %d", n, len(ip))
		}
		n := ip4Header + 8*s.options
		if s.size > 0 && linktest.Checksum(ip[:n]) != 0 {
			t.Fatalf("the IP header's checksum is wrong: %x", ip[:n])
		}
		src, dst, l4 = ip[12:16], ip[16:20], ip[n:]
	}
	proto, at := byte(6), tcpSum
	if s.udp {
		proto, at = 17, udpSum
		if n := int(order.Uint16(l4[4:])); n != len(l4) {
			t.Fatalf("the UDP header says %d bytes, and there are %d", n, len(l4))
		}
	}
	if linktest.Checksum(append(linktest.PseudoHeader(src, dst, proto, len(l4)), l4...)) != 0 || order.Uint16(l4[at:]) == linktest.NoChecksum(s.udp) {
		t.Fatalf("the checksum is wrong: %x", l4)
	}
	return l4
}

// check cuts the segment and tests each frame and all of them together.
func (s segment) check(t *testing.T) {
	t.Helper()
	frames := cut(t, s.bytes())
	var payload []byte
	for i, f := range frames {
		l4 := s.verify(t, f)
		header := udpHeader
		if !s.udp {
			header = tcpHeader + 4*s.tcp
			if seq := binary.BigEndian.Uint32(l4[4:]); seq != testSeq+uint32(len(payload)) {
				t.Fatalf("frame %d has the sequence number %d", i, seq)
			}
			flags := s.flags
			if i > 0 {
				flags &^= 0x80
			}
			if i < len(frames)-1 {
				flags &^= 0x09
			}
			if l4[13] != flags {
				t.Fatalf("frame %d of %d has the flags %x of %x", i, len(frames), l4[13], s.flags)
			}
		}
		if id := binary.BigEndian.Uint16(f[ip4ID:]); !s.v6 && s.size > 0 && id != uint16((testID+i)&0xffff) {
			t.Fatalf("frame %d has the IP identification %x", i, id)
		}
		if n := len(l4) - header; s.size > 0 && n != s.size && i < len(frames)-1 {
			t.Fatalf("frame %d of %d has %d bytes of payload", i, len(frames), n)
		}
		payload = append(payload, l4[header:]...)
	}
	if !bytes.Equal(payload, s.payload) {
		t.Fatal("the payloads together are not the segment's")
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>3 + i)
	}
	return b
}

func TestCut(t *testing.T) {
	for name, s := range map[string]segment{
		"tcp4":                 {payload: noise(10_000), size: 1448, tcp: 3, flags: 0x99},
		"tcp6":                 {payload: noise(10_000), size: 1428, tcp: 3, flags: 0x19, v6: true},
		"udp4":                 {payload: noise(10_000), size: 1200, udp: true},
		"udp6":                 {payload: noise(10_000), size: 1200, udp: true, v6: true},
		"no rest":              {payload: noise(3000), size: 1000},
		"one":                  {payload: noise(500), size: 1000, flags: 0x18},
		"byte by byte":         {payload: noise(100), size: 1},
		"as long as there are": {payload: noise(65535 - 40), size: 1448},
		"IPv4 options":         {payload: noise(3000), size: 999, options: 5, tcp: 10},
		"IPv6 extension":       {payload: noise(3000), size: 999, options: 3, v6: true},
		"checksum only":        {payload: noise(333), tcp: 1},
		"checksum only, UDP":   {payload: noise(333), udp: true, v6: true},
		"no payload":           {},
	} {
		t.Run(name, s.check)
	}
}

// A checksum that comes out as 0 is written as -0.
func TestZeroChecksum(t *testing.T) {
	s := segment{udp: true, payload: make([]byte, 2)}
	first := cut(t, s.bytes())[0]
	copy(s.payload, first[len(first)-4:][:2]) // which takes the sum to 0xffff
	s.check(t)
	last := cut(t, s.bytes())[0]
	if sum := binary.BigEndian.Uint16(last[len(last)-4:]); sum != 0xffff {
		t.Errorf("the checksum is %x", sum)
	}
}

// What needs nothing passes as it is.
func TestPlain(t *testing.T) {
	b := noise(60)
	if got := cut(t, append(make([]byte, offloadHeader), b...)); len(got) != 1 || !bytes.Equal(got[0], b) {
		t.Errorf("%x", got)
	}
}

// What contradicts itself is refused.
func TestRefused(t *testing.T) {
	good := segment{payload: noise(3000), size: 1000}.bytes()
	six := segment{payload: noise(3000), size: 1000, v6: true}.bytes()
	native := func(b []byte, at int, x uint16) []byte {
		b = bytes.Clone(b)
		binary.NativeEndian.PutUint16(b[at:], x)
		return b
	}
	set := func(b []byte, at int, x byte) []byte {
		b = bytes.Clone(b)
		b[at] = x
		return b
	}
	whole := segment{payload: noise(100)}.bytes() // not to be cut, but its sum is to be completed
	for name, b := range map[string][]byte{
		"a sum over no packet":      native(whole, 6, 13),
		"a sum behind the end":      native(whole, 8, uint16(len(whole)-offloadHeader-ipHeader-ip4Header)),
		"a sum half behind the end": native(whole, 8, uint16(len(whole)-offloadHeader-ipHeader-ip4Header-1)),
		"nothing":                   nil,
		"no frame":                  good[:offloadHeader+13],
		"too short to be cut":       set(good[:offloadHeader+5], 0, 0),
		"a header alone":            good[:offloadHeader],
		"cut in the IP header":      good[:offloadHeader+20],
		"cut in the TCP header":     good[:offloadHeader+ipHeader+ip4Header+19],
		"no payload":                good[:offloadHeader+ipHeader+ip4Header+20],
		"pieces of nothing":         native(good, 4, 0),
		"sum before the IP header":  native(good, 6, 13),
		"sum inside the IP header":  native(good, 6, 33),
		"sum behind the end":        native(good, 6, 0xffff),
		"sum in another place":      native(good, 8, 17),
		"sum far behind":            native(good, 8, 0xffff),
		"no sum":                    set(good, 0, 0),
		"of no kind":                set(good, 1, 2),
		"IPv4 as IPv6":              set(good, 1, cutTCP6),
		"IPv6 as IPv4":              set(six, 1, cutTCP4),
		"TCP as UDP":                set(good, 1, cutUDP),
		"neither IPv4 nor IPv6":     set(good, offloadHeader+12, 0x81),
		"short TCP header":          set(good, offloadHeader+ipHeader+ip4Header+12, 0x40),
		"TCP header behind the end": set(good[:offloadHeader+ipHeader+ip4Header+24], offloadHeader+ipHeader+ip4Header+12, 0xf0),
		"more than 64 KiB":          append(bytes.Clone(good), make([]byte, 1<<16)...),
	} {
		if frames, received := hand(t, 1500, b); len(frames) > 0 || received.Drops[link.Malformed] != 1 || received.Dropped() != 1 {
			t.Errorf("%s is not refused: %+v", name, received)
		}
	}
}

// FuzzUnload tests that whatever is handed over is refused or cut into frames of the MTU, or
// counted.
func FuzzUnload(f *testing.F) {
	f.Add(segment{payload: noise(100), size: 30, tcp: 3}.bytes(), 1500)
	f.Add(segment{payload: noise(5000), size: 1400, v6: true, options: 1}.bytes(), 1400)
	f.Add(segment{payload: noise(100), size: 30, udp: true}.bytes(), 68)
	f.Add(segment{payload: noise(10)}.bytes(), 9000)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		mtu = 68 + mtu&0x3fff
		frames, received := hand(t, mtu, b)
		if len(frames) != int(received.Frames) || len(frames) == 0 && received.Dropped() == 0 {
			t.Fatalf("%d frames, received %+v", len(frames), received)
		}
		for i, f := range frames {
			if len(f) < link.EthernetHeader || len(f) > link.EthernetHeader+mtu+8 {
				t.Fatalf("frame %d has %d bytes, with an MTU of %d", i, len(f), mtu)
			}
		}
	})
}

// FuzzCut tests that every segment that a kernel could make is cut right.
func FuzzCut(f *testing.F) {
	f.Add(false, false, 0, 3, byte(0x99), noise(5000), 1448)
	f.Add(true, false, 1, 0, byte(0), noise(500), 7)
	f.Add(false, true, 0, 0, byte(0), noise(3000), 1200)
	f.Fuzz(func(t *testing.T, v6, udp bool, options, tcp int, flags byte, payload []byte, size int) {
		s := segment{v6, udp, options & 3, tcp & 7, flags, payload, size & 0x7fff}
		if len(payload) > 60_000 || s.size > 0 && len(payload) == 0 {
			return
		}
		s.check(t)
	})
}

// BenchmarkCut cuts a segment of 64 KiB into frames of 1514 bytes.
func BenchmarkCut(b *testing.B) {
	handed := segment{payload: noise(65535 - 52), size: 1448, tcp: 3}.bytes()
	b.ReportAllocs()
	b.SetBytes(65535)
	var pool link.Pool
	var s link.Super
	for b.Loop() {
		unload(handed, handed[offloadHeader:], &s)
		for range s.Frames() {
			s.Next(&pool).Free()
		}
	}
}
