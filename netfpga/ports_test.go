package netfpga_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// newCardOf returns a card with a port above each device.
func newCardOf(t testing.TB, clk clock.Clock, cfg netfpga.Config, devs ...*below) *netfpga.Card {
	for _, dev := range devs[1:] {
		cfg.Below = append(cfg.Below, dev)
	}
	return newCard(t, clk, devs[0], &cfg)
}

func TestPortNames(t *testing.T) {
	clk := clock.NewVirtual()
	devs := []*below{newBelow(), newBelow(), newBelow(), newBelow()}
	for n, want := range []string{"[nf2c0 nf2c1 nf2c2 nf2c3]", "[nf2c4 nf2c5 nf2c6 nf2c7]"} {
		card := newCardOf(t, clk, netfpga.Config{Number: n}, devs...)
		var names []string
		for p := range 4 {
			names = append(names, card.Port(p).Info().Name)
		}
		if fmt.Sprint(names) != want || card.Info().Name != names[0] {
			t.Errorf("card %d: %v, want %s", n, names, want)
		}
		if card.Port(4) != nil || card.Port(-1) != nil {
			t.Error("there is a port 4 or -1")
		}
	}
	card := newCardOf(t, clk, netfpga.Config{Name: "eth", Number: 2}, devs[:2]...)
	if a, b := card.Port(0).Info().Name, card.Port(1).Info().Name; a != "eth" || b != "nf2c9" {
		t.Errorf("named %s and %s", a, b)
	}
	if _, err := netfpga.New(clk, devs[0], &netfpga.Config{Below: []link.Device{devs[0], devs[1], devs[2], devs[3]}}); err == nil {
		t.Error("a card with five ports")
	}
}

// Four ports at line rate do not disturb each other, through interfaces and a sender, on
// each of two cards.
func TestPortsAtLineRate(t *testing.T) {
	clk := clock.NewVirtual()
	const n = 2000
	for k := range 2 {
		devs := []*below{newBelow(), newBelow(), newBelow(), newBelow()}
		card := newCardOf(t, clk, netfpga.Config{Number: k}, devs...)
		sender := card.NewSender(netfpga.SenderConfig{})
		begin := clk.Now().Add(time.Millisecond)
		due := func(p, i int) clock.Time { return begin + clock.Time(8*p+i*672) }
		for i := range n {
			for p := range devs {
				clk.RunUntil(due(p, i) - 5000)
				if p == 3 {
					d := describe(64, 672, false)
					d.Port = p
					if i == 0 {
						d.Departure, d.Absolute = due(p, 0), true
					}
					if err := sender.Inject(d); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if taken, err := card.Port(p).Transmit([]*link.Frame{frame(60, due(p, i))}); taken != 1 {
					t.Fatal(err)
				}
			}
		}
		run(clk)
		for p, dev := range devs {
			for i, at := range dev.sent {
				if at != due(p, i) {
					t.Fatalf("port %d: frame %d left at %v, want %v", p, i, at, due(p, i))
				}
			}
			s := card.Port(p).Counters()
			if len(dev.sent) != n || s.Sent.Frames != n || late(s) != 0 {
				t.Errorf("port %d: %+v", p, s)
			}
		}
		if s := card.Counters(); s.Sent.Frames != 4*n || s.Get("injected") != n || s.Get("pktgen_packets") != 4*n {
			t.Errorf("%+v", s)
		}
	}
}

// Ports that feed the card as fast as it takes frames send at line rate both, but for the
// beginning: the first to come fills all buffers.
func TestPortsTakeTurns(t *testing.T) {
	clk := clock.NewVirtual()
	a, b := newBelow(), newBelow()
	card := newCardOf(t, clk, netfpga.Config{}, a, b)
	for p := range 2 {
		newFeed(card.Port(p), schedule(3000, 1514, 0, 1)).pump()
	}
	clk.RunUntil(2000 * 12304)
	if n, m := len(a.sent), len(b.sent); n != 2001 || m < 2001-32 {
		t.Errorf("%d and %d frames left in the time of 2000", n, m)
	}
	card.Close()
}

// One interface that is closed leaves the others alone. With the last the card is down.
func TestClosePort(t *testing.T) {
	clk := clock.NewVirtual()
	a, b := newBelow(), newBelow()
	card := newCardOf(t, clk, netfpga.Config{}, a, b)
	fa := newFeed(card.Port(0), schedule(10, 1514, 13560, 1))
	fb := newFeed(card.Port(1), schedule(10, 1514, 13560, 1))
	fa.pump()
	fb.pump()
	s := card.NewSender(netfpga.SenderConfig{})
	if err := s.Inject(describe(64, 0, false)); err != nil {
		t.Fatal(err)
	}
	clk.RunUntil(3*13560 - 1)
	for range 2 {
		if err := card.Port(0).Close(); err != nil {
			t.Error(err)
		}
	}
	if st := card.Port(0).Counters(); len(a.sent) != 3 || st.Sent.Drops[link.Closed] != 8 || fa.told != 10 || a.closed != 1 {
		t.Errorf("%d left, %d told, %+v", len(a.sent), fa.told, st)
	}
	if err := s.Inject(describe(64, 0, false)); err == nil {
		t.Error("a packet for the closed port was taken")
	}
	run(clk)
	if st := card.Port(1).Counters(); len(b.sent) != 10 || st.Sent.Dropped() != 0 || fb.told != 10 || b.closed != 0 || len(a.sent) != 3 {
		t.Errorf("%d and %d left, %+v", len(a.sent), len(b.sent), st)
	}
	card.Close()
	if b.closed != 1 || a.closed != 1 {
		t.Errorf("closed %d and %d times", a.closed, b.closed)
	}
}

// Frames for the same flow on two ports keep to theirs.
func TestInjectNamesPort(t *testing.T) {
	clk := clock.NewVirtual()
	a, b := newBelow(), newBelow()
	card := newCardOf(t, clk, netfpga.Config{}, a, b)
	s := card.NewSender(netfpga.SenderConfig{})
	for i := range 10 {
		d := describe(64, 1000, false)
		d.Port = i % 2
		d.Dst = netip.AddrPortFrom(d.Dst.Addr(), uint16(i))
		if err := s.Inject(d); err != nil {
			t.Fatal(err)
		}
	}
	for p, dev := range []*below{a, b} {
		dev.onFrame = func(f *link.Frame) {
			if f.Flow.Proto != pacer.ProtoUDP || int(f.Flow.DstPort)%2 != p || f.Sent != clock.At(clock.Time(f.Flow.DstPort+1)*1000) {
				t.Errorf("port %d: %v at %v", p, f.Flow, f.Sent)
			}
		}
	}
	run(clk)
	if len(a.sent) != 5 || len(b.sent) != 5 {
		t.Errorf("%d and %d left", len(a.sent), len(b.sent))
	}
}
