package netfpga

import (
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/pacer/clock"
)

// BenchmarkCopies sends frames of full size at line rate through the native card, which leaves
// their bytes where they are, and through one that moves them as the hardware does: into a
// transmit buffer, by the bus into the input memory, into the output memory, onto the line.
func BenchmarkCopies(b *testing.B) {
	for _, c := range []struct {
		what  string
		moves bool
	}{{"accounted", false}, {"moved", true}} {
		b.Run(c.what, func(b *testing.B) {
			clk := clock.NewVirtual()
			null := &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Address: make([]byte, 6)}}
			card, err := New(clk, null, nil)
			if err != nil {
				b.Fatal(err)
			}
			m := &mover{Card: card}
			if c.moves {
				card.driver = driver.New(clk, card.bus, driver.Config{Tick: drivercomm.NetFPGATick(), Bytes: true, Ready: card.ready})
				card.bus.Connect(card.driver, m)
				card.ports[0].mac.Connect(moverLine{line{card.ports[0]}, m}, card.gen.Sender(0))
				card.driver.Up()
			}
			const size = 1514
			gap := link.WireTime(link.WireBytes(size), card.Info().Speed)
			at := clock.Time(1e6)
			var pool link.Pool
			batch := make([]*link.Frame, 1)
			for b.Loop() {
				f := pool.Frame(size)
				f.Size.Wire = link.WireBytes(size)
				f.Depart, f.Paced = at, true
				batch[0] = f
				if n, err := card.Transmit(batch); n != 1 {
					b.Fatal(err)
				}
				at = at.Add(gap)
				for clk.Next() < at {
					clk.Step()
				}
			}
			b.ReportMetric(float64(m.copied)/float64(card.Counters().Sent.Frames), "copied-B/frame")
		})
	}
}

// mover is the card's side of the bus, and moves the bytes.
type mover struct {
	*Card
	in     [drivercomm.Slots][drivercomm.Slot]byte
	out    [drivercomm.Slots][drivercomm.Slot]byte
	slot   int
	copied int
}

// Receive implements pci.Card.
func (m *mover) Receive(msg *drivercomm.Message) {
	m.slot = (m.slot + 1) % drivercomm.Slots
	m.copied += msg.Len // by the driver
	m.copied += copy(m.in[m.slot][:], msg.Bytes)
	m.copied += copy(m.out[m.slot][:], m.in[m.slot][:msg.Len])
	fromHost{m.Card}.Receive(msg)
}

// Taken implements pci.Card.
func (m *mover) Taken(queue int) { fromHost{m.Card}.Taken(queue) }

// moverLine has what leaves copied once more.
type moverLine struct {
	line
	m *mover
}

// Leave implements mac.Line.
func (l moverLine) Leave(d *mac.Departure) bool {
	l.m.copied += copy(l.txring.First().frame.Bytes(), l.m.out[l.m.slot][:])
	return l.line.Leave(d)
}
