package netfpga_test

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A card that costs nothing wants a frame 10 us ahead. Each transfer of the measured bus takes
// 40 us at the most, and the faithful card's program as long again.
func TestLead(t *testing.T) {
	for _, c := range []struct {
		cfg  netfpga.Config
		want time.Duration
	}{
		{netfpga.Config{}, 10 * time.Microsecond},
		{netfpga.Config{Profile: "100g"}, 10 * time.Microsecond},
		{netfpga.Config{PCI: pci.Cost{Transfer: time.Microsecond}}, 10 * time.Microsecond},
		{netfpga.Config{PCI: pci.Cost{Transfer: 2501}}, 20 * time.Microsecond},
		{netfpga.Config{PCI: pci.Measured()}, 170 * time.Microsecond},
		{netfpga.Config{Firmware: &netfpga.Firmware{}}, 200 * time.Microsecond},
	} {
		c.cfg.Below = []link.Device{newBelow()}
		card := newCard(t, clock.NewVirtual(), newBelow(), &c.cfg)
		for n := range 2 {
			if got := card.Port(n).Info(); got.Lead != c.want || got.Batch != 24 {
				t.Errorf("%+v, port %d: a lead of %v and batches of %d, want %v and 24", c.cfg, n, got.Lead, got.Batch, c.want)
			}
		}
	}
}

// A frame that is handed over its card's lead ahead is in time, whatever its length, with frames
// that arrive and others that leave by the bus.
func TestLeadIsEnough(t *testing.T) {
	for name, cfg := range map[string]*netfpga.Config{
		"native":   nil,
		"measured": {PCI: pci.Measured(), Receive: netfpga.ByCard},
		"faithful": {Firmware: &netfpga.Firmware{FullPayload: true}, Receive: netfpga.ByCard},
	} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, cfg)
		newFeed(card, func() *link.Frame { return nil })
		clk.RunUntil(clock.Time(time.Millisecond))
		lead := card.Info().Lead
		var want []clock.Time
		for i := range 300 {
			at := clock.Time(i+4) * 500_008
			clk.RunUntil(at.Add(-lead - time.Duration(i)*8))
			dev.handler.Receive([]*link.Frame{frame(60+4*i, 0)})
			clk.RunUntil(at.Add(-lead))
			f := frame(60+(i*97)%1455, at)
			for j := range f.Bytes() {
				f.Bytes()[j] = byte(i + j + 1)
			}
			f.Measure(link.EthernetHeader)
			if n, err := card.Transmit([]*link.Frame{f}); n != 1 {
				t.Fatal(err)
			}
			want = append(want, at)
		}
		run(clk)
		for i, at := range dev.sent {
			if at != want[i] {
				t.Errorf("%s: frame %d left at %v, want %v", name, i, at, want[i])
			}
		}
		if len(dev.sent) != len(want) {
			t.Errorf("%s: %d left", name, len(dev.sent))
		}
	}
}
