package pktgen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/port"
	"github.com/netcaliper/caliper/pacer/clock"
)

// card is what is around a generator: a host that takes its messages, or does not yet,
// and a line that writes down what leaves.
type card struct {
	clk     *clock.Virtual
	gen     *Generator
	busy    bool // the host leaves messages where they are
	replies []drivercomm.Reply
	left    [][]byte
	at      []clock.Time
	dropped int
}

func newCard(t testing.TB) *card { return newCardOf(t, 1, Late{}) }

// newCardOf returns a card of several ports, all of which lead to the same line.
func newCardOf(t testing.TB, ports int, late Late) *card {
	c := &card{clk: clock.NewVirtual()}
	tick := drivercomm.NetFPGATick()
	counter := drivercomm.Counter{Tick: tick}
	var macs []*port.Port
	for range ports {
		p, err := port.New(c.clk, port.Config{Speed: 1e9, Tick: tick, Counter: counter})
		if err != nil {
			t.Fatal(err)
		}
		macs = append(macs, p)
	}
	c.gen = New(c.clk, Config{
		Counter: counter, Ports: macs, Host: c, Late: late,
		Dropped: func(int) { c.dropped++ },
	})
	for n, p := range macs {
		p.Connect(c, c.gen.Lane(n))
	}
	return c
}

func (c *card) Offer(msg []byte) {
	r, ok := drivercomm.ParseReply(msg)
	if !ok {
		panic("not a reply")
	}
	c.replies = append(c.replies, r)
	if !c.busy {
		c.gen.Taken()
	}
}

func (c *card) Leave(frame []byte, d *port.Departure) bool {
	c.left = append(c.left, bytes.Clone(frame))
	c.at = append(c.at, d.At)
	return true
}

func (c *card) run() {
	for c.clk.Step() {
	}
}

func (c *card) departures() string {
	s := make([]string, len(c.at))
	for i, at := range c.at {
		s[i] = fmt.Sprint(int64(at))
	}
	return strings.Join(s, " ")
}

// message returns a packets message of one packet a departure, each of 42 bytes.
func message(departures ...uint64) []byte {
	var b drivercomm.Builder
	for i, at := range departures {
		frame := bytes.Repeat([]byte{byte(i + 1)}, 42)
		if !b.Add(drivercomm.Header{WireLen: 60, Clock: at, Absolute: true}, frame) {
			panic("too many packets")
		}
	}
	return bytes.Clone(b.Bytes())
}

// toPort sends the second packet of a message to another port than 0.
func toPort(msg []byte, port byte) []byte {
	h, _, _ := drivercomm.Packet(msg, drivercomm.FirstPacket)
	msg[drivercomm.FirstPacket+int(h.Next)+12] = port
	return msg
}

// relative makes all departures of a message but the first relative.
func relative(msg []byte) []byte {
	h, _, _ := drivercomm.Packet(msg, drivercomm.FirstPacket)
	for off := drivercomm.FirstPacket; h.Next != 0; {
		off += int(h.Next)
		msg[off+13] = 0
		h, _, _ = drivercomm.Packet(msg, off)
	}
	return msg
}

func TestAbsoluteDepartures(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(100, 200, 1695, 1<<33)) // the last beyond 32 bits of ticks
	c.run()
	if got, want := c.departures(), "800 1600 13560 68719476736"; got != want {
		t.Errorf("departures %s, want %s", got, want)
	}
}

func TestRelativeDepartures(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(relative(message(100, 100, 1695, 0)))
	c.gen.Receive(relative(message(5000, 100)))
	c.run()
	// The fourth asks for no gap and leaves when the third is over, 84 ticks later.
	if got, want := c.departures(), "800 1600 15160 15832 40000 40800"; got != want {
		t.Errorf("departures %s, want %s", got, want)
	}
}

// Bytes that were not carried are zero on the wire.
func TestPadding(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(0, 0))
	var b drivercomm.Builder
	b.Add(drivercomm.Header{WireLen: 100}, []byte("abc"))
	for range 9 { // over every output slot
		c.gen.Receive(b.Bytes())
		c.run()
	}
	for i, frame := range c.left[2:] {
		if want := append([]byte("abc"), make([]byte, 97)...); !bytes.Equal(frame, want) {
			t.Errorf("frame %d: %x", i, frame)
		}
	}
}

// Eight packets are prepared; an input slot is free when all of its packets are, and
// every four free slots or more are told to the driver.
func TestInputSlotsAndQuota(t *testing.T) {
	c := newCard(t)
	for range 10 {
		c.gen.Receive(message(100000, 100000))
	}
	if n := len(c.gen.freeIn); n != 4 || c.gen.lanes[0].jobs.Len() != 12 {
		t.Fatalf("%d input slots are free and %d jobs wait after 10 messages of 2 packets, want 4 and 12", n, c.gen.lanes[0].jobs.Len())
	}
	if want := []drivercomm.Reply{{Type: drivercomm.Quota, Quota: 4}}; !slices.Equal(c.replies, want) {
		t.Fatalf("replies %v, want %v", c.replies, want)
	}
	c.busy = true
	c.run()
	if len(c.left) != 20 || len(c.gen.freeIn) != 10 {
		t.Fatalf("%d packets left, %d input slots are free", len(c.left), len(c.gen.freeIn))
	}
	// The message that offers 4 is not taken; 2 more are owed, which is less than 4.
	want := []drivercomm.Reply{{Type: drivercomm.Quota, Quota: 4}, {Type: drivercomm.Quota, Quota: 4, Time: 100000 + 7*84}}
	if !slices.Equal(c.replies, want) || c.gen.quota.freed != 2 {
		t.Fatalf("replies %v, want %v; %d owed", c.replies, want, c.gen.quota.freed)
	}
	for range 5 {
		c.gen.Receive(message(0))
		c.run()
	}
	c.gen.Taken()
	if r := c.replies[len(c.replies)-1]; r.Quota != 7 || len(c.replies) != 3 {
		t.Errorf("replies %v, want the last with all 7", c.replies)
	}
}

func TestInputFull(t *testing.T) {
	c := newCard(t)
	for range 20 {
		c.gen.Receive(message(100000, 100000, 100000, 100000, 100000, 100000, 100000, 100000))
	}
	// The first is prepared, ten are in the slots, nine are lost.
	if s := c.gen.Stats(); s.InputFull != 9 || s.Messages != 20 {
		t.Errorf("%+v", s)
	}
	c.run()
	if len(c.left) != 11*8 {
		t.Errorf("%d packets left, want 88", len(c.left))
	}
}

// Ports do not wait for each other, though packets for both are in one message.
func TestLanes(t *testing.T) {
	c := newCardOf(t, 2, Late{})
	for i := range uint64(9) { // one more than there are output slots
		c.gen.Receive(toPort(message(100_000+100*i, 100+100*i), 1))
	}
	if len(c.gen.freeIn) != 9 || c.gen.lanes[0].jobs.Len() != 1 || c.gen.lanes[1].jobs.Len() != 1 {
		t.Errorf("%d input slots are free, %d and %d jobs wait", len(c.gen.freeIn), c.gen.lanes[0].jobs.Len(), c.gen.lanes[1].jobs.Len())
	}
	c.clk.RunUntil(10_000)
	if got, want := c.departures(), "800 1600 2400 3200 4000 4800 5600 6400 7200"; got != want {
		t.Errorf("departures of the second port %s, want %s", got, want)
	}
	c.run()
	if len(c.left) != 18 {
		t.Errorf("%d packets left, want 18", len(c.left))
	}
}

// In the card's memory a header says which port a packet goes to.
func TestOutputSlot(t *testing.T) {
	c := newCardOf(t, 4, Late{})
	c.gen.Receive(toPort(message(1, 2), 3))
	out := c.gen.lanes[3].sending.launched
	if got, want := drivercomm.ParseIOQ(out.mem[:]), (drivercomm.IOQ{Dst: 1 << 6, Words: 8, Bytes: 60}); got != want {
		t.Errorf("header %+v, want %+v", got, want)
	}
}

// Nothing is launched before its departure is within the horizon.
func TestHorizon(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(6000))
	if c.gen.lanes[0].sending.launched != nil {
		t.Error("launched 6000 ticks ahead")
	}
	c.clk.RunUntil(7999)
	if c.gen.lanes[0].sending.launched != nil {
		t.Error("launched 5001 ticks ahead")
	}
	c.clk.RunUntil(8000)
	if c.gen.lanes[0].sending.launched == nil {
		t.Error("not launched 5000 ticks ahead")
	}
	c.run()
	if got := c.departures(); got != "48000" {
		t.Errorf("departure %s, want 48000", got)
	}
}

// A reset forgets everything and is answered.
func TestReset(t *testing.T) {
	c := newCard(t)
	for range 8 {
		c.gen.Receive(message(100, 100, 100))
	}
	c.clk.RunUntil(80)
	c.busy = true
	c.replies = nil
	c.gen.Receive(drivercomm.PutReset(make([]byte, drivercomm.ResetLen)))
	if want := []drivercomm.Reply{{Type: drivercomm.ResetDone, Quota: 8, Time: 10}}; !slices.Equal(c.replies, want) {
		t.Fatalf("replies %v, want %v", c.replies, want)
	}
	c.run()
	if len(c.left) != 0 || len(c.gen.freeIn) != 10 || len(c.gen.lanes[0].freeOut) != 8 {
		t.Errorf("%d packets left, %d input and %d output slots free", len(c.left), len(c.gen.freeIn), len(c.gen.lanes[0].freeOut))
	}
	c.gen.Receive(relative(message(100, 100)))
	c.run()
	if got := c.departures(); got != "800 1600" {
		t.Errorf("departures %s after the reset", got)
	}
}

func TestMalformedMessages(t *testing.T) {
	good := message(1, 2)
	bad := bytes.Clone(good)
	h, _, _ := drivercomm.Packet(bad, drivercomm.FirstPacket)
	binary.BigEndian.PutUint16(bad[drivercomm.FirstPacket+int(h.Next):], 9999)
	for _, c := range []struct {
		what string
		msg  []byte
		left int
	}{
		{"empty", nil, 0},
		{"no type", []byte{0, 0, 0}, 0},
		{"unknown type", []byte{0, 0, 0, 1}, 0},
		{"no packet", good[:8], 0},
		{"cut short", good[:50], 0},
		{"second packet too long", bad, 1},
		{"a port that this card has not", toPort(message(1, 2), 1), 1},
		{"too long for a slot", make([]byte, 1593), 0},
	} {
		card := newCard(t)
		card.gen.Receive(c.msg)
		card.run()
		if s := card.gen.Stats(); s.Malformed != 1 || len(card.left) != c.left || len(card.gen.freeIn) != 10 {
			t.Errorf("%s: %+v, %d packets left, %d slots free", c.what, s, len(card.left), len(card.gen.freeIn))
		}
	}
}

func TestStop(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(100, 200))
	c.gen.Stop()
	c.gen.Receive(message(100))
	c.run()
	if len(c.left) != 0 || len(c.replies) != 0 {
		t.Errorf("%d packets and %d replies after Stop", len(c.left), len(c.replies))
	}
}

// Whatever the driver says, no slot is lost, and what is launched leaves once, unless a
// packet for the end of time is in front of it.
func FuzzReceive(f *testing.F) {
	f.Add(message(1, 2, 3))
	f.Add(message(1, 1<<60))
	f.Add(relative(message(1, 1<<40)))
	f.Add(drivercomm.PutReset(make([]byte, 60)))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c := newCard(t)
		for range 12 {
			c.gen.Receive(msg)
			c.clk.RunUntil(c.clk.Now() + 1000)
		}
		c.run()
		g := c.gen
		l := &g.lanes[0]
		in, out, forever := len(g.freeIn), len(l.freeOut), false
		for i := range g.inputs {
			if g.inputs[i].refs > 0 {
				in++
			}
		}
		for _, o := range append(l.prepared[:], l.sending.launched) {
			if o != nil {
				out++
				forever = true
			}
		}
		if in != drivercomm.Slots || out != outputSlots {
			t.Errorf("%d input and %d output slots are accounted for", in, out)
		}
		if s := g.Stats(); !forever && int(s.Packets) != len(c.left) {
			t.Errorf("%d packets launched, %d left", s.Packets, len(c.left))
		}
	})
}
