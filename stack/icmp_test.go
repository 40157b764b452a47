package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
)

// spy is a device that shows what a host sends, and lets anything arrive.
type spy struct {
	link.Device
	above link.Handler
	sent  [][]byte // the last TCP segments with data, or UDP packets
	acked uint32   // by what arrives
	most  int      // payload of a segment
}

func (s *spy) Attach(h link.Handler) { s.above = h; s.Device.Attach(s) }
func (s *spy) Ready()                { s.above.Ready() }

func (s *spy) Receive(frames []*link.Frame) {
	for _, f := range frames {
		if seg, ok := pacer.ParseSegment(f.Bytes()); ok {
			s.acked = uint32(seg.Ack)
		}
	}
	s.above.Receive(frames)
}

func (s *spy) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		if f.Size.Payload > 0 {
			s.sent = append(s.sent, append([]byte(nil), f.Bytes()...))
			s.most = max(s.most, f.Size.Payload)
		}
	}
	s.sent = s.sent[max(0, len(s.sent)-8):]
	return s.Device.Transmit(frames)
}

func (s *spy) arrive(b []byte) { s.above.Receive([]*link.Frame{linktest.FrameOf(b)}) }

// icmpError returns an ICMP error of a router about a packet, to who sent it.
func icmpError(kind, code byte, mtu uint32, quoted []byte) []byte {
	if quoted[0]>>4 == 4 {
		b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 0, 254, 0, 0, 0, 0, kind, code, 0, 0}
		copy(b[16:20], quoted[12:16])
		b = binary.BigEndian.AppendUint32(b, mtu)
		b = append(b, quoted[:min(len(quoted), 28)]...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[22:], ^link.Fold(link.Sum(0, b[20:])))
		binary.BigEndian.PutUint16(b[10:], ^link.Fold(link.Sum(0, b[:20])))
		return b
	}
	b := make([]byte, 44, 1280)
	b[0], b[6], b[7], b[40], b[41] = 0x60, 58, 255, kind, code
	b[8], b[23] = 0xfd, 0xfe
	copy(b[24:40], quoted[8:24])
	b = binary.BigEndian.AppendUint32(b, mtu)
	b = append(b, quoted[:min(len(quoted), 1280-48)]...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	sum := link.Sum(uint64(58+len(b)-40), b[8:40])
	binary.BigEndian.PutUint16(b[42:], ^link.Fold(link.Sum(sum, b[40:])))
	return b
}

// upperOf is where TCP or UDP begins.
func upperOf(ip []byte) int {
	if ip[0]>>4 == 4 {
		return 20
	}
	return 40
}

func tooBig(mtu uint32, quoted []byte) []byte {
	if quoted[0]>>4 == 4 {
		return icmpError(3, 4, mtu, quoted)
	}
	return icmpError(2, 0, mtu, quoted)
}

// changed returns a copy of a packet that was changed.
func changed(b []byte, change func(b []byte)) []byte {
	b = append([]byte(nil), b...)
	change(b)
	return b
}

// TestForgedICMP has somebody who cannot see a flow send ICMP errors about it while it runs:
// its segments stay as they are, and all is counted.
func TestForgedICMP(t *testing.T) {
	needsLayout(t)
	for _, far := range []string{"10.0.0.2:80", "[fd00::2]:80"} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(far, seed), func(t *testing.T) { testForgedICMP(t, far, seed) })
		}
	}
}

func testForgedICMP(t *testing.T, far string, seed uint64) {
	w, host, spy := spied(t, seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	err := w.Run(func() {
		c, err := host.Dial("tcp", far)
		if err != nil {
			t.Error(err)
			return
		}
		w.Go(func() {
			for err := error(nil); err == nil; {
				_, err = c.Write(make([]byte, 1<<16))
			}
		})
		w.Sleep(50 * time.Millisecond)
		before := c.(*TCPConn).Feedback().MSS
		forged := uint64(0)
		try := func(b []byte) {
			forged++
			spy.arrive(b)
			w.Sleep(time.Duration(rng.IntN(1e6)))
			if got := host.Counters().Received.Drops[link.Forged]; got != forged {
				t.Fatalf("%d forged messages were dropped, want %d: the last one got through: % x", got, forged, b)
			}
		}
		for range 30 {
			last := spy.sent[len(spy.sent)-1]
			at := upperOf(last)
			mtu := []uint32{0, 1, 68, 296, 552, 1000, 1280, 1400}[rng.IntN(8)]
			sequence := func(seq uint32) []byte {
				return changed(last, func(b []byte) { binary.BigEndian.PutUint32(b[at+4:], seq) })
			}
			// # another sequence number: any, one acknowledged before, one not sent yet
			seq := binary.BigEndian.Uint32(last[at+4:])
			try(tooBig(mtu, sequence(seq+1<<24+rng.Uint32N(1<<31))))
			try(tooBig(mtu, sequence(spy.acked-1-rng.Uint32N(1<<20))))
			try(tooBig(mtu, sequence(seq+1<<22)))
			// # another port, address or protocol
			try(tooBig(mtu, changed(last, func(b []byte) { b[at+1]++ })))
			try(tooBig(mtu, changed(last, func(b []byte) { b[at+3]++ })))
			try(tooBig(mtu, changed(last, func(b []byte) { b[at-1]++ })))
			if at == 20 {
				try(tooBig(mtu, changed(last, func(b []byte) { b[9] = 17 })))
			}
			// # what is quoted is too short
			if at == 20 {
				try(tooBig(mtu, last[:at+4]))
				try(tooBig(mtu, last[:8]))
			}
			// # the packet was not that large
			try(tooBig(1500, last))
			// # other errors about what is not in flight
			for code := range byte(16) {
				if at == 20 && code != 4 {
					try(icmpError(3, code, 0, sequence(seq+1<<25)))
				} else if at == 40 {
					try(icmpError(1, code, 0, sequence(seq+1<<25)))
				}
			}
			if at == 20 {
				// # in fragments, with the right number
				try(changed(tooBig(mtu, last), func(b []byte) { b[6] = 0x20; fix(b) }))
				try(changed(tooBig(mtu, last), func(b []byte) { b[7] = 1; fix(b) }))
			} else {
				// # less than IPv6 has, with the right number
				try(tooBig(min(mtu, 1279), last))
				// # in a fragment, and behind more headers than anybody looks at
				try(extended(tooBig(mtu, last), 44, 1))
				try(extended(tooBig(mtu, last), 60, 9))
			}
		}
		if after := c.(*TCPConn).Feedback().MSS; after != before || before < 1400 {
			t.Errorf("the MSS went from %d to %d", before, after)
		}
		// # with the right number: never below what every path has
		if last := spy.sent[len(spy.sent)-1]; upperOf(last) == 20 {
			spy.arrive(tooBig(uint32(rng.IntN(100)), last))
			w.Sleep(10 * time.Millisecond)
			if after := c.(*TCPConn).Feedback().MSS; after != 552-52 {
				t.Errorf("the MSS is %d, want %d", after, 552-52)
			}
		}
		c.(*TCPConn).Abort()
	})
	if err != nil {
		t.Error(err)
	}
}

func fix(b []byte) {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], ^link.Fold(link.Sum(0, b[:20])))
}

// extended puts n extension headers of 8 bytes into an IPv6 packet.
func extended(b []byte, kind byte, n int) []byte {
	next := b[6]
	header := []byte{next, 0, 0, 1, 0, 0, 0, 0}
	if kind == 60 {
		header[2], header[3] = 1, 4 // PadN
	}
	for range n {
		header[0] = b[6]
		b = append(b[:40:40], append(header, b[40:]...)...)
		b[6] = kind
	}
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

// spied is a world of two hosts with a wire of 100 Mbit/s; the far one takes all that comes.
func spied(t *testing.T, seed uint64) (*World, *Host, *spy) {
	t.Helper()
	w := NewWorld(seed)
	a, b := wire.New(w.Clock(), &wire.Config{Rate: 1e8, Delay: time.Millisecond}, &wire.Config{Rate: 1e8, Delay: time.Millisecond})
	s := &spy{Device: a}
	near, err := w.NewHost(Config{Device: s, Addrs: hostAddrs(1)})
	if err != nil {
		t.Fatal(err)
	}
	far, err := w.NewHost(Config{Device: b, Addrs: hostAddrs(2)})
	if err != nil {
		t.Fatal(err)
	}
	sink(t, w, far)
	t.Cleanup(func() { w.Close() })
	return w, near, s
}

func hostAddrs(n int) []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", n)), netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", n))}
}

// sink has h take all that comes to TCP and UDP port 80, and tells how much it was.
func sink(t *testing.T, w *World, h *Host) (bytes *int64) {
	t.Helper()
	l, err := h.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	u, err := h.ListenPacket("udp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	bytes = new(int64)
	w.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.Go(func() {
				for b := make([]byte, 1<<16); ; {
					n, err := c.Read(b)
					*bytes += int64(n)
					if err != nil {
						return
					}
				}
			})
		}
	})
	w.Go(func() {
		for b := make([]byte, 1<<16); ; {
			n, _, err := u.ReadFrom(b)
			*bytes += int64(n)
			if err != nil {
				return
			}
		}
	})
	return bytes
}

// TestForgedICMPDoesNotRefuse has a dial and a UDP socket told that nobody is there, by who
// does not know them.
func TestForgedICMPDoesNotRefuse(t *testing.T) {
	w, host, spy := spied(t, 1)
	err := w.Run(func() {
		c, err := host.Dial("udp", "10.0.0.2:80")
		if err != nil {
			t.Error(err)
			return
		}
		c.Write([]byte("hello"))
		w.Sleep(1)
		last := spy.sent[len(spy.sent)-1]
		spy.arrive(icmpError(3, 3, 0, changed(last, func(b []byte) { b[23]++ })))
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		spy.arrive(icmpError(3, 3, 0, last)) // # and by who does
		if _, err := c.Write([]byte("hello")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("write: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestUDPKnowsThePath has a router say that datagrams do not fit.
func TestUDPKnowsThePath(t *testing.T) {
	for remote, headers := range map[string]int{"10.0.0.2:80": 28, "[fd00::2]:80": 48} {
		w, host, spy := spied(t, 1)
		err := w.Run(func() {
			c, err := host.Dial("udp", remote)
			if err != nil {
				t.Error(err)
				return
			}
			packets, err := host.ListenPacket("udp", ":9")
			if err != nil {
				t.Error(err)
				return
			}
			writes := func(size int, want error) {
				t.Helper()
				_, err := c.Write(make([]byte, size))
				_, err2 := packets.WriteTo(make([]byte, size), c.RemoteAddr())
				if !errors.Is(err, want) || !errors.Is(err2, want) {
					t.Errorf("%s: a datagram of %d: %v, %v; want %v", remote, size, err, err2, want)
				}
				w.Sleep(time.Millisecond)
			}
			writes(1500-headers, nil)
			spy.arrive(tooBig(1400, spy.sent[len(spy.sent)-1]))
			writes(1400-headers+1, syscall.EMSGSIZE)
			writes(1400-headers, nil)
			// # more than the interface takes is sent in fragments, which only IPv4's routers cut
			if headers == 28 {
				writes(4000, nil)
				writes(1400-headers, nil)
			} else {
				writes(4000, syscall.EMSGSIZE)
			}
			// # a smaller one on the same path counts, a larger one does not
			spy.arrive(tooBig(1300, spy.sent[len(spy.sent)-1]))
			spy.arrive(tooBig(1450, spy.sent[len(spy.sent)-1]))
			writes(1300-headers+1, syscall.EMSGSIZE)
			writes(1300-headers, nil)
			// # after ten minutes it is tried again
			w.Sleep(10*time.Minute - time.Second)
			writes(1500-headers, syscall.EMSGSIZE)
			w.Sleep(2 * time.Second)
			writes(1500-headers, nil)
			// # forged: for another port, too small
			forged := host.Counters().Received.Drops[link.Forged]
			last := spy.sent[len(spy.sent)-1]
			spy.arrive(tooBig(1300, changed(last, func(b []byte) { b[upperOf(b)+1]++ })))
			if forged++; remote[0] == '[' {
				spy.arrive(tooBig(1200, last))
				forged++
			}
			if got := host.Counters().Received.Drops[link.Forged]; got != forged {
				t.Errorf("%d were dropped, want %d", got, forged)
			}
			writes(1500-headers, nil)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestPeerThatTakesBytes has a peer that says it takes segments of a byte (RFC 879).
func TestPeerThatTakesBytes(t *testing.T) {
	needsLayout(t)
	for _, mss := range []uint16{0, 1, 8, 100, 536, 1460} {
		w := NewWorld(1)
		a, b := newCable(w.Clock(), 1500)
		s := &spy{Device: a}
		host, err := w.NewHost(Config{Device: s, Addrs: hostAddrs(1)})
		if err != nil {
			t.Fatal(err)
		}
		answers := &linktest.Collector{Clock: w.Clock()}
		b.Attach(answers)
		l, err := host.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		w.Go(func() {
			c, err := l.Accept()
			if err == nil {
				c.Write(make([]byte, 1<<16))
			}
		})
		syn := tcpSegment(1000, 0, 2, []byte{2, 4, byte(mss >> 8), byte(mss)})
		s.arrive(syn)
		w.RunFor(time.Millisecond)
		if len(s.sent) > 0 {
			t.Fatal("data before the handshake")
		}
		var isn uint32
		for _, f := range answers.Records {
			if seg, ok := pacer.ParseSegment(f.Bytes); ok {
				isn = uint32(seg.Seq)
			}
		}
		s.arrive(tcpSegment(1001, isn+1, 16, nil))
		w.RunFor(time.Millisecond)
		want := max(int(mss)-4, 200)
		if mss == 0 {
			want = 0 // the option is not one
		}
		if s.most < want || s.most > max(int(mss), 536) {
			t.Errorf("MSS %d: segments of %d bytes", mss, s.most)
		}
		w.Close()
	}
}

// tcpSegment is a TCP segment without data from 10.0.0.2:1000 to 10.0.0.1:80.
func tcpSegment(seq, ack uint32, flags byte, options []byte) []byte {
	b := make([]byte, 40, 60)
	b[0], b[8], b[9] = 0x45, 64, 6
	copy(b[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1})
	binary.BigEndian.PutUint16(b[20:], 1000)
	binary.BigEndian.PutUint16(b[22:], 80)
	binary.BigEndian.PutUint32(b[24:], seq)
	binary.BigEndian.PutUint32(b[28:], ack)
	b[32], b[33] = byte(5+len(options)/4)<<4, flags
	b[34], b[35] = 0xff, 0xff
	b = append(b, options...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	fix(b)
	sum := link.Sum(uint64(6+len(b)-20), b[12:20])
	binary.BigEndian.PutUint16(b[36:], ^link.Fold(link.Sum(sum, b[20:])))
	return b
}
