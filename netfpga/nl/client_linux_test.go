package nl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestDialNobody(t *testing.T) {
	linktest.Namespace(t)
	open := descriptors(t)
	_, err := Dial(Address{})
	if !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), "no card is served there") {
		t.Errorf("%v", err)
	}
	const none = 30 // no protocol of any kernel
	_, err = Dial(Address{Protocol: none})
	if !errors.Is(err, unix.EPROTONOSUPPORT) || !strings.Contains(err.Error(), "nf2.ko") {
		t.Errorf("%v", err)
	}
	if n := descriptors(t); n != open {
		t.Errorf("%d files are open, were %d", n, open)
	}
}

// No message of ours goes to a part of the kernel that would take it for one of its own.
func TestForeignProtocols(t *testing.T) {
	for _, protocol := range []int{-1, unix.NETLINK_SOCK_DIAG, unix.NETLINK_XFRM, unix.NETLINK_GENERIC, unix.NETLINK_CRYPTO, 22, 32} {
		for _, port := range []uint32{0, 5} {
			if _, err := Dial(Address{Protocol: protocol, Port: port}); err == nil || !strings.Contains(err.Error(), "none of ours") {
				t.Errorf("client of protocol %d: %v", protocol, err)
			}
			config := Config{Address: Address{Protocol: protocol, Port: port}}
			if _, err := Listen(clock.NewVirtual(), nil, &config); err == nil || !strings.Contains(err.Error(), "none of ours") {
				t.Errorf("server of protocol %d: %v", protocol, err)
			}
		}
	}
}

// To a module of the kernel a message goes alone.
func TestOneMessageADatagram(t *testing.T) {
	r := newCard(t)
	c := r.dial()
	defer c.Close()
	c.most = aloneLen
	if err := r.while(func() error { return c.Stream(background, Window{}, packets(250, 0, 8)) }); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == 250 })
	r.expect(250)
	if s := r.server.Stats(); s.Datagrams < 254 { // and Dial's
		t.Errorf("%d datagrams for 254 messages", s.Datagrams)
	}
}

// A client whose server goes away while it waits is told so.
func TestServerGone(t *testing.T) {
	r := newCard(t)
	r.wire.full = true
	c := r.dial()
	defer c.Close()
	done := make(chan error, 1)
	go func() { done <- c.Stream(background, Window{}, packets(100_000, 0, 1000)) }()
	r.until(r.stuck)
	r.server.Close()
	if err := <-done; !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

// Waiting ends with the context, for a mark and for room.
func TestCancel(t *testing.T) {
	r := newCard(t)
	r.wire.full = true
	for _, x := range []struct {
		name  string
		call  func(context.Context, *Client) error
		stuck func() bool
		want  string
	}{
		{"mark", func(ctx context.Context, c *Client) error {
			return c.Stream(ctx, Window{}, packets(100_000, 0, 1000))
		}, r.stuck, "nl: wait for netlink protocol 2, port id 1852191331 to copy the packets: context canceled"},
		{"room", func(ctx context.Context, c *Client) error {
			l := list(packets(1000, 0, 1000))
			for {
				if err := c.Send(ctx, l); err != nil {
					return err
				}
			}
		}, r.crammed, "nl: wait for room in netlink protocol 2, port id 1852191331: context canceled"},
	} {
		c := r.dial()
		ctx, cancel := context.WithCancel(background)
		done := make(chan error, 1)
		go func() { done <- x.call(ctx, c) }()
		r.until(x.stuck)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || err.Error() != x.want {
			t.Errorf("%s: %v", x.name, err)
		}
		c.Close()
	}
	r.wire.open()
	c := r.dial()
	defer c.Close()
	over, cancel := context.WithCancel(background)
	cancel()
	if err := c.Send(over, list(packets(1, 0, 0))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What a client cannot send it does not send.
func TestSendRefuses(t *testing.T) {
	r := newCard(t)
	c := r.dial()
	defer c.Close()
	l := list(packets(3, 0, 1000))
	l[1].Payload = -1
	err := c.Send(background, l)
	if err == nil || !strings.Contains(err.Error(), "payload") {
		t.Errorf("%v", err)
	}
	if err := c.Delays(background, make([]time.Duration, 5000)); err == nil {
		t.Error("a list too long for a message was sent")
	}
	r.until(func() bool { return len(r.wire.left) == 1 })
	r.expect(1)
}

// Absolute departures count from the date in SIM_START, and DELAYS are added to relative
// ones, for one sender alone.
func TestStartAndDelays(t *testing.T) {
	r := newCard(t)
	c, other := r.dial(), r.dial()
	defer c.Close()
	defer other.Close()
	l := list(packets(7, 500, 80))
	err := r.while(func() error {
		return errors.Join(
			c.Start(background, time.Unix(0, 1_000_000)),
			c.Delays(background, []time.Duration{8000, 16000, 800}),
			c.Send(background, l[:6]),
			c.Delays(background, nil),
			c.Send(background, l[6:]),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == 7 })
	want := int64(1_000_500)
	for i, gap := range []int64{0, 8080, 16080, 880, 8080, 16080, 80} {
		want += gap
		tick := (want + 7) / 8 * 8
		if i == 6 {
			tick = int64(r.wire.left[5].at) + 672 // the line is busy until then
		}
		if got := int64(r.wire.left[i].at); got != tick {
			t.Errorf("packet %d left at %d, want %d", i, got, tick)
		}
	}
	r.wire.left = nil
	if err := other.Send(background, list(packets(2, 2_000_000, 8000))); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == 2 })
	if a, b := r.wire.left[0].at, r.wire.left[1].at; a != 2_000_000 || b != 2_008_000 {
		t.Errorf("the other sender's packets left at %v and %v", a, b)
	}
}

// Times that no clock has are refused, each with a reason.
func TestTimesBeyond(t *testing.T) {
	r := newCard(t)
	c := r.dial()
	defer c.Close()
	far := list(packets(2, 1<<62, 1<<62))
	far[0].Departure = 1<<63 - 1
	err := r.while(func() error {
		if err := errors.Join(
			c.Start(background, time.Unix(maxSeconds, 0)),
			c.Delays(background, []time.Duration{1<<63 - 1}),
		); err != nil {
			return err
		}
		for i := range far {
			err := c.Send(background, far[i:i+1])
			if err == nil {
				_, err = mark(c)
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != Invalid || !strings.Contains(e.Text, "beyond the end of time") {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if len(r.wire.left) != 0 {
		t.Errorf("%d packets left", len(r.wire.left))
	}
}

// A client gives its packets to the server alone, and takes answers from nobody else.
func TestForeignAnswers(t *testing.T) {
	r := newCard(t)
	r.wire.full = true
	c := r.dial()
	defer c.Close()
	if err := r.while(func() error {
		for range 30 { // buffers are copied while there is quota
			if err := c.Send(background, []netfpga.Description{list(packets(1, 0, 0))[0]}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seq, err := c.Mark(background)
	if err != nil {
		t.Fatal(err)
	}
	forger := r.raw()
	if err := forger.send(Append(nil, Header{Type: MarkHit, Seq: seq, Port: DefaultPort}, nil), c.sock.port, true); err != nil {
		t.Fatal(err)
	}
	if err := c.receive(true); err != nil {
		t.Fatal(err)
	}
	if _, waits := c.marks[seq]; !waits {
		t.Error("a forged MARK_HIT was believed")
	}
	r.wire.open()
	if err := r.while(func() error { return c.Wait(background, seq) }); err != nil {
		t.Error(err)
	}
}
