package netfpga

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga/port"
	"github.com/netcaliper/caliper/pacer/clock"
)

// checkedLine compares what the card sends with what the driver was given of the frame that
// leaves, and the rest with zero.
type checkedLine struct {
	line
	t *testing.T
	n int
}

func (c *checkedLine) Leave(sent []byte, d *port.Departure) bool {
	g := c.txring.First()
	want := append(bytes.Clone(g.frame.Bytes()[:g.carried]), make([]byte, len(sent)-g.carried)...)
	if !bytes.Equal(sent, want) {
		c.t.Fatalf("frame %d: the card sends\n%x, and was given\n%x", c.n, sent, want)
	}
	c.n++
	return c.line.Leave(sent, d)
}

// The card itself has the bytes, all of them, of every frame, through buffers, bus and slots.
func TestCardHasTheBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	clk := clock.NewVirtual()
	card, err := New(clk, &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Address: make([]byte, 6)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := &checkedLine{line: line{card.ports[0]}, t: t}
	card.ports[0].mac.Connect(check, card.gen.Lane(0))
	sender := card.NewSender(SenderConfig{})
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	const n = 3000
	for i := range n {
		if rng.IntN(2) == 0 {
			f := linktest.FrameOf(random(1 + rng.IntN(1514)))
			if taken, err := card.Transmit([]*link.Frame{f}); taken != 1 {
				t.Fatal(err)
			}
		} else {
			d := &Description{
				Src:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(random(4))), uint16(i)),
				Dst:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(random(4))), uint16(i)),
				Payload: rng.IntN(1473),
			}
			d.Data = random(rng.IntN(d.Payload + 1))
			if err := sender.Inject(d); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(4) == 0 {
			for range rng.IntN(20) {
				clk.Step()
			}
		}
		for card.ports[0].txring.Len() > 15 {
			clk.Step()
		}
	}
	for clk.Step() {
	}
	if check.n != n {
		t.Errorf("%d frames left, want %d", check.n, n)
	}
}
