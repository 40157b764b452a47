package pktgen

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/pacer/clock"
)

// card is what is around a generator: a host that takes its messages, or does not yet,
// and a line that writes down what leaves.
type card struct {
	clk     *clock.Virtual
	gen     *Generator
	busy    bool // the host leaves messages where they are
	onOffer func()
	replies []drivercomm.Reply
	at      []clock.Time // when packets left
	dropped int
}

func newCard(t testing.TB) *card { return newCardOf(t, 1, Late{}) }

// newCardOf returns a card of several ports, all of which lead to the same line.
func newCardOf(t testing.TB, ports int, late Late) *card {
	c := &card{clk: clock.NewVirtual()}
	tick := drivercomm.NetFPGATick()
	counter := drivercomm.Counter{Tick: tick}
	var macs []*mac.MAC
	for range ports {
		p, err := mac.New(c.clk, mac.Config{Speed: 1e9, Tick: tick, Counter: counter})
		if err != nil {
			t.Fatal(err)
		}
		macs = append(macs, p)
	}
	c.gen = New(c.clk, Config{
		Counter: counter, MACs: macs, Host: c, Late: late,
		Dropped: func(int) { c.dropped++ },
	})
	for n, p := range macs {
		p.Connect(c, c.gen.Sender(n))
	}
	return c
}

func (c *card) Offer(msg []byte) {
	r, ok := drivercomm.ParseReply(msg)
	if !ok {
		panic("not a reply")
	}
	c.replies = append(c.replies, r)
	if f := c.onOffer; f != nil {
		c.onOffer = nil
		f()
	}
	if !c.busy {
		c.gen.Taken()
	}
}

func (c *card) Leave(d *mac.Departure) bool {
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
func message(departures ...uint64) *drivercomm.Message {
	var b drivercomm.Builder
	for _, at := range departures {
		if !b.Add(drivercomm.Header{WireLen: 60, Clock: at, Absolute: true}, make([]byte, 42)) {
			panic("too many packets")
		}
	}
	return b.Message()
}

// toPort sends the second packet of a message to another port than 0.
func toPort(msg *drivercomm.Message, port uint8) *drivercomm.Message {
	msg.Packets[1].Port = port
	return msg
}

// relative makes all departures of a message but the first relative.
func relative(msg *drivercomm.Message) *drivercomm.Message {
	for i := range msg.Packets[1:] {
		msg.Packets[1+i].Absolute = false
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

// A packet takes the line for all that is on the wire, and not only for what was carried. What
// is in a slot is the generator's: the memory of the message may be used again.
func TestLengthOnTheWire(t *testing.T) {
	c := newCard(t)
	var b drivercomm.Builder
	for _, wire := range []uint16{60, 1514, 100, 60} {
		b.Add(drivercomm.Header{WireLen: wire}, []byte("abc"))
	}
	msg := b.Message()
	for range 4 {
		c.gen.Receive(msg)
	}
	for i := range msg.Packets {
		msg.Packets[i] = drivercomm.Header{WireLen: 1000, Clock: 1 << 50}
	}
	c.run()
	at := clock.Time(0)
	for i, got := range c.at {
		if got != at {
			t.Errorf("packet %d left at %v, want %v", i, got, at)
		}
		at += []clock.Time{672, 12304, 8 * 124, 672}[i%4]
	}
	if len(c.at) != 16 {
		t.Errorf("%d packets left", len(c.at))
	}
}

// Eight packets are prepared; an input slot is free when all of its packets are, and
// every four free slots or more are told to the driver.
func TestInputSlotsAndQuota(t *testing.T) {
	c := newCard(t)
	for range 10 {
		c.gen.Receive(message(100000, 100000))
	}
	if n := len(c.gen.freeIn); n != 4 || c.gen.ports[0].jobs.Len() != 12 {
		t.Fatalf("%d input slots are free and %d jobs wait after 10 messages of 2 packets, want 4 and 12", n, c.gen.ports[0].jobs.Len())
	}
	if want := []drivercomm.Reply{{Type: drivercomm.Quota, Quota: 4}}; !slices.Equal(c.replies, want) {
		t.Fatalf("replies %v, want %v", c.replies, want)
	}
	c.busy = true
	c.run()
	if len(c.at) != 20 || len(c.gen.freeIn) != 10 {
		t.Fatalf("%d packets left, %d input slots are free", len(c.at), len(c.gen.freeIn))
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
	if len(c.at) != 11*8 {
		t.Errorf("%d packets left, want 88", len(c.at))
	}
}

// Ports do not wait for each other, though packets for both are in one message.
func TestPorts(t *testing.T) {
	c := newCardOf(t, 2, Late{})
	for i := range uint64(9) { // one more than there are output slots
		c.gen.Receive(toPort(message(100_000+100*i, 100+100*i), 1))
	}
	if len(c.gen.freeIn) != 9 || c.gen.ports[0].jobs.Len() != 1 || c.gen.ports[1].jobs.Len() != 1 {
		t.Errorf("%d input slots are free, %d and %d jobs wait", len(c.gen.freeIn), c.gen.ports[0].jobs.Len(), c.gen.ports[1].jobs.Len())
	}
	c.clk.RunUntil(10_000)
	if got, want := c.departures(), "800 1600 2400 3200 4000 4800 5600 6400 7200"; got != want {
		t.Errorf("departures of the second port %s, want %s", got, want)
	}
	c.run()
	if len(c.at) != 18 {
		t.Errorf("%d packets left, want 18", len(c.at))
	}
}

// Nothing is launched before its departure is within the horizon.
func TestHorizon(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(6000))
	if c.gen.ports[0].sending.launched != nil {
		t.Error("launched 6000 ticks ahead")
	}
	c.clk.RunUntil(7999)
	if c.gen.ports[0].sending.launched != nil {
		t.Error("launched 5001 ticks ahead")
	}
	c.clk.RunUntil(8000)
	if c.gen.ports[0].sending.launched == nil {
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
	c.gen.Receive(drivercomm.NewReset())
	if want := []drivercomm.Reply{{Type: drivercomm.ResetDone, Quota: 8, Time: 10}}; !slices.Equal(c.replies, want) {
		t.Fatalf("replies %v, want %v", c.replies, want)
	}
	c.run()
	if len(c.at) != 0 || len(c.gen.freeIn) != 10 || len(c.gen.ports[0].freeOut) != 8 {
		t.Errorf("%d packets left, %d input and %d output slots free", len(c.at), len(c.gen.freeIn), len(c.gen.ports[0].freeOut))
	}
	c.gen.Receive(relative(message(100, 100)))
	c.run()
	if got := c.departures(); got != "800 1600" {
		t.Errorf("departures %s after the reset", got)
	}
}

// A message that comes while the generator is at work is kept, and its memory may be used again.
func TestMessageIsKept(t *testing.T) {
	c := newCard(t)
	c.onOffer = func() {
		msg := message(100, 300)
		c.gen.Receive(msg)
		msg.Packets[0].Clock, msg.Packets[1].Clock = 1<<50, 1<<50
	}
	c.gen.Receive(drivercomm.NewReset())
	c.run()
	if got := c.departures(); got != "800 2400" {
		t.Errorf("departures %s", got)
	}
}

func TestStop(t *testing.T) {
	c := newCard(t)
	c.gen.Receive(message(100, 200))
	c.gen.Stop()
	c.gen.Receive(message(100))
	c.run()
	if len(c.at) != 0 || len(c.replies) != 0 {
		t.Errorf("%d packets and %d replies after Stop", len(c.at), len(c.replies))
	}
}

// Whatever the driver says, no slot is lost, and what is launched leaves once, unless a
// packet for the end of time is in front of it.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{1, 0, 2, 0, 3, 0}, uint8(0))
	f.Add([]byte{1, 0, 1, 60}, uint8(0))
	f.Add([]byte{1, 0, 1, 40 | 1<<7}, uint8(3))
	f.Fuzz(func(t *testing.T, departures []byte, resets uint8) {
		c := newCard(t)
		var b drivercomm.Builder
		for ; len(departures) > 1; departures = departures[2:] {
			n, shift := departures[0], departures[1]
			b.Add(drivercomm.Header{WireLen: 60, Clock: uint64(n) << (shift & 63), Absolute: shift>>7 == 0}, nil)
		}
		if b.Count() == 0 {
			return
		}
		for n := range 12 {
			if resets>>n&1 > 0 {
				c.gen.Receive(drivercomm.NewReset())
			}
			c.gen.Receive(b.Message())
			c.clk.RunUntil(c.clk.Now() + 1000)
		}
		c.run()
		g := c.gen
		l := &g.ports[0]
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
		if n := int(g.Stats().Packets); n < len(c.at) || n > len(c.at) && !forever && resets == 0 {
			t.Errorf("%d packets launched, %d left", n, len(c.at))
		}
	})
}
