package stack

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// hostile is a device whose other side sends what a script says. What the host sends it looks
// at, so that the script can answer: the latest packets with TCP, and the latest of any kind.
type hostile struct {
	link.Bottom
	linktest.Null
	clk      *clock.Virtual
	above    link.Handler
	segments [4][]byte
	sent     int    // segments
	latest   []byte // packet
	arrived  int
}

func (d *hostile) Attach(h link.Handler) { d.above = h }

func (d *hostile) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		b := append([]byte(nil), f.Bytes()...)
		f.Left(d.clk.Now())
		if len(d.Is.Address) > 0 {
			b = b[header.EthernetMinimumSize:]
		}
		d.latest = b
		if protocol, _ := upper(b); protocol == header.TCPProtocolNumber {
			d.segments[d.sent%len(d.segments)] = b
			d.sent++
		}
	}
	return d.Null.Transmit(frames)
}

// upper returns which protocol the host's packet carries, and its header on.
func upper(b []byte) (tcpip.TransportProtocolNumber, []byte) {
	switch header.IPVersion(b) {
	case 4:
		ip := header.IPv4(b)
		return ip.TransportProtocol(), b[ip.HeaderLength():]
	case 6:
		return tcpip.TransportProtocolNumber(header.IPv6(b).NextHeader()), b[header.IPv6MinimumSize:]
	}
	return 0, nil
}

// arrive passes a packet up.
func (d *hostile) arrive(packet []byte) {
	if len(d.Is.Address) > 0 {
		kind := header.IPv4ProtocolNumber
		if header.IPVersion(packet) == 6 {
			kind = header.IPv6ProtocolNumber
		}
		frame := make([]byte, header.EthernetMinimumSize, header.EthernetMinimumSize+len(packet))
		header.Ethernet(frame).Encode(&header.EthernetFields{SrcAddr: "\x02\x00\x00\x00\x00\x02", DstAddr: tcpip.LinkAddress(d.Is.Address), Type: kind})
		packet = append(frame, packet...)
	}
	d.raw(packet)
}

func (d *hostile) raw(b []byte) {
	if len(b) <= link.MaxFrame-link.HeadRoom {
		d.arrived++
		d.above.Receive([]*link.Frame{linktest.FrameOf(b)})
	}
}

// bytes are read from a script, zeros behind its end.
type script struct{ rest []byte }

func (s *script) byte() byte {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *script) bytes(n int) []byte {
	b := make([]byte, n)
	s.rest = s.rest[copy(b, s.rest):]
	return b
}

// ip puts an IP header from the far side before a payload, whose checksum is at so many bytes
// from its start, or nowhere if that is negative.
func ip(six bool, protocol tcpip.TransportProtocolNumber, payload []byte, at int) []byte {
	src, dst := tcpip.AddrFrom4([4]byte{10, 0, 0, 2}), tcpip.AddrFrom4([4]byte{10, 0, 0, 1})
	if six {
		src, dst = tcpip.AddrFrom16([16]byte{0xfd, 15: 2}), tcpip.AddrFrom16([16]byte{0xfd, 15: 1})
	}
	if at >= 0 && at+2 <= len(payload) {
		payload[at], payload[at+1] = 0, 0
		sum := header.PseudoHeaderChecksum(protocol, src, dst, uint16(len(payload)))
		if protocol == header.ICMPv4ProtocolNumber {
			sum = 0
		}
		sum = ^checksum.Checksum(payload, sum)
		payload[at], payload[at+1] = byte(sum>>8), byte(sum)
	}
	if six {
		b := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
		header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: uint16(len(payload)), TransportProtocol: protocol, HopLimit: 255, SrcAddr: src, DstAddr: dst})
		return append(b, payload...)
	}
	b := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
	header.IPv4(b).Encode(&header.IPv4Fields{TotalLength: uint16(len(b) + len(payload)), TTL: 255, Protocol: uint8(protocol), SrcAddr: src, DstAddr: dst})
	header.IPv4(b).SetChecksum(^header.IPv4(b).CalculateChecksum())
	return append(b, payload...)
}

// tcpHeader is a segment with room for a checksum at byte 16.
func tcpHeader(from, to uint16, seq, ack uint32, flags byte, window uint16, options, payload []byte) []byte {
	options = append(options, make([]byte, -len(options)&3)...)
	b := make([]byte, header.TCPMinimumSize, header.TCPMinimumSize+len(options)+len(payload))
	header.TCP(b).Encode(&header.TCPFields{SrcPort: from, DstPort: to, SeqNum: seq, AckNum: ack,
		DataOffset: uint8(len(b) + len(options)), Flags: header.TCPFlags(flags), WindowSize: window})
	return append(append(b, options...), payload...)
}

// act sends what the next bytes of the script say, and returns how long the script then waits.
func (d *hostile) act(s *script) time.Duration {
	op := s.byte()
	six := op&0x80 != 0
	switch op & 0x7f % 9 {
	case 0: // anything
		d.raw(s.bytes(int(s.byte())))
	case 1: // a packet of any protocol
		d.arrive(ip(six, tcpip.TransportProtocolNumber(s.byte()), s.bytes(int(s.byte())), -1))
	case 2: // a segment for one of the host's sockets, near to what that expects
		if d.sent == 0 {
			return 0
		}
		packet := d.segments[int(s.byte())%min(d.sent, len(d.segments))]
		_, t := upper(packet)
		last := header.TCP(t)
		seq := last.AckNumber() + uint32(int32(int8(s.byte()))<<(s.byte()%24))
		ack := last.SequenceNumber() + uint32(len(last.Payload())) + uint32(int8(s.byte()))
		if last.Flags()&(header.TCPFlagSyn|header.TCPFlagFin) != 0 {
			ack++
		}
		flags, window := s.byte(), uint16(s.byte())<<8
		d.arrive(ip(header.IPVersion(packet) == 6, header.TCPProtocolNumber,
			tcpHeader(last.DestinationPort(), last.SourcePort(), seq, ack, flags, window, s.bytes(int(s.byte())%41), s.bytes(8*int(s.byte())%1400)), 16))
	case 3: // a connection, or a segment of none
		d.arrive(ip(six, header.TCPProtocolNumber,
			tcpHeader(uint16(s.byte()), 80, uint32(s.byte())<<24, uint32(s.byte()), s.byte()|byte(header.TCPFlagSyn), 0xffff, s.bytes(int(s.byte())%41), nil), 16))
	case 4: // a datagram
		b := append([]byte{0, s.byte(), 0, 53, 0, 0, 0, 0}, s.bytes(4*int(s.byte()))...)
		b[4], b[5] = byte(len(b)>>8), byte(len(b))
		d.arrive(ip(six, header.UDPProtocolNumber, b, 6))
	case 5: // ICMP, about the packet that the host sent last
		protocol := header.ICMPv4ProtocolNumber
		if six {
			protocol = header.ICMPv6ProtocolNumber
		}
		b := append([]byte{s.byte(), s.byte(), 0, 0, s.byte(), s.byte(), s.byte(), s.byte()}, d.latest[:min(len(d.latest), int(s.byte()))]...)
		d.arrive(ip(six, protocol, b, 2))
	case 6: // the host's own packet, changed
		b := append([]byte(nil), d.latest...)
		if len(b) > 0 {
			b[int(s.byte())%len(b)] ^= s.byte()
			d.arrive(b)
		}
	case 7: // ARP
		frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, s.byte()}, s.bytes(20)...)
		d.raw(frame)
	case 8:
		return time.Microsecond << (s.byte() % 20)
	}
	return 0
}

// play has a host with sockets of all kinds meet a script, and checks what must hold whatever
// comes: all that arrived is counted, what the host sends, takes and allocates is bounded, and
// nothing of it is left behind. It returns what arrived and what was sent.
func play(t *testing.T, seed uint64, ethernet bool, text []byte) (counts [3]int) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := NewWorld(seed)
	d := &hostile{clk: w.Clock()}
	d.Is = link.Info{Name: "hostile", MTU: 1500}
	if ethernet {
		d.Is.Address = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	}
	h, err := w.NewHost(Config{Device: hold.New(d, w.Clock(), nil), Buffer: 1 << 20,
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	err = w.Run(func() {
		l, err := h.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		w.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				w.Go(func() {
					io.Copy(c, c)
					c.Close()
				})
			}
		})
		for _, network := range []string{"udp4", "udp6"} {
			u, err := h.ListenPacket(network, ":53")
			if err != nil {
				t.Fatal(err)
			}
			w.Go(func() {
				b := make([]byte, 2000)
				for {
					n, from, err := u.ReadFrom(b)
					if err != nil {
						return
					}
					u.WriteTo(b[:n], from)
				}
			})
		}
		for _, to := range []string{"10.0.0.2:9", "[fd00::2]:9"} {
			w.Go(func() {
				c, err := h.Dial("tcp", to)
				if err == nil {
					c.Write(make([]byte, 100_000))
					io.Copy(io.Discard, c)
					c.Close()
				}
			})
		}
		w.Sleep(time.Millisecond)
		for s := (&script{text}); len(s.rest) > 0; {
			if pause := d.act(s); pause > 0 {
				w.Sleep(pause)
			}
		}
		w.Sleep(5 * time.Second)
		h.Close()
	})
	if err != nil {
		t.Error(err)
	}
	if counted := h.Counters().Received.Frames + h.Counters().Received.Drops.Total(); counted != uint64(d.arrived) {
		t.Errorf("%d frames arrived, and %+v are counted", d.arrived, h.Counters().Received)
	}
	w.Close()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20+uint64(d.arrived)<<18 {
		t.Errorf("%d frames take %d MB", d.arrived, took>>20)
	}
	// Both connections that it opens, with 100 KB each, in segments of 536 bytes, sent again and
	// again for five seconds; and what a frame can ask for.
	if most := 1000 + 100*d.arrived; d.Frames > most {
		t.Errorf("it sends %d frames for %d", d.Frames, d.arrived)
	}
	return [3]int{d.arrived, d.Frames, d.Bytes}
}

// accept is a script that accepts the host's connections.
var accept = []byte{
	2, 0, 0, 0, 0, byte(header.TCPFlagSyn | header.TCPFlagAck), 0xff, 0, 0,
	2, 1, 0, 0, 0, byte(header.TCPFlagSyn | header.TCPFlagAck), 0xff, 0, 0,
}

// Scripts of random frames; what they ask for is the same each time.
func TestHostile(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := make([]byte, r.IntN(2000))
		for i := range text {
			if text[i] = byte(r.Uint32()); r.IntN(3) > 0 {
				text[i] = []byte{0, 1, 2, 8, 15, 16, 18, 20, 24, 64, 80, 128, 130, 255}[r.IntN(14)]
			}
		}
		if seed%4 < 2 {
			text = slices.Concat(accept, text)
		}
		ethernet := seed%2 == 0
		if a, b := play(t, seed, ethernet, text), play(t, seed, ethernet, text); a != b {
			t.Fatalf("seed %d: %+v, and then %+v", seed, a, b)
		}
	}
}

// FuzzHost plays scripts of hostile frames with a whole host.
func FuzzHost(f *testing.F) {
	f.Add(uint64(1), false, []byte{})
	f.Add(uint64(2), false, []byte{2, 0, 0, 0, 0, 0x12, 0xff, 0, 0, 2, 0, 0, 0, 0, 0x18, 0xff, 0, 100, 8, 19})
	f.Add(uint64(3), true, []byte{7, 1, 8, 10, 3, 5, 1, 0, 2, 0, 8, 15, 2, 0, 1, 0, 0, 0x10, 1, 0, 0})
	f.Add(uint64(4), false, []byte{5, 3, 4, 0, 0, 0, 68, 60, 0x85, 2, 0, 0, 0, 5, 0, 100, 4, 9, 20, 0x84, 9, 20})
	f.Add(uint64(5), true, []byte{0, 40, 0x45, 0, 0, 60, 6, 9, 1, 6, 20, 255, 1, 17, 9, 0x81, 58, 30, 135})
	f.Fuzz(func(t *testing.T, seed uint64, ethernet bool, text []byte) {
		if len(text) <= 2000 {
			play(t, seed, ethernet, text)
		}
	})
}
