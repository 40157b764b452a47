package nl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer/clock"
)

var background = context.Background()

// Every packet of a stream leaves at its tick, and every burst has its mark.
func TestStream(t *testing.T) {
	r := newCard(t)
	c := r.dial()
	defer c.Close()
	const n, gap = 2050, 13560
	if err := r.while(func() error { return c.Stream(background, Window{}, packets(n, 1e6, gap)) }); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == n })
	r.expect(n)
	for i, d := range r.wire.left {
		if want := clock.Time(1e6 + i*gap); d.at != want {
			t.Fatalf("packet %d left at %v, want %v", i, d.at, want)
		}
	}
	s := r.server.Stats()
	if s.Packets != n || s.Marks != 21 || s.Hits != 21 || s.Messages != n+22 || s.Refused+s.Lost+s.Gone != 0 {
		t.Errorf("%+v", s)
	}
	if s.Datagrams > 23 { // two more ask whether it is there
		t.Errorf("%d datagrams for 21 bursts", s.Datagrams)
	}
}

// Over netlink packets leave when they would leave if they were injected in the card's own
// process, also if they are late: what was relative is relative to the card.
func TestAsInjected(t *testing.T) {
	for _, policy := range []pktgen.Policy{pktgen.CatchUp, pktgen.Rebase, pktgen.Drop, pktgen.Faithful} {
		t.Run(policy.String(), func(t *testing.T) {
			config := &netfpga.Config{Late: pktgen.Late{Policy: policy}}
			r := newCardWith(t, config)
			var own wire
			card, err := netfpga.New(r.clk, &own, config)
			if err != nil {
				t.Fatal(err)
			}
			card.Attach(&host{})
			defer card.Close()

			l := list(packets(30, 80_000, 80_000))
			sender := card.NewSender(netfpga.SenderConfig{})
			r.wire.full, own.full = true, true
			for i := range l {
				if err := sender.Inject(&l[i]); err != nil {
					t.Fatal(err)
				}
			}
			r.end = 0
			c := r.dial()
			defer c.Close()
			if err := c.Send(background, l); err != nil {
				t.Fatal(err)
			}
			r.until(func() bool { return r.server.Stats().Packets == uint64(len(l)) })
			r.clk.RunUntil(800_004)
			own.open()
			r.wire.open()
			r.clk.RunUntil(10_000_000)
			if len(own.left) == 0 || !slices.Equal(own.left, r.wire.left) {
				t.Errorf("left\n%v, and in the card's own process\n%v", r.wire.left, own.left)
			}
		})
	}
}

// A packet names its Ethernet port.
func TestPorts(t *testing.T) {
	var second wire
	r := newCardWith(t, &netfpga.Config{Below: []link.Device{&second}})
	c := r.dial()
	defer c.Close()
	err := r.while(func() error {
		l := list(packets(3, 1000, 1000))
		l[1].Port, l[2].Port = 1, 2
		err := c.Send(background, l)
		if err == nil {
			_, err = mark(c)
		}
		var e *Error
		if !errors.As(err, &e) || e.Seq != 4 || !strings.Contains(e.Text, "no port 2") {
			t.Errorf("%v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == 1 && len(second.left) == 1 })
	if second.left[0].number != 1 || second.left[0].at != 2000 {
		t.Errorf("port 1: %v", second.left)
	}
}

// A card whose interface is always busy has room for what comes over netlink too.
func TestBusyCard(t *testing.T) {
	r := newCard(t)
	r.host.greedy = true
	r.host.Ready()
	c := r.dial()
	defer c.Close()
	if err := r.while(func() error { return c.Stream(background, Window{}, packets(1000, 0, 0)) }); err != nil {
		t.Fatal(err)
	}
	r.host.greedy = false
	if s := r.server.Stats(); s.Stalls == 0 {
		t.Errorf("the card was not busy: %+v", s)
	}
}

// What is wrong with a packet is told to its sender, and no other packet suffers.
func TestRefusedPacket(t *testing.T) {
	r := newCard(t)
	c := r.dial()
	defer c.Close()
	err := r.while(func() error {
		l := list(packets(3, 1000, 1000))
		l[1].Payload = 9000
		var e *Error
		err := c.Send(background, l)
		if err == nil {
			_, err = mark(c)
		}
		if !errors.As(err, &e) || e.Code != Invalid || e.Type != Packet || e.Seq != 3 || !strings.Contains(e.Text, "MTU") {
			t.Errorf("error %v", err)
		}
		_, err = mark(c)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	r.until(func() bool { return len(r.wire.left) == 2 })
	// The gap counts from the packet before that was taken.
	if a, b := r.wire.left[0], r.wire.left[1]; a.at != 1000 || b.at != 2000 || b.number != 2 {
		t.Errorf("left: %v, %v", a, b)
	}
}

// Messages are answered also when nothing is wrong, where that is asked for.
func TestAck(t *testing.T) {
	r := newCard(t)
	s := r.raw()
	p := describe(100, "")
	b, _ := AppendPacket(nil, Header{Seq: 1, Flags: Request | Ack}, &p)
	b = AppendSimStart(b, Header{Seq: 2, Flags: Ack}, time.Unix(0, 0))
	b = Append(b, Header{Type: Mark, Seq: 3, Flags: Ack}, nil)
	b = Append(b, Header{Type: Mark, Seq: 4}, nil)
	if err := s.send(b, DefaultPort, true); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return r.server.Stats().Hits == 2 })
	all, acks := r.answers(s)
	if len(all) != 5 || len(acks) != 3 {
		t.Fatalf("answers %+v", all)
	}
	for i, e := range acks {
		if e.Code != OK || e.Seq != uint32(i+1) {
			t.Errorf("answer %d: %v", i, e)
		}
	}
}

// Two senders with the same numbers are each told of their own marks.
func TestTwoSenders(t *testing.T) {
	r := newCard(t)
	a, b := r.dial(), r.dial()
	defer a.Close()
	defer b.Close()
	const n, m = 4000, 1000
	err := r.while(func() error {
		done := make(chan error, 2)
		go func() { done <- a.Stream(background, Window{Burst: 10, Bursts: 5}, packets(n, 0, 1000)) }()
		go func() { done <- b.Stream(background, Window{Burst: 1, Bursts: 3}, packets(m, 0, 4000)) }()
		return errors.Join(<-done, <-done)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == n+m })
	if s := r.server.Stats(); s.Hits != n/10+m || s.Packets != n+m {
		t.Errorf("%+v", s)
	}
	// Each counts its gaps from its own packet before.
	count := make(map[uint64]int)
	for _, d := range r.wire.left {
		count[d.number]++
	}
	for i := range uint64(n) {
		want := 1
		if i < m {
			want = 2
		}
		if count[i] != want {
			t.Fatalf("packet %d left %d times, want %d", i, count[i], want)
		}
	}
}

// A card that is full makes the senders wait, and nothing is lost.
func TestBackPressure(t *testing.T) {
	r := newCard(t)
	r.wire.full = true
	a, b := r.dial(), r.dial()
	defer a.Close()
	defer b.Close()
	const n = 20_000
	done := make(chan error, 2)
	send := func(c *Client) {
		var err error
		for _, d := range list(packets(n, 0, 1000)) {
			if err = c.Send(background, []netfpga.Description{d}); err != nil {
				break
			}
		}
		done <- err
	}
	go send(a)
	go send(b)
	r.until(r.crammed)
	if len(done) != 0 {
		t.Error("a sender did not have to wait")
	}
	if n := len(r.arrived().requests); n > maxWaiting+1 { // the first datagram has two
		t.Errorf("%d messages wait", n)
	}
	r.wire.open()
	if err := r.while(func() error { return errors.Join(<-done, <-done) }); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == 2*n })
	if s := r.server.Stats(); s.Packets != 2*n || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// A mark is told once, also to one that has no room for the answer when it is reached; and
// nobody may have more than so many.
func TestUnreadMarks(t *testing.T) {
	r := newCard(t)
	s := r.raw()
	setBuffer(t, s)
	for seq := range uint32(maxMarks + 10) {
		if err := s.send(Append(nil, Header{Type: Mark, Seq: seq}, nil), DefaultPort, true); err != nil {
			t.Fatal(err)
		}
	}
	r.until(func() bool { return r.server.Stats().Refused > 0 })
	r.until(func() bool { return r.server.peers[s.port].waiting() == maxMarks })
	told := make(map[uint32]int)
	for len(told) < maxMarks {
		all, refused := r.answers(s)
		for _, h := range all {
			told[h.Seq]++
		}
		if len(refused) > 0 {
			t.Errorf("told of %v, for which there was no room", refused[0])
		}
		if len(told) < maxMarks {
			r.clk.RunUntil(r.clk.Now().Add(lookAfter))
		}
	}
	for seq := range uint32(maxMarks) {
		if told[seq] != 1 {
			t.Errorf("mark %d was told %d times", seq, told[seq])
		}
	}
	if st := r.server.Stats(); st.Hits != uint64(len(told)) || st.Lost != st.Refused {
		t.Errorf("%+v", st)
	}
}

// A port id has one server, and is free again when that is closed.
func TestDuplicatePort(t *testing.T) {
	r := newCard(t)
	open := descriptors(t)
	_, err := Listen(r.clk, r.card, nil)
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "give this one another") {
		t.Errorf("a second server: %v", err)
	}
	second, err := Listen(r.clk, r.card, &Config{Address: Address{Port: DefaultPort + 1}})
	if err != nil {
		t.Fatal(err)
	}
	if second.Address() != (Address{Usersock, DefaultPort + 1}) {
		t.Errorf("at %v", second.Address())
	}
	for range 2 {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := descriptors(t); n != open {
		t.Errorf("%d files are open, were %d", n, open)
	}
	again, err := Listen(r.clk, r.card, &Config{Address: second.Address()})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// The card is in the order of things above the server: when its interface is down, senders
// are told.
func TestCardClosed(t *testing.T) {
	r := newCard(t)
	c := r.dial()
	defer c.Close()
	if err := r.while(func() error { return c.Stream(background, Window{}, packets(10, 0, 1000)) }); err != nil {
		t.Fatal(err)
	}
	r.card.Close()
	err := r.while(func() error { return c.Stream(background, Window{}, packets(10, 0, 1000)) })
	var e *Error
	if !errors.As(err, &e) || e.Code != Down {
		t.Errorf("%v", err)
	}
}

// In real time, with the clock's goroutine another than the test's.
func TestReal(t *testing.T) {
	linktest.Namespace(t)
	clk := clock.NewReal()
	defer clk.Close()
	null := &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Address: make([]byte, 6)}}
	card, err := netfpga.New(clk, null, nil)
	if err != nil {
		t.Fatal(err)
	}
	clk.Do(func() { card.Attach(&host{}) })
	server, err := Listen(clk, card, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer clk.Do(func() { server.Close(); card.Close() })
	c, err := Dial(server.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 5000
	first := clock.Time(time.Now().Add(time.Millisecond).UnixNano())
	if err := c.Stream(background, Window{}, packets(n, first, 2*time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	clk.Do(func() {
		if s := server.Stats(); s.Packets != n || s.Refused+s.Lost != 0 {
			t.Errorf("%+v", s)
		}
	})
}
