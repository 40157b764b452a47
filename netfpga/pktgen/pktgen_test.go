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
}

func newCard(t testing.TB) *card {
	c := &card{clk: clock.NewVirtual()}
	tick := drivercomm.NetFPGATick()
	p, err := port.New(c.clk, port.Config{Speed: 1e9, Tick: tick})
	if err != nil {
		t.Fatal(err)
	}
	c.gen = New(c.clk, tick, p, c)
	p.Connect(c, c.gen)
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

func (c *card) Leave(frame []byte, d port.Departure) bool {
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
		if !b.Add(frame, 60, at) {
			panic("too many packets")
		}
	}
	return bytes.Clone(b.Bytes())
}

// relative makes all departures of a message but the first relative.
func relative(msg []byte) []byte {
	h, _, _ := drivercomm.Packet(msg, drivercomm.FirstPacket)
	for off := drivercomm.FirstPacket; h.Next != 0; {
		off += h.Next
		binary.BigEndian.PutUint16(msg[off+12:], 0)
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

// The generator catches up: after a stall of 8 ms at a gap of 20 us it sends at line
// rate until it is back in the schedule, which it then keeps.
func TestLatePacketsCatchUp(t *testing.T) {
	const gap = 2500 // ticks
	c := newCard(t)
	c.clk.RunUntil(8_000_000)
	next := uint64(0)
	for range 40 {
		var ticks []uint64
		for range 20 {
			ticks = append(ticks, next)
			next += gap
		}
		c.gen.Receive(message(ticks...))
		c.run()
	}
	late := 0
	for i, at := range c.at {
		due := clock.Time(i) * gap * 8
		if at > due {
			late++
			if i > 0 && at-c.at[i-1] != 84*8 {
				t.Fatalf("late packet %d left %d ns after the one in front of it, want 672", i, int64(at-c.at[i-1]))
			}
		} else if at < due {
			t.Fatalf("packet %d left %d ns early", i, int64(due-at))
		}
	}
	// n packets at line rate take n*672 ns, in which the schedule goes on: 8 ms + n*672 ns = n*20 us.
	if late != 413+1 || c.gen.Stats().Late != 413+1 {
		t.Errorf("%d packets were late, %d counted, want 414", late, c.gen.Stats().Late)
	}
}

// Bytes that were not carried are zero on the wire.
func TestPadding(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(0, 0))
	var b drivercomm.Builder
	b.Add([]byte("abc"), 100, 0)
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
	if n := len(c.gen.freeIn); n != 4 || c.gen.jobs.Len() != 12 {
		t.Fatalf("%d input slots are free and %d jobs wait after 10 messages of 2 packets, want 4 and 12", n, c.gen.jobs.Len())
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

// Nothing is launched before its departure is within the horizon.
func TestHorizon(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(6000))
	if c.gen.sending.launched != nil {
		t.Error("launched 6000 ticks ahead")
	}
	c.clk.RunUntil(7999)
	if c.gen.sending.launched != nil {
		t.Error("launched 5001 ticks ahead")
	}
	c.clk.RunUntil(8000)
	if c.gen.sending.launched == nil {
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
	if want := []drivercomm.Reply{{Type: drivercomm.ResetDone, Time: 10}}; !slices.Equal(c.replies, want) {
		t.Fatalf("replies %v, want %v", c.replies, want)
	}
	c.run()
	if len(c.left) != 0 || len(c.gen.freeIn) != 10 || len(c.gen.freeOut) != 8 {
		t.Errorf("%d packets left, %d input and %d output slots free", len(c.left), len(c.gen.freeIn), len(c.gen.freeOut))
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
	binary.BigEndian.PutUint16(bad[drivercomm.FirstPacket+h.Next:], 9999)
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
		in, out, forever := len(g.freeIn), len(g.freeOut), false
		for i := range g.inputs {
			if g.inputs[i].refs > 0 {
				in++
			}
		}
		for _, o := range append(g.prepared[:], g.sending.launched) {
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
