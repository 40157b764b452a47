package link_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
)

// A superCase is a super-segment as a stack hands it down: one set of headers, in which the
// pseudo-header's sum stands for the checksum.
type superCase struct {
	link    int // bytes of link header
	v6, udp bool
	ext     int // bytes of IPv4 options or of an IPv6 extension header, times 8
	tcp     int // bytes of TCP options, times 4
	flags   byte
	df      bool
	payload []byte
	segment int
	pieces  []int // where the payload is in pieces of so many bytes, the first one behind the headers
}

const (
	superSeq = 0xffff_ff00 // wraps on the way
	superID  = 0xfffe
)

var superAddrs = [2][2]netip.Addr{
	{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")},
	{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")},
}

func (c *superCase) proto() byte {
	if c.udp {
		return pacer.ProtoUDP
	}
	return pacer.ProtoTCP
}

func (c *superCase) addrs() (src, dst []byte) {
	a := superAddrs[0]
	if c.v6 {
		a = superAddrs[1]
	}
	return a[0].AsSlice(), a[1].AsSlice()
}

// headers returns the headers, and where that of TCP or UDP begins.
func (c *superCase) headers() (b []byte, l4 int) {
	order := binary.BigEndian
	own := 8
	if !c.udp {
		own = 20 + 4*c.tcp
	}
	above := own + len(c.payload)
	src, dst := c.addrs()
	b = make([]byte, c.link)
	if c.v6 {
		ip := make([]byte, 40+8*c.ext)
		ip[0], ip[6], ip[7] = 0x60, c.proto(), 64
		if c.ext > 0 {
			ip[6], ip[40], ip[41] = 60, c.proto(), byte(c.ext-1) // destination options (RFC 8200)
		}
		order.PutUint16(ip[4:], uint16(8*c.ext+above))
		copy(ip[8:], src)
		copy(ip[24:], dst)
		b = append(b, ip...)
	} else {
		ip := make([]byte, 20+8*c.ext)
		ip[0], ip[8], ip[9] = 0x40|byte(5+2*c.ext), 64, c.proto()
		order.PutUint16(ip[2:], uint16(len(ip)+above))
		order.PutUint16(ip[4:], superID)
		if c.df {
			ip[6] = 0x40
		}
		copy(ip[12:], src)
		copy(ip[16:], dst)
		b = append(b, ip...)
	}
	l4 = len(b)
	b = append(b, make([]byte, own)...)
	at := l4 + 16
	if c.udp {
		order.PutUint16(b[l4+4:], uint16(above))
		at = l4 + 6
	} else {
		order.PutUint32(b[l4+4:], superSeq)
		b[l4+12], b[l4+13] = byte(5+c.tcp)<<4, c.flags
	}
	order.PutUint16(b[at:], ^linktest.Checksum(linktest.PseudoHeader(src, dst, c.proto(), above)))
	return b, l4
}

// set makes the super-segment.
func (c *superCase) set(t *testing.T, s *link.Super) {
	t.Helper()
	b, l4 := c.headers()
	rest := bytes.Clone(c.payload)
	var more [][]byte
	for i, n := range c.pieces {
		n = min(n, len(rest))
		if i == 0 {
			b = append(b, rest[:n]...)
		} else {
			more = append(more, rest[:n])
		}
		rest = rest[n:]
	}
	if c.pieces == nil {
		b = append(b, rest...)
	} else {
		more = append(more, rest)
	}
	if !s.Set(b, c.link, l4, c.proto(), c.segment, more...) {
		t.Fatal("this is refused")
	}
}

// check cuts the super-segment and tests each frame and all of them together.
func (c *superCase) check(t *testing.T) {
	t.Helper()
	order := binary.BigEndian
	var pool link.Pool
	var s link.Super
	c.set(t, &s)
	head, l4 := c.headers()
	frames, sum := s.Frames(), s.Len()
	if want := (len(c.payload) + c.segment - 1) / c.segment; frames != want {
		t.Fatalf("%d frames, want %d", frames, want)
	}
	var payload []byte
	for i := range frames {
		if s.Frames() != frames-i || s.Payload() != len(c.payload)-len(payload) {
			t.Fatalf("behind %d frames there are %d, with %d bytes of payload", i, s.Frames(), s.Payload())
		}
		longest, before := s.Longest(), s.Len()
		f := s.Next(&pool)
		b := bytes.Clone(f.Bytes())
		if f.Len() != longest && i == 0 || f.Len() > longest || before-s.Len() != f.Len() {
			t.Fatalf("frame %d has %d bytes, the longest should have %d; %d of %d are left", i, f.Len(), longest, s.Len(), before)
		}
		sum -= f.Len()
		if f.Size.IP != len(b)-c.link || f.Size.Payload != len(b)-len(head) || f.Size.Wire != link.WireBytes(14+len(b)-c.link) {
			t.Fatalf("frame %d of %d bytes has the size %+v", i, len(b), f.Size)
		}
		f.Free()
		if !bytes.Equal(b[:c.link], head[:c.link]) {
			t.Fatal("the link header is another")
		}
		ip := b[c.link:]
		src, dst := c.addrs()
		if c.v6 {
			if n := int(order.Uint16(ip[4:])); n != len(ip)-40 {
				t.Fatalf("the IP header says %d bytes, and there are %d", n, len(ip)-40)
			}
		} else {
			if n := int(order.Uint16(ip[2:])); n != len(ip) {
				t.Fatalf("the IP header says %d bytes, and there are %d", n, len(ip))
			}
			if linktest.Checksum(ip[:20+8*c.ext]) != 0 {
				t.Fatalf("the IP header's checksum is wrong: %x", ip[:20])
			}
			id := uint16((superID + i) & 0xffff)
			if c.df {
				id = superID
			}
			if got := order.Uint16(ip[4:]); got != id {
				t.Fatalf("frame %d has the IP identification %x", i, got)
			}
		}
		seg := b[l4:]
		at := 16
		if c.udp {
			at = 6
			if n := int(order.Uint16(seg[4:])); n != len(seg) {
				t.Fatalf("the UDP header says %d bytes, and there are %d", n, len(seg))
			}
		} else {
			if seq := order.Uint32(seg[4:]); seq != superSeq+uint32(len(payload)) {
				t.Fatalf("frame %d has the sequence number %d", i, seq)
			}
			flags := c.flags
			if i > 0 {
				flags &^= 0x80
			}
			if i < frames-1 {
				flags &^= 0x09
			}
			if seg[13] != flags {
				t.Fatalf("frame %d of %d has the flags %x of %x", i, frames, seg[13], c.flags)
			}
		}
		if linktest.Checksum(append(linktest.PseudoHeader(src, dst, c.proto(), len(seg)), seg...)) != 0 || order.Uint16(seg[at:]) == linktest.NoChecksum(c.udp) {
			t.Fatalf("the checksum is wrong: %x", seg)
		}
		if n := len(b) - len(head); n != c.segment && i < frames-1 {
			t.Fatalf("frame %d of %d has %d bytes of payload", i, frames, n)
		}
		payload = append(payload, b[len(head):]...)
	}
	if !bytes.Equal(payload, c.payload) {
		t.Fatal("the payloads together are not the super-segment's")
	}
	if s.Frames() != 0 || s.Len() != 0 || sum != 0 || s.Next(&pool) != nil {
		t.Fatalf("behind the last one there are %d frames of %d bytes", s.Frames(), s.Len())
	}
}

func randomBytes(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestSuper(t *testing.T) {
	for name, c := range map[string]superCase{
		"tcp4":                   {link: 14, payload: randomBytes(10_000), segment: 1448, tcp: 3, flags: 0x99},
		"tcp6":                   {link: 14, payload: randomBytes(10_000), segment: 1428, tcp: 3, flags: 0x19, v6: true},
		"udp4":                   {link: 14, payload: randomBytes(10_000), segment: 1200, udp: true},
		"udp6":                   {link: 14, payload: randomBytes(10_000), segment: 1200, udp: true, v6: true},
		"no link header":         {payload: randomBytes(10_000), segment: 1448, flags: 0x18, df: true},
		"a VLAN":                 {link: 18, payload: randomBytes(3000), segment: 1448, flags: 0x18},
		"no rest":                {payload: randomBytes(3000), segment: 1000},
		"one":                    {payload: randomBytes(500), segment: 1000, flags: 0x18},
		"exactly one":            {payload: randomBytes(1000), segment: 1000, flags: 0x11},
		"byte by byte":           {payload: randomBytes(100), segment: 1},
		"as long as IP has it":   {payload: randomBytes(65535 - 40), segment: 1448},
		"IPv4 options":           {payload: randomBytes(3000), segment: 999, ext: 5, tcp: 10},
		"IPv6 extension":         {payload: randomBytes(3000), segment: 999, ext: 3, v6: true},
		"pieces":                 {payload: randomBytes(10_000), segment: 1448, tcp: 3, pieces: []int{0, 1, 1447, 1449, 0, 5000}},
		"odd pieces":             {payload: randomBytes(10_000), segment: 1448, v6: true, pieces: []int{7, 333, 4095}},
		"the last piece is none": {payload: randomBytes(100), segment: 99, pieces: []int{50, 50}},
	} {
		t.Run(name, c.check)
	}
}

// A Super is used again, and what pieces are left over from before are not looked at.
func TestSuperAgain(t *testing.T) {
	var s link.Super
	var pool link.Pool
	long := superCase{payload: randomBytes(9000), segment: 1000, pieces: []int{1000, 1000, 1000, 1000}}
	long.set(t, &s)
	s.Next(&pool).Free()
	short := superCase{payload: []byte{1, 2, 3}, segment: 2}
	short.set(t, &s)
	if s.Frames() != 2 || s.Payload() != 3 {
		t.Errorf("%d frames, %d bytes", s.Frames(), s.Payload())
	}
	f := s.Next(&pool)
	if b := f.Bytes(); !bytes.Equal(b[len(b)-2:], []byte{1, 2}) {
		t.Errorf("%x", b)
	}
}

// What contradicts itself is refused, and gives no frame.
func TestSuperRefused(t *testing.T) {
	good := superCase{link: 14, payload: randomBytes(3000), segment: 1000}
	b, l4 := good.headers()
	b = append(b, good.payload...)
	six := superCase{link: 14, payload: randomBytes(3000), segment: 1000, v6: true}
	b6, l46 := six.headers()
	b6 = append(b6, six.payload...)
	with := func(b []byte, at int, x byte) []byte {
		b = bytes.Clone(b)
		b[at] = x
		return b
	}
	for name, c := range map[string]struct {
		b       []byte
		ip, l4  int
		proto   byte
		segment int
	}{
		"nothing":                    {nil, 0, 0, 6, 1000},
		"before the beginning":       {b, -1, l4, 6, 1000},
		"behind the end":             {b, len(b), len(b) + 20, 6, 1000},
		"cut in the IP header":       {b[:20], 14, l4, 6, 1000},
		"cut behind the IP header":   {b[:l4], 14, l4, 6, 1000},
		"cut in the TCP header":      {b[:l4+19], 14, l4, 6, 1000},
		"no payload":                 {b[:l4+20], 14, l4, 6, 1000},
		"pieces of nothing":          {b, 14, l4, 6, 0},
		"pieces of less":             {b, 14, l4, 6, -1},
		"IPv4 header too short":      {with(b, 14, 0x44), 14, l4 - 4, 6, 1000},
		"IPv4 header ends earlier":   {b, 14, l4 + 4, 6, 1000},
		"IPv6 header too short":      {b6, 14, l46 - 1, 6, 1000},
		"IPv6 header behind the end": {b6, 14, len(b6), 6, 1000},
		"neither IPv4 nor IPv6":      {with(b, 14, 0x55), 14, l4, 6, 1000},
		"ICMP":                       {b, 14, l4, 1, 1000},
		"short TCP header":           {with(b, l4+12, 0x40), 14, l4, 6, 1000},
		"TCP header behind the end":  {with(b[:l4+24], l4+12, 0x70), 14, l4, 6, 1000},
		"UDP header behind the end":  {b[:l4+7], 14, l4, 17, 1000},
		"a link header too long":     {append(make([]byte, 100), b...), 114, l4 + 100, 6, 1000},
		"one byte more than IP has":  {append(bytes.Clone(b), make([]byte, 65536-3040)...), 14, l4, 6, 1000},
	} {
		var s link.Super
		if s.Set(c.b, c.ip, c.l4, c.proto, c.segment) {
			t.Errorf("%s is not refused", name)
		}
		if s.Frames() != 0 || s.Len() != 0 || s.Next(new(link.Pool)) != nil {
			t.Errorf("%s gives frames", name)
		}
	}
}

// FuzzSuper tests that every super-segment that a stack could make is cut right.
func FuzzSuper(f *testing.F) {
	f.Add(false, false, false, 0, 3, byte(0x99), randomBytes(5000), 1448, 100, 4000)
	f.Add(true, false, true, 1, 0, byte(0), randomBytes(500), 7, 0, 0)
	f.Add(false, true, false, 0, 0, byte(0), randomBytes(3000), 1200, 1, 1)
	f.Fuzz(func(t *testing.T, v6, udp, df bool, ext, tcp int, flags byte, payload []byte, segment, first, second int) {
		c := superCase{link: 14, v6: v6, udp: udp, df: df, ext: ext & 3, tcp: tcp & 7, flags: flags, payload: payload,
			segment: 1 + segment&0x3fff, pieces: []int{first & 0xfff, second & 0xfff}}
		if len(payload) > 60_000 || len(payload) == 0 {
			return
		}
		c.check(t)
	})
}

// FuzzSuperSet tests that whatever is given is refused, or cut into frames that have each
// byte of the payload once.
func FuzzSuperSet(f *testing.F) {
	c := superCase{payload: randomBytes(100), segment: 30, tcp: 3}
	b, l4 := c.headers()
	f.Add(append(b, c.payload...), 0, l4, byte(6), 30, randomBytes(10))
	f.Fuzz(func(t *testing.T, b []byte, ip, l4 int, proto byte, segment int, more []byte) {
		var s link.Super
		if !s.Set(b, ip, l4, proto, segment, more) {
			return
		}
		var pool link.Pool
		frames, left, head := s.Frames(), s.Payload(), s.Longest()-min(s.Segment, s.Payload())
		all := append(bytes.Clone(b), more...)[head:]
		for range frames {
			f := s.Next(&pool)
			n := f.Len() - head
			if !bytes.Equal(f.Bytes()[head:], all[:n]) {
				t.Fatal("the payload is another")
			}
			all = all[n:]
			left -= n
			f.Free()
		}
		if left != 0 || len(all) != 0 || s.Next(&pool) != nil {
			t.Errorf("%d bytes are left", left)
		}
	})
}

// A checksum that comes out as 0 is written as -0 with UDP, and as 0 with TCP.
func TestCompleteSum(t *testing.T) {
	src, dst := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2")
	complete := func(payload []byte) (want, got []byte) {
		want = linktest.UDP(src, dst, payload)
		got = bytes.Clone(want)
		binary.BigEndian.PutUint16(got[26:], ^linktest.Checksum(linktest.PseudoHeader(want[12:16], want[16:20], 17, len(want)-20)))
		link.CompleteSum(got, 20, 26)
		return want, got
	}
	if want, got := complete(randomBytes(501)); !bytes.Equal(got, want) {
		t.Errorf("%x\n%x", got, want)
	}
	want, _ := complete([]byte{0, 0})
	// With its own checksum for payload the sum becomes 0xffff.
	want, got := complete(want[26:28])
	if !bytes.Equal(got, want) || got[26] != 0xff || got[27] != 0xff {
		t.Errorf("%x\n%x", got, want)
	}
	tcp := []byte{16: 0xff, 17: 0xff, 19: 0}
	if link.CompleteSum(tcp, 0, 16); !bytes.Equal(tcp, make([]byte, 20)) {
		t.Errorf("%x", tcp)
	}
}

// BenchmarkSuper cuts a super-segment of 64 KiB into frames of 1514 bytes.
func BenchmarkSuper(b *testing.B) {
	c := superCase{link: 14, payload: randomBytes(45 * 1448), segment: 1448, tcp: 3}
	head, l4 := c.headers()
	b.ReportAllocs()
	b.SetBytes(int64(len(c.payload)))
	var pool link.Pool
	var s link.Super
	for b.Loop() {
		s.Set(head, 14, l4, pacer.ProtoTCP, c.segment, c.payload)
		for f := s.Next(&pool); f != nil; f = s.Next(&pool) {
			f.Free()
		}
	}
}
