package netfpga_test

import (
	"net"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestDevice(t *testing.T) {
	for name, cfg := range map[string]*netfpga.Config{
		"default":  nil,
		"infinite": {Speed: netfpga.Infinite},
		"pci":      {PCI: pci.Measured()},
		"receive":  {Receive: netfpga.ByCard, PCI: pci.Measured()},
		"clock":    {ClockPPM: 100},
		"100g":     {Profile: "100g"},
		"faithful": {Firmware: &netfpga.Firmware{FullPayload: true}},
	} {
		t.Run(name, func(t *testing.T) {
			linktest.RunOver(t, func(clk *clock.Virtual, below link.Device) link.Device {
				return newCard(t, clk, below, cfg)
			})
		})
	}
}

// The same on Ethernet, with the card's counters, and in real time.
func TestDeviceReal(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Harness {
		clk := clock.NewReal()
		t.Cleanup(func() { clk.Close() })
		sink := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}})
		sink.Room, sink.Every = 20, 50*time.Microsecond
		card := newCard(t, clk, sink, &netfpga.Config{Receive: netfpga.ByCard})
		return linktest.Harness{
			Device: card, Clock: clk, Left: sink.Left, Arrive: sink.Arrive, Bottom: sink,
		}
	})
}

func TestNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	linktest.NoAllocs(t, clk, newCard(t, clk, &linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, nil))
}

func newCard(t testing.TB, clk clock.Clock, below link.Device, cfg *netfpga.Config) *netfpga.Card {
	t.Helper()
	card, err := netfpga.New(clk, below, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// late returns how many paced frames left after their tick, for any cause.
func late(c link.Counters) (n int64) {
	for _, cause := range []string{"host", "card", "line", "below", "clock", "policy"} {
		n += c.Get("late_" + cause)
	}
	return n
}
