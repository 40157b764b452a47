// Package pci is the bus between the driver and the card: one DMA transfer at a time,
// each of which takes its time and ends with an interrupt (tech doc sections 3.1 and 3.3).
//
// The driver calls Write to send the card a message and Read to fetch one. The card
// calls Offer when it has a message. Both ends hear of it by interrupts, whose reasons
// the driver reads from Status.
package pci

import (
	"time"

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

func (c Cost) of(bytes int) time.Duration {
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
	// Receive gets a message from the driver. It must not keep the bytes.
	Receive(msg []byte)

	// Taken tells that the driver has the message that was offered.
	Taken()
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
	transfer Status // what the transfer under way ends with; 0 if there is none
	out, in  []byte // its memory
	offered  []byte // the card's message; nil if it has none

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

// Write starts a transfer of msg to the card. There must be none under way. The bytes
// are the bus's until DMATxComplete.
func (b *Bus) Write(msg []byte) {
	b.out = msg
	b.start(DMATxComplete, len(msg))
}

// Read starts a transfer of the card's message to p, and returns its length. There must
// be a message, room for it, and no transfer under way. The bytes are there with
// DMARxComplete.
func (b *Bus) Read(p []byte) int {
	n := len(b.offered)
	b.in = p[:n]
	b.start(DMARxComplete, n)
	return n
}

func (b *Bus) start(end Status, n int) {
	b.transfer = end
	b.stats.Transfers++
	b.stats.Bytes += uint64(n)
	if d := b.cost.of(n); d > 0 {
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
		copy(b.in, b.offered)
		b.in, b.offered = nil, nil
		b.card.Taken()
	}
	b.raise(end)
}

// Offer tells that the card has a message for the driver. The bytes are the bus's until
// the card is told that they are taken, and it offers no other before.
func (b *Bus) Offer(msg []byte) {
	b.offered = msg
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
	b.out, b.in, b.offered = nil, nil, nil
}

// Stats returns the counters.
func (b *Bus) Stats() Stats { return b.stats }
