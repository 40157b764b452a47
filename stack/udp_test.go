package stack

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
)

// pacedWorld is a world with a Hold above near's end of a wire.
func pacedWorld(t testing.TB) (w *World, near, far *Host, h *hold.Hold) {
	t.Helper()
	w = NewWorld(1)
	a, b := wire.New(w.Clock(), &wire.Config{Rate: 1e9}, &wire.Config{Rate: 1e9})
	h = hold.New(a, w.Clock(), nil)
	addrs := func(last string) []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix("10.0.0." + last + "/24"), netip.MustParsePrefix("fd00::" + last + "/64")}
	}
	near, err := w.NewHost(Config{Device: h, Addrs: addrs("1")})
	if err != nil {
		t.Fatal(err)
	}
	far, err = w.NewHost(Config{Device: b, Addrs: addrs("2")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, near, far, h
}

func TestUDPWriterIsHeldBackByDepartures(t *testing.T) {
	for _, remote := range []string{"10.0.0.2:9", "[fd00::2]:9"} {
		w, near, far, hold := pacedWorld(t)
		sink, err := far.ListenPacket("udp", ":9")
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		w.Go(func() {
			b := make([]byte, 2000)
			for {
				if _, _, err := sink.ReadFrom(b); err != nil {
					return
				}
				got++
			}
		})
		err = w.Run(func() {
			c, err := near.Dial("udp", remote)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			// # 1000 bytes at 8 Mbit/s: one datagram each ms
			rate, _ := pacer.NewRate(8e6, pacer.Payload)
			if err := near.Pace(c, nil, rate); err != nil {
				t.Error(err)
			}
			most := 0
			start := near.Now()
			for range 2000 {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					t.Error(err)
					return
				}
				most = max(most, hold.Waiting())
			}
			// # the writer had to wait: it is ahead by no more than its send buffer
			if d := near.Now().Sub(start); d < 1500*time.Millisecond {
				t.Errorf("2000 datagrams at 1 a ms were written within %v", d)
			}
			if most > 500 {
				t.Errorf("%d datagrams waited at once", most)
			}
			w.Sleep(time.Second)
		})
		if err != nil || got != 2000 {
			t.Errorf("%s: %d of 2000 datagrams arrived, %v", remote, got, err)
		}
	}
}

// How far a writer is ahead follows the rate of a schedule: from the first datagram on, and
// where a step is slower or faster than the one before.
func TestUDPWriterFollowsTheSchedule(t *testing.T) {
	w, near, far, _ := pacedWorld(t)
	if _, err := far.ListenPacket("udp", ":9"); err != nil {
		t.Fatal(err)
	}
	schedule, err := pacer.NewSchedule([]pacer.Step{
		{BitsPerSecond: 0},
		{At: 10 * time.Millisecond, BitsPerSecond: 8e6},
		{At: 300 * time.Millisecond, BitsPerSecond: 1.6e6},
		{At: 600 * time.Millisecond, BitsPerSecond: 40e6},
	}, 0, pacer.Payload)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Run(func() {
		c, err := near.Dial("udp", "10.0.0.2:9")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if err := near.Pace(c, nil, schedule); err != nil {
			t.Error(err)
			return
		}
		var most [3]int64
		start := near.Now()
		for {
			if _, err := c.Write(make([]byte, 200)); err != nil {
				t.Error(err)
				return
			}
			now := near.Now().Sub(start)
			step := now / (300 * time.Millisecond)
			if step > 2 {
				break
			}
			// # what a step finds there leaves first, and its last datagram is paid for in the next
			if in := now % (300 * time.Millisecond); (step == 0 || in > 30*time.Millisecond) && in < 290*time.Millisecond {
				o, _ := c.(*UDPConn).Outgoing(nil)
				most[step] = max(most[step], o.Waiting.Packets)
			}
		}
		// # 5 ms of each rate
		if want := [3]int64{25, 5, 125}; most != want {
			t.Errorf("in the steps %v datagrams waited at the most, want %v", most, want)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUDPWriteDeadlineAndWouldBlock(t *testing.T) {
	w, near, far, _ := pacedWorld(t)
	if _, err := far.ListenPacket("udp", ":9"); err != nil {
		t.Fatal(err)
	}
	c, err := near.Dial("udp", "10.0.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	rate, _ := pacer.NewRate(1000, pacer.Payload)
	near.Pace(c, nil, rate)
	// # without a process: datagrams are taken until the buffer is full
	for i := 0; ; i++ {
		_, err := c.Write(make([]byte, 1000))
		if errors.Is(err, ErrWouldBlock) && i > 1 {
			break
		}
		if err != nil || i > 10000 {
			t.Fatalf("datagram %d: %v", i, err)
		}
	}
	// # with one: the write waits for its deadline
	err = w.Run(func() {
		c.SetWriteDeadline(near.Now().Add(time.Second))
		for range 3 { // 8 s each leave one by one
			if _, err = c.Write(make([]byte, 1000)); err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestErrorsAreThoseOfPackageNet(t *testing.T) {
	w, near, far, _ := pacedWorld(t)
	err := w.Run(func() {
		if _, err := near.Dial("tcp", "10.0.0.2:1"); err == nil || !isRefused(err) {
			t.Errorf("dial a closed port: %v", err)
		}
		for _, address := range []string{"far:80", "10.0.0.2", "10.0.0.2:http", ":80", "[fd00::2%eth0]:99999"} {
			if _, err := near.Dial("tcp", address); err == nil {
				t.Errorf("dial %q: no error", address)
			}
		}
		if _, err := near.Dial("tcp4", "[fd00::2]:80"); err == nil {
			t.Error("dial an IPv6 address by tcp4: no error")
		}
		if _, err := near.Dial("sctp", "10.0.0.2:80"); err == nil {
			t.Error("dial sctp: no error")
		}
		l, err := far.Listen("tcp", ":80")
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := far.Listen("tcp", ":80"); err == nil {
			t.Error("listen twice: no error")
		}
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" && op.Err.Error() == "connection refused"
}

func TestEchoIsAnswered(t *testing.T) {
	w := NewWorld(1)
	defer w.Close()
	a, b := newCable(w.Clock(), 1500)
	if _, err := w.NewHost(Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}); err != nil {
		t.Fatal(err)
	}
	var answers collector
	a.Attach(&answers)
	// an ICMP echo request (RFC 792) from 10.0.0.1, with its checksums
	request := []byte{
		0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0x66, 0xde, 10, 0, 0, 1, 10, 0, 0, 2,
		8, 0, 0xf6, 0xfe, 0, 1, 1, 0,
	}
	f := link.NewFrame(len(request))
	copy(f.Bytes(), request)
	a.Transmit([]*link.Frame{f})
	w.RunFor(time.Millisecond)
	if len(answers) != 1 || answers[0][20] != 0 || answers[0][9] != 1 {
		t.Errorf("answers: % x", answers)
	}
}

type collector [][]byte

func (c *collector) Receive(frames []*link.Frame) {
	for _, f := range frames {
		*c = append(*c, append([]byte(nil), f.Bytes()...))
		f.Free()
	}
}
func (*collector) Ready() {}

// A datagram is stamped when it arrives, on the host's clock, and not when it is read.
func TestUDPReadStamped(t *testing.T) {
	w, near, far, _ := pacedWorld(t)
	sink, err := far.ListenPacket("udp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	err = w.Run(func() {
		c, err := near.Dial("udp", "10.0.0.2:9")
		if err != nil {
			t.Error(err)
			return
		}
		c.Write([]byte("the neighbour is found"))
		sink.ReadFrom(make([]byte, 100))
		var sent []time.Time
		for range 3 {
			w.Sleep(time.Millisecond)
			sent = append(sent, near.Now())
			c.Write(make([]byte, 1000))
		}
		w.Sleep(time.Second)
		var late time.Duration
		for i := range sent {
			n, from, at, err := sink.(*UDPConn).ReadStamped(make([]byte, 2000))
			d := at.Sub(sent[i])
			if err != nil || n != 1000 || from.String() != c.LocalAddr().String() || d <= 0 || d > 50*time.Microsecond || late != 0 && d != late {
				t.Errorf("%d bytes from %v, %v after they were sent: %v", n, from, d, err)
			}
			late = d
		}
	})
	if err != nil {
		t.Error(err)
	}
}
