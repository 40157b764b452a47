// Package driver is the NetFPGA driver of tech doc section 3: it takes frames with their
// departure times, combines them in transmit buffers, and copies these to the card as
// the card's quota allows.
//
// The life of a frame:
//
//	Send         its bytes and departure become a packet_hdr in the buffer that is being
//	             built (txbuf.go, section 3.1)
//	attemptSend  the oldest waiting buffer is copied to the card, if no transfer is under
//	             way and the quota allows it (quota.go, section 3.4)
//	intr         the transfer is complete, and the buffer is free (interrupt.go, 3.3)
//
// Up begins with a reset of the card, and until it is answered no packet is sent
// (reset.go, section 3.6).
package driver

import (
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/internal/fifo"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config sets up a Driver.
type Config struct {
	// Tick is the card's tick, which departures are converted to.
	Tick drivercomm.Tick

	// Ready is called when there is room again after Send reported that there was none.
	Ready func()

	// Trace is called for every step of the driver. It may be nil.
	Trace func(Step)
}

// Stats counts what the driver did.
type Stats struct {
	Packets    uint64 // that were put into buffers
	Messages   uint64 // that were copied to the card, resets included
	Quotas     uint64 // quota messages from the card
	HighWater  int    // the most transmit buffers in use at once
	Disordered uint64 // packets that asked to leave before the one in front of them
	Cleared    uint64 // packets that waited when the driver went down
	Ignored    uint64 // interrupts while it was down
	Malformed  uint64 // messages from the card that are none

	// Stalls: how often something had to wait.
	NoQuota  uint64 // a buffer, for the card's quota
	BusBusy  uint64 // a buffer, for the transfer under way to end
	NoBuffer uint64 // a frame, for a free buffer
}

// Driver is the driver of one card. It is not safe for concurrent use: all of it runs on
// the clock's goroutine.
type Driver struct {
	clk    clock.Clock
	bus    *pci.Bus
	config Config
	state  state

	bufs     [txBuffers]txbuf
	free     []*txbuf
	building *txbuf
	waiting  fifo.Queue[*txbuf]

	transfer transfer
	copying  *txbuf // to the card, now
	avail    bool   // the card has a message
	rxbuf    [drivercomm.MaxDMA]byte
	rxLen    int
	reset    [drivercomm.ResetLen]byte

	allowedSend int     // messages
	stalled     *uint64 // the counter of what attemptSend waits for; nil if it does not
	last        uint64  // departure of the last packet, in ticks
	full        bool    // Send reported that there was no room
	running     bool
	notifying   bool
	stats       Stats
}

// transfer says what the bus is doing for the driver.
type transfer uint8

const (
	none transfer = iota
	toCard
	fromCard
)

// New returns a driver that is down.
func New(clk clock.Clock, bus *pci.Bus, config Config) *Driver {
	d := &Driver{clk: clk, bus: bus, config: config}
	d.free = make([]*txbuf, 0, txBuffers)
	for i := range d.bufs {
		d.free = append(d.free, &d.bufs[i])
	}
	return d
}

// Send takes a frame that shall leave at the given time, rounded up to a tick. It counts
// as wireLen bytes on the wire, without FCS: drivercomm.MinWire to drivercomm.MaxWire,
// and no less than it has. The bytes are copied. It reports false if there is no room now, of which Config.Ready
// tells the end. What was sent may wait for more until Flush.
func (d *Driver) Send(frame []byte, wireLen int, departure clock.Time) bool {
	if wireLen < drivercomm.MinWire || wireLen > drivercomm.MaxWire || len(frame) > wireLen {
		panic("driver: a frame of that size cannot be sent")
	}
	d.full = false
	ticks := d.config.Tick.Up(departure)
	for d.building == nil || !d.building.Add(frame, wireLen, ticks) {
		if !d.nextBuffer() {
			d.full = true
			d.stats.NoBuffer++
			return false
		}
	}
	if ticks < d.last {
		d.stats.Disordered++
	}
	d.last = ticks
	d.stats.Packets++
	return true
}

// Flush sends what there is, without waiting for more.
func (d *Driver) Flush() { d.run() }

// run does what there is to do. A call from within, by a card that answers at once,
// leaves the work to the outer one.
func (d *Driver) run() {
	if d.running {
		return
	}
	d.running = true
	for d.intr() || d.attemptReceive() || d.attemptSend() {
	}
	d.running = false
	d.notify()
}

// notify tells the one above that there is room, if that one waits for it.
func (d *Driver) notify() {
	if d.notifying {
		return
	}
	d.notifying = true
	for d.full && len(d.free) > 0 {
		d.full = false
		d.config.Ready()
	}
	d.notifying = false
}

// Stats returns the counters.
func (d *Driver) Stats() Stats { return d.stats }

// A Step is something that the driver did or learned.
type Step struct {
	At   clock.Time
	Kind Kind
	N    int // what it counts depends on the Kind
}

// Kind says what a Step was.
type Kind uint8

// The steps.
const (
	Up            Kind = iota // the interface comes up
	DMATx                     // a transfer to the card begins, of N bytes
	DMATxComplete             // it is complete
	PktAvail                  // the card has a message
	DMARx                     // a transfer from the card begins, of N bytes
	DMARxComplete             // it is complete
	Reset                     // the card has answered the reset: N messages may be sent
	Quota                     // N messages more may be sent
	Down                      // the interface goes down; N packets that waited are cleared
)

var kinds = [...]string{"UP", "DMA_TX", "DMA_TX_COMPLETE", "PKT_AVAIL", "DMA_RX", "DMA_RX_COMPLETE", "RESET", "QUOTA", "DOWN"}

func (k Kind) String() string { return kinds[k] }

func (d *Driver) trace(k Kind, n int) {
	if d.config.Trace != nil {
		d.config.Trace(Step{d.clk.Now(), k, n})
	}
}
