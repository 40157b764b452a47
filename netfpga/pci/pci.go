// Package pci is the bus between the driver and the card: one DMA transfer at a time,
// each of which takes its time and ends with an interrupt (tech doc sections 3.1 and 3.3).
//
// The driver calls Write to send the card a message and Read to fetch one. The card
// calls Offer when it has a message, in one of several queues. Both ends hear of it by
// interrupts, whose reasons the driver reads from Status.
package pci

import (
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Status is the set of reasons for which the card raised its interrupt.
type Status uint8

// The interrupts.
const (
	DMATxComplete Status = 1 << iota // a transfer to the card is complete
	PktAvail                         // the card has a message for the driver
	DMARxComplete                    // a transfer from the card is complete
)

// The queues of messages to the host: that of the generator, and one for what each
// Ethernet port received.
const (
	Generator = 0
	Received  = 1 // plus the number of the port
	queues    = Received + drivercomm.MaxPorts
)

// Cost is how long transfers take. The zero Cost is a bus that takes no time: a transfer
// is complete before Write or Read returns.
type Cost struct {
	Transfer time.Duration // of each transfer, whatever its length
	Speed    int64         // of the bytes, in bit/s; 0 means that they take no time
}

// Measured is the cost of the NetFPGA's slot, 33 MHz by 32 bit. The cost of a transfer is
// such that frames of 1518 bytes, copied one by one and with the card's quota messages
// between them, come to the 260 Mb/s that were measured (tech doc section 3.1).
func Measured() Cost {
	return Cost{Transfer: 28 * time.Microsecond, Speed: 33e6 * 32}
}

// Of returns how long a transfer of so many bytes takes.
func (c Cost) Of(bytes int) time.Duration {
	d := c.Transfer
	if c.Speed > 0 {
		d += time.Duration((int64(bytes)*8*int64(time.Second) + c.Speed - 1) / c.Speed)
	}
	return d
}

// Host is the driver's side.
type Host interface {
	// Interrupt tells that Status has something to say.
	Interrupt()
}

// Card is the card's side.
type Card interface {
	// Receive gets a message from the driver. It must not keep it.
	Receive(msg *drivercomm.Message)

	// Taken tells that the driver has the message that was offered in a queue.
	Taken(queue int)
}

// Bus is the PCI bus. It is not safe for concurrent use: all of it runs on the clock's
// goroutine.
type Bus struct {
	cost  Cost
	timer clock.Timer
	clk   clock.Clock
	host  Host
	card  Card

	status   Status
	transfer Status              // what the transfer under way ends with; 0 if there is none
	out      *drivercomm.Message // to the card
	in       []byte              // the memory of one from the card
	queue    int                 // that it comes from

	offered [queues][]byte // the card's messages
	pending uint           // a bit for each queue that has one
	turn    int            // the queue of a port that is looked at first

	stats Stats
}

// Stats counts transfers.
type Stats struct {
	Transfers uint64 // in either direction
	Bytes     uint64 // in either direction
}

// New returns a bus to which nothing is connected yet.
func New(clk clock.Clock, cost Cost) *Bus {
	b := &Bus{cost: cost, clk: clk}
	b.timer = clk.AfterFunc(time.Hour, b.complete)
	b.timer.Stop()
	return b
}

// Connect plugs in both sides. It is called once, first.
func (b *Bus) Connect(host Host, card Card) { b.host, b.card = host, card }

// Write starts a transfer of msg to the card. There must be none under way. The message
// is the bus's until DMATxComplete.
func (b *Bus) Write(msg *drivercomm.Message) {
	b.out = msg
	b.start(DMATxComplete, msg.Len)
}

// Read starts a transfer of one of the card's messages to p, and returns its queue and
// its length. The generator's comes first, and those of the ports take turns. There must
// be a message, room for it, and no transfer under way. The bytes are there with
// DMARxComplete, and with it PktAvail if the card has another message.
func (b *Bus) Read(p []byte) (queue, n int) {
	b.queue = b.next()
	n = len(b.offered[b.queue])
	b.in = p[:n]
	queue = b.queue
	b.start(DMARxComplete, n)
	return queue, n
}

// next returns the queue that is read next.
func (b *Bus) next() int {
	if b.pending&(1<<Generator) != 0 {
		return Generator
	}
	if later := b.pending >> b.turn << b.turn; later != 0 {
		return bits.TrailingZeros(later)
	}
	return bits.TrailingZeros(b.pending)
}

func (b *Bus) start(end Status, n int) {
	b.transfer = end
	b.stats.Transfers++
	b.stats.Bytes += uint64(n)
	if d := b.cost.Of(n); d > 0 {
		b.timer.ResetAt(b.clk.Now().Add(d))
		return
	}
	b.complete()
}

func (b *Bus) complete() {
	end := b.transfer
	b.transfer = 0
	switch end {
	case DMATxComplete:
		msg := b.out
		b.out = nil
		b.card.Receive(msg)
	case DMARxComplete:
		q := b.queue
		copy(b.in, b.offered[q])
		b.in, b.offered[q] = nil, nil
		b.pending &^= 1 << q
		if q >= Received {
			b.turn = q + 1
		}
		if b.pending != 0 {
			end |= PktAvail
		}
		b.card.Taken(q)
	}
	b.raise(end)
}

// Offer tells that the card has a message for the driver. The bytes are the bus's until
// the card is told that they are taken, and it offers no other in that queue before.
func (b *Bus) Offer(queue int, msg []byte) {
	b.offered[queue] = msg
	b.pending |= 1 << queue
	b.raise(PktAvail)
}

func (b *Bus) raise(s Status) {
	b.status |= s
	b.host.Interrupt()
}

// Status returns why the card raised its interrupt since the last call. Reading it
// clears it.
func (b *Bus) Status() Status {
	s := b.status
	b.status = 0
	return s
}

// Stop abandons the transfer under way, of which nothing arrives, and withdraws what the
// card offered.
func (b *Bus) Stop() {
	b.timer.Stop()
	b.transfer, b.status = 0, 0
	b.out, b.in = nil, nil
	b.offered, b.pending = [queues][]byte{}, 0
}

// Stats returns the counters.
func (b *Bus) Stats() Stats { return b.stats }
