package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
	"github.com/netcaliper/caliper/stack/cc"
)

// arrivals notes when frames arrive.
type arrivals struct {
	clk   clock.Clock
	times []time.Duration
}

func (a *arrivals) Receive(frames []*link.Frame) {
	for _, f := range frames {
		a.times = append(a.times, a.clk.Now().Sub(0))
		f.Free()
	}
}

func (*arrivals) Ready() {}

// TestDirection sends frames of 1000 bytes, 1024 byte times on the wire, one way and back.
func TestDirection(t *testing.T) {
	const (
		at1G   = 8192 * time.Nanosecond
		at100M = 10 * at1G
	)
	there := Direction{Rate: 100e6, Line: 1e9, Delay: 3 * time.Millisecond, Queue: 1}
	late := Direction{Rate: 1e9, Delay: time.Millisecond, Faults: link.Faults{Reorder: 1}, Late: 7 * time.Millisecond}
	c := Config{
		Hosts: []HostConfig{{Name: "a", Kind: Bare}, {Name: "b", Kind: Bare}},
		Links: []LinkConfig{{Ends: [2]string{"a", "b"}, Direction: there, Back: &late}},
	}
	bed := open(t, c)
	var at [2]arrivals
	for i, h := range bed.Hosts() {
		at[i].clk = bed.Clock()
		h.Top.Attach(&at[i])
	}
	for _, h := range bed.Hosts() {
		frames := 1
		if h.Name == "a" {
			frames = 4
		}
		for range frames {
			h.Top.Transmit([]*link.Frame{link.NewFrame(1000)})
		}
	}
	bed.RunFor(time.Second)
	// The queue has room for one: those that come while it waits are dropped.
	for i, want := range []string{
		fmt.Sprint([]time.Duration{at1G + time.Millisecond + 7*time.Millisecond}),
		fmt.Sprint([]time.Duration{at1G + at100M + 3*time.Millisecond, at1G + 2*at100M + 3*time.Millisecond}),
	} {
		if got := fmt.Sprint(at[i].times); got != want {
			t.Errorf("at %s frames arrived at %s, want %s", bed.Hosts()[i].Name, got, want)
		}
	}
	if d := link.Dropped(bed.Host("a").Top); d[link.QueueFull] != 2 {
		t.Errorf("dropped: %v", d)
	}
}

// TestNoQuestions sends one datagram: nobody has to ask for addresses first.
func TestNoQuestions(t *testing.T) {
	b := open(t, pair())
	got := echo(t, b, "10.0.0.2:7", []byte("hello"))
	if r := b.Host("near").Departures().Report(); string(got) != "hello" || r.Packets != 1 {
		t.Errorf("%q came back of %d packets", got, r.Packets)
	}
}

// echo sends a datagram from near to an address of far, where one listens that sends it back.
func echo(t *testing.T, b *Testbed, to string, payload []byte) (got []byte) {
	t.Helper()
	err := b.Run(func() {
		l, err := b.Host("far").ListenPacket("udp", to)
		if err != nil {
			t.Error(err)
			return
		}
		b.Go(func() {
			buf := make([]byte, 2000)
			n, from, err := l.ReadFrom(buf)
			if err == nil {
				l.WriteTo(buf[:n], from)
			}
		})
		c, err := b.Host("near").Dial("udp", to)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(payload)
		c.SetReadDeadline(b.Host("near").Now().Add(time.Second))
		buf := make([]byte, 2000)
		n, _ := c.Read(buf)
		got = buf[:n]
	})
	if err != nil {
		t.Error(err)
	}
	return got
}

// TestGateway sends to another network by way of a gateway.
func TestGateway(t *testing.T) {
	c := pair()
	c.Hosts[0].Gateways = []netip.Addr{netip.MustParseAddr("10.0.0.2")}
	c.Hosts[1].Addrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("10.1.0.1/24")}
	if got := echo(t, open(t, c), "10.1.0.1:7", []byte("far away")); string(got) != "far away" {
		t.Errorf("%q came back", got)
	}
}

// TestFaithful sends a datagram of which a faithful card's bus carries all, or only the
// beginning: then it arrives damaged, and is none.
func TestFaithful(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 100)
	for _, full := range []bool{true, false} {
		c := pair()
		c.Hosts[0].Card = &CardConfig{Kind: Faithful, Firmware: "pktgen", FullPayload: full}
		if got := echo(t, open(t, c), "10.0.0.2:7", payload); bytes.Equal(got, payload) != full {
			t.Errorf("full payload %t: %d bytes came back", full, len(got))
		}
	}
}

// TestTCPConfig has connections use what the Config says.
func TestTCPConfig(t *testing.T) {
	sent := make(map[time.Duration]uint64)
	for _, rto := range []time.Duration{10 * time.Millisecond, 200 * time.Millisecond} {
		c := pair()
		c.Hosts[0].Congestion, c.Hosts[0].Policy, c.Hosts[0].MinRTO = "reno", "rate:50M", rto
		c.Hosts[0].Card = &CardConfig{Profile: "netfpga-10g"}
		c.Links[0].Steps = []RateStep{{10 * time.Millisecond, 1}} // nothing arrives any more
		b := open(t, c)
		if speed := b.Host("near").Card.Info().Speed; speed != 10e9 {
			t.Errorf("the card has %d bit/s", speed)
		}
		if _, err := b.Host("far").Listen("tcp", ":80"); err != nil {
			t.Fatal(err)
		}
		err := b.Run(func() {
			dialled, err := b.Host("near").Dial("tcp", "10.0.0.2:80")
			if err != nil {
				t.Error(err)
				return
			}
			conn := dialled.(*stack.TCPConn)
			b.Sleep(20 * time.Millisecond)
			conn.Write([]byte("x"))
			if name, rate := cc.Name(conn.Congestion()), conn.Feedback().Rate; name != "reno" || rate != 50e6 {
				t.Errorf("%s at %d bit/s", name, rate)
			}
			b.Sleep(time.Second)
			conn.Abort()
		})
		if err != nil {
			t.Fatal(err)
		}
		sent[rto] = b.Host("near").Departures().Report().Packets
	}
	if sent[10*time.Millisecond] < sent[200*time.Millisecond]+3 {
		t.Errorf("packets sent by minimum timeout: %v", sent)
	}
}

// TestReserve has flows that ask for one instant given one place after the other.
func TestReserve(t *testing.T) {
	for _, reserve := range []bool{false, true} {
		c := pair()
		c.Hosts[0].Hold.Reserve = reserve
		b := open(t, c)
		err := b.Run(func() {
			remote := "10.0.0.2:9"
			for range 2 {
				c, err := b.Host("near").Dial("udp", remote)
				if err != nil {
					t.Error(err)
					return
				}
				if err := b.Host("near").Pace(c, c.RemoteAddr(), &pacer.Rate{BitsPerSecond: 100e6, Line: 1e9}); err != nil {
					t.Error(err)
				}
				for range 10 {
					c.Write(make([]byte, 1000))
				}
			}
			b.Sleep(time.Second)
		})
		r := b.Host("near").Departures().Report()
		if err != nil || r.Packets != 20 || r.Moved.Max > 0 != reserve {
			t.Errorf("reserve %t: %d packets, moved %+v: %v", reserve, r.Packets, r.Moved, err)
		}
	}
}

// TestCaptureFails tells which capture went wrong.
func TestCaptureFails(t *testing.T) {
	c := pair()
	c.Hosts[0].Capture, c.Hosts[1].Capture = "/dev/full", "/dev/full"
	b := open(t, c)
	if len(b.captures) != 1 {
		t.Errorf("%d files", len(b.captures))
	}
	b.Run(func() { transfer(t, b, "near", "far", 100_000, nil) })
	for range 2 {
		err := b.Close()
		var capture *CaptureError
		if !errors.As(err, &capture) || capture.File != "/dev/full" || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		}
	}
}
