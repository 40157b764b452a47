package driver

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// card is the other end of the bus: it keeps the messages, and answers when it is told to.
type card struct {
	t        *testing.T
	clk      *clock.Virtual
	bus      *pci.Bus
	driver   *Driver
	messages []drivercomm.Message
	taken    int
	ready    int
	log      strings.Builder
	reply    [drivercomm.ReplyLen]byte
}

func newCard(t *testing.T, cost pci.Cost) *card {
	c := &card{t: t, clk: clock.NewVirtual()}
	c.bus = pci.New(c.clk, cost)
	c.driver = New(c.clk, c.bus, Config{
		Tick:  drivercomm.NetFPGATick(),
		Ready: func() { c.ready++ },
		Trace: func(s Step) { fmt.Fprintf(&c.log, "%d %v %d\n", int64(s.At), s.Kind, s.N) },
	})
	c.bus.Connect(c.driver, c)
	return c
}

// newUpCard returns a card whose driver is up.
func newUpCard(t *testing.T) *card {
	c := newCard(t, pci.Cost{})
	c.driver.Up()
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.messages = nil
	c.log.Reset()
	return c
}

func (c *card) Receive(msg *drivercomm.Message) {
	m := *msg
	m.Packets = slices.Clone(m.Packets)
	c.messages = append(c.messages, m)
}

func (c *card) Taken(int) { c.taken++ }

func (c *card) answer(typ drivercomm.Type, quota int32) {
	c.bus.Offer(pci.Generator, drivercomm.Reply{Type: typ, Quota: quota}.Put(c.reply[:]))
}

// packet returns one of n bytes.
func packet(n int, at clock.Time) *Packet {
	return &Packet{Bytes: make([]byte, n), Wire: max(drivercomm.MinWire, n), Departure: at}
}

// send sends frames of n bytes, and returns how many were taken before there was no room.
func (c *card) send(frames, n int) int {
	for i := range frames {
		if _, ok := c.driver.Send(packet(n, 0)); !ok {
			return i
		}
	}
	c.driver.Flush()
	return frames
}

func (c *card) expect(want string) {
	c.t.Helper()
	if got := c.log.String(); got != strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", "") {
		c.t.Errorf("steps:\n%swant:%s", got, want)
	}
	c.log.Reset()
}

// A reset comes first, and packets wait until it is answered.
func TestResetHandshake(t *testing.T) {
	c := newCard(t, pci.Cost{})
	if c.send(1, 100) != 1 || len(c.messages) != 0 {
		t.Fatalf("down: %d messages", len(c.messages))
	}
	c.driver.Up()
	c.send(1, 100)
	c.answer(drivercomm.Quota, 4) // not an answer
	if len(c.messages) != 1 || c.messages[0].Type != drivercomm.Reset || c.messages[0].Len != 60 {
		t.Fatalf("before the answer the card has %+v", c.messages)
	}
	c.clk.RunUntil(1000)
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.expect(`
		0 UP 0
		0 DMA_TX 60
		0 DMA_TX_COMPLETE 0
		0 PKT_AVAIL 0
		0 DMA_RX 48
		0 DMA_RX_COMPLETE 0
		1000 PKT_AVAIL 0
		1000 DMA_RX 48
		1000 DMA_RX_COMPLETE 0
		1000 RESET 8
		1000 DMA_TX 244
		1000 DMA_TX_COMPLETE 0
	`)
	if len(c.messages) != 2 || c.taken != 2 {
		t.Errorf("%d messages, %d answers taken", len(c.messages), c.taken)
	}
	c.driver.Up() // is up
	c.expect("\n")
}

// clocks returns the departures in the first message.
func (c *card) clocks() (ticks []uint64) {
	for _, h := range c.messages[0].Packets {
		ticks = append(ticks, h.Clock)
	}
	return ticks
}

// As with the original's driver a departure is cut to ticks, and of a relative one the gap:
// 13,567 ns are 1695 ticks each time. Else they are 1695 or 1696, and exact in sum.
func TestDepartureIsTruncated(t *testing.T) {
	for _, c := range []struct {
		truncate bool
		want     string
	}{
		{false, "[126 1696 1696 1696 1696 1696 1696 1695 1696 15246]"},
		{true, "[125 1695 1695 1695 1695 1695 1695 1695 1695 15245]"},
	} {
		card := newCard(t, pci.Cost{})
		card.driver.config.Truncate = c.truncate
		card.driver.Up()
		card.answer(drivercomm.ResetDone, drivercomm.StartQuota)
		card.messages = nil
		at := clock.Time(1007)
		card.driver.Send(packet(1, at))
		for range 8 {
			at += 13567
			p := packet(1, at)
			p.Relative = true
			card.driver.Send(p)
		}
		card.driver.Send(packet(1, at+12421)) // 121,964 ns
		card.driver.Flush()
		if got := fmt.Sprint(card.clocks()); got != c.want {
			t.Errorf("truncate %v: departures %s, want %s", c.truncate, got, c.want)
		}
	}
}

func TestDepartureIsRoundedUp(t *testing.T) {
	c := newUpCard(t)
	for _, at := range []clock.Time{-5, 0, 1, 8, 13560, 13561} {
		c.driver.Send(packet(1, at))
	}
	c.driver.Flush()
	if got, want := fmt.Sprint(c.clocks()), "[0 0 1 1 1695 1696]"; got != want {
		t.Errorf("departures %s, want %s", got, want)
	}
}

// The card grants 8 messages; then the driver waits for it to grant more.
func TestQuota(t *testing.T) {
	c := newUpCard(t)
	for range 9 {
		c.send(1, 1514)
	}
	if len(c.messages) != 8 {
		t.Fatalf("%d messages within the quota of 8", len(c.messages))
	}
	c.send(2, 1514)
	c.log.Reset()
	c.answer(drivercomm.Quota, 2)
	c.expect(`
		0 PKT_AVAIL 0
		0 DMA_RX 48
		0 DMA_RX_COMPLETE 0
		0 QUOTA 2
		0 DMA_TX 1538
		0 DMA_TX_COMPLETE 0
		0 DMA_TX 1538
		0 DMA_TX_COMPLETE 0
	`)
	s := c.driver.Stats()
	if len(c.messages) != 10 || s.NoQuota != 2 || s.Quotas != 1 {
		t.Errorf("%d messages; %+v", len(c.messages), s)
	}
}

// The answer to a reset says how many messages there is room for. One that says what
// cannot be is none.
func TestQuotaOfTheReset(t *testing.T) {
	for _, n := range []int32{0, 3, drivercomm.Slots} {
		c := newCard(t, pci.Cost{})
		c.driver.Up()
		for _, bad := range []int32{-1, drivercomm.Slots + 1, 1<<31 - 1} {
			c.answer(drivercomm.ResetDone, bad)
		}
		c.answer(drivercomm.ResetDone, n)
		c.messages = nil
		for range 16 {
			c.send(1, 1514)
		}
		if s := c.driver.Stats(); len(c.messages) != int(n) || s.Malformed != 3 {
			t.Errorf("%d messages after a reset that grants %d; %+v", len(c.messages), n, s)
		}
	}
}

func TestQuotaThatCannotBe(t *testing.T) {
	c := newUpCard(t)
	for _, n := range []int32{-1, 3, 11, 1<<31 - 1, -1 << 31} {
		c.answer(drivercomm.Quota, n)
	}
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota) // nobody asked
	c.answer(7, 0)
	c.bus.Offer(pci.Generator, []byte("short"))
	if s := c.driver.Stats(); s.Malformed != 8 || s.Quotas != 0 {
		t.Errorf("%+v", s)
	}
	for range 20 {
		c.send(1, 1514)
	}
	if len(c.messages) != 8 {
		t.Errorf("%d messages, want 8", len(c.messages))
	}
}

// While the quota is used up, packets gather in the 16 buffers: as many as fit each.
func TestBuffersFillUp(t *testing.T) {
	for _, x := range []struct{ size, each int }{{42, 24}, {54, 22}, {66, 18}, {200, 7}, {1514, 1}} {
		c := newUpCard(t)
		for range 8 {
			c.send(1, 1514)
		}
		if n := c.send(1000, x.size); n != 16*x.each {
			t.Errorf("%d packets of %d bytes wait in the buffers, want %d", n, x.size, 16*x.each)
		}
		if s := c.driver.Stats(); s.HighWater != 16 || s.NoBuffer != 1 {
			t.Errorf("%+v", s)
		}
		if c.ready != 0 {
			t.Error("ready without room")
		}
		c.answer(drivercomm.Quota, 4)
		if c.ready != 1 {
			t.Errorf("told of room %d times, want once", c.ready)
		}
		if n := c.send(1000, x.size); n != 4*x.each {
			t.Errorf("after 4 buffers were copied there is room for %d packets of %d bytes, want %d", n, x.size, 4*x.each)
		}
	}
}

// One that is refused and asks again from within Ready is told again.
func TestReadyFromWithinReady(t *testing.T) {
	c := newUpCard(t)
	left := 40
	refill := func() {
		left -= c.send(left, 1514)
	}
	c.driver.config.Ready = func() { c.ready++; refill() }
	refill()
	for range 4 {
		c.answer(drivercomm.Quota, 4)
	}
	if left != 0 || c.ready != 4 || len(c.messages) != 24 {
		t.Errorf("%d left, ready %d times, %d messages", left, c.ready, len(c.messages))
	}
}

// With a bus that takes time there is one transfer at a time, and what comes meanwhile
// is combined. The card's message goes before the next buffer.
func TestOneTransferAtATime(t *testing.T) {
	c := newCard(t, pci.Cost{Transfer: 1000})
	c.driver.Up()
	c.clk.RunUntil(1000)
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.clk.RunUntil(2000)
	c.log.Reset()
	for range 3 {
		c.send(1, 42)
	}
	c.answer(drivercomm.Quota, 1)
	for c.clk.Step() {
	}
	c.expect(`
		2000 DMA_TX 66
		2000 PKT_AVAIL 0
		3000 DMA_TX_COMPLETE 0
		3000 DMA_RX 48
		4000 DMA_RX_COMPLETE 0
		4000 QUOTA 1
		4000 DMA_TX 130
		5000 DMA_TX_COMPLETE 0
	`)
	if s := c.driver.Stats(); s.BusBusy != 1 || s.Messages != 3 || s.Packets != 3 {
		t.Errorf("%+v", s)
	}
}

// Down clears what waits, a transfer under way included, and later interrupts are
// ignored. Up begins anew.
func TestDown(t *testing.T) {
	c := newCard(t, pci.Cost{Transfer: 1000})
	c.driver.Up()
	c.clk.RunUntil(1000)
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.clk.RunUntil(2000)
	c.send(1, 42)
	c.send(30, 42)
	c.driver.Down()
	c.driver.Down()
	before := len(c.messages)
	c.log.Reset()
	c.answer(drivercomm.Quota, 4)
	for c.clk.Step() {
	}
	c.expect("\n")
	if s := c.driver.Stats(); s.Cleared != 31 || s.Ignored != 1 || len(c.messages) != before {
		t.Errorf("%+v, %d messages after Down", s, len(c.messages)-before)
	}
	c.driver.Up()
	c.clk.RunUntil(3000)
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.clk.RunUntil(4000)
	if n := c.send(1000, 1514); n != 16 { // a buffer each, the one that is being copied included
		t.Errorf("%d packets taken after Up, want 16", n)
	}
}

func TestDisordered(t *testing.T) {
	c := newUpCard(t)
	for _, at := range []clock.Time{8, 16, 9, 8, 100} {
		c.driver.Send(packet(1, at))
	}
	if s := c.driver.Stats(); s.Disordered != 1 { // 9 and 16 are the same tick
		t.Errorf("%d out of order, want 1", s.Disordered)
	}
}

// Whatever the card says, the driver keeps to what it was granted.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 0, 0, 100, 0, 0, 0, 4, 0, 0, 0, 100, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, replies []byte) {
		c := newUpCard(t)
		for ; len(replies) >= 8; replies = replies[8:] {
			c.send(3, 1514)
			msg := append(bytes.Clone(replies[:8]), make([]byte, 40)...)
			c.bus.Offer(pci.Generator, msg)
			if a := c.driver.allowedSend; a < 0 || a > drivercomm.Slots {
				t.Fatalf("%d messages allowed", a)
			}
		}
	})
}

// headers returns those of all packets that the card has.
func (c *card) headers() (all []drivercomm.Header) {
	for _, msg := range c.messages {
		all = append(all, msg.Packets...)
	}
	return all
}

// The bytes of a packet are accounted for, and copied only for a card that reads them.
func TestBytes(t *testing.T) {
	for _, read := range []bool{false, true} {
		c := &card{t: t, clk: clock.NewVirtual()}
		c.bus = pci.New(c.clk, pci.Cost{})
		c.driver = New(c.clk, c.bus, Config{Tick: drivercomm.NetFPGATick(), Bytes: read})
		c.bus.Connect(c.driver, c)
		c.driver.Up()
		c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
		c.driver.Send(&Packet{Bytes: []byte("some bytes"), Wire: 60})
		c.driver.Send(&Packet{Bytes: []byte("others"), Wire: 60})
		c.driver.Flush()
		m := c.messages[len(c.messages)-1]
		if m.Len != 8+16+16+16+6 || len(m.Packets) != 2 || m.Packets[0].Len != 10 || m.Packets[1].Len != 6 {
			t.Errorf("read %v: %+v", read, m)
		}
		if has := bytes.Contains(m.Bytes, []byte("some bytes")) && bytes.HasSuffix(m.Bytes, []byte("others")); has != read || read && len(m.Bytes) != m.Len {
			t.Errorf("read %v: the message is %q", read, m.Bytes)
		}
	}
}

// A packet is relative to the one in front of it in its port. The first after a reset is
// absolute in any case. Gaps are between ticks that were asked for, so that no fraction
// of one is lost.
func TestRelative(t *testing.T) {
	c := newUpCard(t)
	send := func(port int, at clock.Time, relative bool) {
		p := packet(42, at)
		p.Port, p.Relative = port, relative
		c.driver.Send(p)
	}
	send(0, 8, true)
	send(0, 21, true) // 13 ns later: ticks 1, 3, 5
	send(0, 34, true)
	send(1, 40, true)
	send(1, 48, false)
	send(0, 35, true)
	send(0, 30, true) // before the one in front of it, which no gap can say
	send(1, 48, true)
	c.driver.Flush()
	var got strings.Builder
	for _, h := range c.headers() {
		fmt.Fprintf(&got, "%d:", h.Port)
		if !h.Absolute {
			got.WriteString("+")
		}
		fmt.Fprintf(&got, "%d ", h.Clock)
	}
	if want := "0:1 0:+2 0:+2 1:5 1:6 0:+0 0:4 1:+0 "; got.String() != want {
		t.Errorf("departures %s, want %s", got.String(), want)
	}
	if s := c.driver.Stats(); s.Disordered != 1 {
		t.Errorf("%d out of order, want 1", s.Disordered)
	}
}

// What a port received comes up with its number, and takes turns with what is sent.
func TestReceived(t *testing.T) {
	c := newCard(t, pci.Cost{Transfer: 1000})
	var got []string
	c.driver.config.Received = func(port int, frame []byte) {
		got = append(got, fmt.Sprintf("%d %d:%s", int64(c.clk.Now()), port, frame))
	}
	c.driver.Up()
	c.bus.Offer(pci.Received, []byte("too early")) // before the reset is answered
	c.clk.RunUntil(2000)
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.clk.RunUntil(3000)
	for i := range 3 {
		c.bus.Offer(pci.Received+i, fmt.Appendf(nil, "frame %d", i))
	}
	for range 3 {
		c.send(1, 1514)
	}
	c.log.Reset()
	for c.clk.Step() {
	}
	// The first transfer had begun before there was anything to send.
	if want := "[4000 0:frame 0 6000 1:frame 1 8000 2:frame 2]"; fmt.Sprint(got) != want {
		t.Errorf("received %v, want %s", got, want)
	}
	c.expect(`
		4000 PKT_AVAIL 0
		4000 DMA_RX_COMPLETE 0
		4000 DMA_TX 1538
		5000 DMA_TX_COMPLETE 0
		5000 DMA_RX 7
		6000 PKT_AVAIL 0
		6000 DMA_RX_COMPLETE 0
		6000 DMA_TX 1538
		7000 DMA_TX_COMPLETE 0
		7000 DMA_RX 7
		8000 DMA_RX_COMPLETE 0
		8000 DMA_TX 1538
		9000 DMA_TX_COMPLETE 0
	`)
	if s := c.driver.Stats(); s.Received != 3 || s.Ignored != 1 {
		t.Errorf("%+v", s)
	}
}
