package netfpga_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Received frames go straight up, or by the card: then each is a transfer over the bus,
// behind those in front of it.
func TestReceiveRoutes(t *testing.T) {
	arrivals := []int{1514, 60, 60}
	for _, c := range []struct {
		what   string
		config netfpga.Config
		want   string
	}{
		{"direct", netfpga.Config{PCI: pci.Measured()}, "[100000 100000 100000]"},
		{"by the card", netfpga.Config{Receive: netfpga.ByCard}, "[100000 100000 100000]"},
		// 28 us and 11,469 or 455 ns.
		{"by the card, measured bus", netfpga.Config{Receive: netfpga.ByCard, PCI: pci.Measured()}, "[139470 167925 196380]"},
	} {
		clk, dev := clock.NewVirtual(), newBelow()
		steps := 0
		c.config.Trace = func(s driver.Step) {
			if s.Kind == driver.DMARxComplete && s.At >= 100_000 {
				steps++
			}
		}
		card := newCard(t, clk, dev, &c.config)
		var up linktest.Collector
		up.Clock = clk
		card.Attach(&up)
		clk.RunUntil(100_000)
		var frames []*link.Frame
		for i, n := range arrivals {
			f := frame(n, 0)
			f.Bytes()[0] = byte(i)
			frames = append(frames, f)
		}
		dev.handler.Receive(frames)
		run(clk)
		var at []int64
		for i, r := range up.Records {
			at = append(at, int64(r.At))
			if want := append([]byte{byte(i)}, make([]byte, arrivals[i]-1)...); !bytes.Equal(r.Bytes, want) {
				t.Errorf("%s: frame %d came up as %x", c.what, i, r.Bytes)
			}
		}
		if fmt.Sprint(at) != c.want {
			t.Errorf("%s: came up at %d, want %s", c.what, at, c.want)
		}
		s := card.Counters()
		if s.Received.Frames != 3 || s.Received.Bytes != 1634 || s.Received.Dropped() != 0 {
			t.Errorf("%s: %+v", c.what, s.Received)
		}
		if want := int64(steps); s.Get("driver_received") != want || c.config.Receive == netfpga.ByCard && want != 3 {
			t.Errorf("%s: %d transfers, the driver received %d", c.what, want, s.Get("driver_received"))
		}
	}
}

// What comes by the card shares the bus with what is sent: they take turns.
func TestReceiveSharesTheBus(t *testing.T) {
	for _, c := range []struct {
		every    clock.Time // one is received; 0 means none
		sent, up int
	}{
		{0, 2138, 0}, {100_000, 1293, 1000}, {20_000, 1159, 1159},
	} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &netfpga.Config{Receive: netfpga.ByCard, PCI: pci.Measured()})
		s := newFeed(card, schedule(10_000, 1514, 0, 1))
		s.pump()
		for at := clock.Time(0); at < 100_000_000; at += 20_000 {
			clk.RunUntil(at)
			if c.every > 0 && at%c.every == 0 {
				dev.handler.Receive([]*link.Frame{frame(1514, 0)})
			}
		}
		if len(dev.sent) != c.sent || s.received != c.up {
			t.Errorf("one received every %d ns: in 100 ms %d sent and %d received, want %d and %d", c.every, len(dev.sent), s.received, c.sent, c.up)
		}
		card.Close()
	}
}

// The card holds 256 received frames; what comes on top is dropped and counted.
func TestReceiveQueueIsBounded(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{Receive: netfpga.ByCard, PCI: pci.Measured()})
	var up linktest.Null
	card.Attach(&up)
	clk.RunUntil(1_000_000)
	for range 300 {
		dev.handler.Receive([]*link.Frame{frame(60, 0)})
	}
	dev.handler.Receive([]*link.Frame{link.NewFrame(1600)})
	run(clk)
	s := card.Counters()
	if up.Frames != 256 || s.Received.Frames != 256 || s.Received.Drops[link.QueueFull] != 44 || s.Received.Drops[link.TooLong] != 1 {
		t.Errorf("%d came up; %+v", up.Frames, s.Received)
	}
}

// Close drops what waits on the card, also while the bus is at it.
func TestCloseDropsReceived(t *testing.T) {
	clk := clock.NewVirtual()
	a, b := newBelow(), newBelow()
	card := newCardOf(t, clk, netfpga.Config{Receive: netfpga.ByCard, PCI: pci.Measured()}, a, b)
	var up [2]linktest.Null
	card.Port(0).Attach(&up[0])
	card.Port(1).Attach(&up[1])
	clk.RunUntil(1_000_000)
	for range 10 {
		a.handler.Receive([]*link.Frame{frame(60, 0)})
		b.handler.Receive([]*link.Frame{frame(60, 0)})
	}
	card.Port(0).Close() // its first frame is on the bus
	a.handler.Receive([]*link.Frame{frame(60, 0)})
	clk.RunUntil(1_100_000)
	card.Port(1).Close()
	run(clk)
	s, o := card.Port(0).Counters().Received, card.Port(1).Counters().Received
	if up[0].Frames != 0 || s.Drops[link.Closed] != 11 || up[1].Frames != 2 || o.Drops[link.Closed] != 8 {
		t.Errorf("%d and %d came up; %+v, %+v", up[0].Frames, up[1].Frames, s, o)
	}
}

// closer closes the card with the first frame that it receives.
type closer struct {
	linktest.Null
	card *netfpga.Card
}

func (c *closer) Receive(frames []*link.Frame) {
	c.Null.Receive(frames)
	c.card.Close()
}

func TestCloseFromReceive(t *testing.T) {
	for _, cost := range []pci.Cost{{}, pci.Measured()} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &netfpga.Config{Receive: netfpga.ByCard, PCI: cost})
		up := &closer{card: card}
		card.Attach(up)
		clk.RunUntil(1_000_000)
		dev.handler.Receive([]*link.Frame{frame(60, 0), frame(60, 0), frame(60, 0)})
		run(clk)
		if s := card.Counters().Received; up.Frames != 1 || s.Frames != 1 || s.Drops[link.Closed] != 2 || dev.closed != 1 {
			t.Errorf("%d came up; %+v", up.Frames, s)
		}
	}
}
