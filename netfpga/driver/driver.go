// Package driver is the NetFPGA driver of tech doc section 3: it takes packets with their
// departure times, combines them in transmit buffers, and copies these to the card as
// the card's quota allows.
//
// The life of a packet:
//
//	Send         its bytes and departure become a packet_hdr in the buffer that is being
//	             built (txbuf.go, section 3.1)
//	attemptSend  the oldest waiting buffer is copied to the card, if no transfer is under
//	             way and the quota allows it (quota.go, section 3.4)
//	intr         the transfer is complete, and the buffer is free (interrupt.go, 3.3);
//	             whoever had set a mark in it is told (mark.go, 3.5)
//
// Up begins with a reset of the card, and until it is answered no packet is sent
// (reset.go, section 3.6). Departures are times of the host. Where the card's clock is
// another, the driver learns from the time stamps of the card's messages how the two
// relate (clock.go, estimate.go).
package driver

import (
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// Config sets up a Driver.
type Config struct {
	// Tick is what a tick of the card's clock is meant to be.
	Tick drivercomm.Tick

	// OwnClock says that the card's clock is not the host's: it began at some number, and
	// runs a little faster or slower than it is meant to. Otherwise it counts the host's
	// time, and departures are exact.
	OwnClock bool

	// Bytes says that the card reads the bytes of what is sent, which are copied to the
	// transmit buffers then. Otherwise they are accounted for, and stay where they are.
	Bytes bool

	// Truncate has departures cut to ticks, as the original's driver does, and not rounded
	// up. Of a relative one it is the gap that is cut, and what is cut off is lost: up to a
	// tick a packet.
	Truncate bool

	// Ready is called when there is room again after Send reported that there was none.
	Ready func()

	// Received is called with what an Ethernet port of the card received, if that comes
	// by the card. The bytes must not be kept.
	Received func(port int, frame []byte)

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
	Ignored    uint64 // interrupts while it was down, and frames received before it was up
	Malformed  uint64 // messages from the card that are none
	BadStamps  uint64 // time stamps of these from before the first one
	Received   uint64 // frames that came by the card

	// Stalls: how often something had to wait.
	NoQuota  uint64 // a buffer, for the card's quota
	BusBusy  uint64 // a buffer, for the transfer under way to end
	NoBuffer uint64 // a packet, for a free buffer, or for the card's clock to be known
}

// Driver is the driver of one card. It is not safe for concurrent use: all of it runs on
// the clock's goroutine.
type Driver struct {
	clk    clock.Clock
	bus    *pci.Bus
	config Config
	state  state

	free     []*txbuf
	building *txbuf
	waiting  queue.Ring[*txbuf]

	transfer transfer
	copying  *txbuf     // to the card, now
	avail    bool       // the card has a message
	stamp    clock.Time // when it said so
	copied   clock.Time // when the last transfer to the card was complete
	rxQueue  int        // that the transfer under way comes from
	rxLen    int
	turn     bool // a frame was received, and a buffer may be sent before the next
	resetDue bool
	again    clock.Timer // for the next reset
	card     cardClock

	allowedSend int     // messages
	stalled     *uint64 // the counter of what attemptSend waits for; nil if it does not
	last        [drivercomm.MaxPorts]departure
	hits        []mark // of buffers that were copied, and are to be told
	full        bool   // Send reported that there was no room
	running     bool
	notifying   bool
	stats       Stats

	rxbuf [drivercomm.MaxDMA]byte
	reset *drivercomm.Message
	bufs  [txBuffers]txbuf
}

// departure is that of the last packet of a port, as it was asked for.
type departure struct {
	tick  uint64
	at    clock.Time
	known bool // there was one since the reset
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
	d := &Driver{clk: clk, bus: bus, config: config, reset: drivercomm.NewReset()}
	d.card.init(&d.config)
	d.again = clk.AfterFunc(betweenThese, d.askReset)
	d.again.Stop()
	d.free = make([]*txbuf, 0, txBuffers)
	for i := range d.bufs {
		if config.Bytes {
			d.bufs[i].Builder = drivercomm.NewBuilder()
		}
		d.free = append(d.free, &d.bufs[i])
	}
	return d
}

// A Packet is what Send takes.
type Packet struct {
	Port  int    // Ethernet port, below drivercomm.MaxPorts
	Bytes []byte // that are carried; the card sends zeros behind them. Only Config.Bytes has them read

	// Wire is how many bytes there are on the wire, without FCS: drivercomm.MinWire to
	// drivercomm.MaxWire, and no less than are carried.
	Wire int

	// Departure is when it shall leave, rounded up to a tick unless Config.Truncate is set.
	// If Relative, the card is told so by the gap to the packet in front of it in the port.
	Departure clock.Time
	Relative  bool
}

// Send takes a packet, and returns the tick that the card is asked for. It reports false
// if there is no room now, of which Config.Ready tells the end. What was sent may wait
// for more until Flush; nobody is called before.
func (d *Driver) Send(p *Packet) (tick uint64, ok bool) {
	if p.Wire < drivercomm.MinWire || p.Wire > drivercomm.MaxWire || len(p.Bytes) > p.Wire {
		panic("driver: a packet of that size cannot be sent")
	}
	if !d.card.known {
		return 0, d.refuse()
	}
	for d.building == nil || !d.building.Fits(len(p.Bytes)) {
		if !d.nextBuffer() {
			return 0, d.refuse()
		}
	}
	last := &d.last[p.Port]
	tick = d.card.tick(p.Departure)
	if d.config.Truncate && p.Relative && last.known && p.Departure >= last.at {
		tick = last.tick + d.config.Tick.Down(p.Departure-last.at)
	}
	if last.known && tick < last.tick {
		if p.Departure >= last.at {
			tick = last.tick // the clock's estimate has changed in between
		} else {
			d.stats.Disordered++
		}
	}
	h := drivercomm.Header{WireLen: uint16(p.Wire), Clock: tick, Absolute: true, Port: uint8(p.Port)}
	if p.Relative && last.known && tick >= last.tick {
		h.Clock, h.Absolute = tick-last.tick, false
	}
	d.building.Add(h, p.Bytes)
	*last = departure{tick, p.Departure, true}
	d.stats.Packets++
	return tick, true
}

// refuse notes that somebody waits for room.
func (d *Driver) refuse() bool {
	d.full = true
	d.stats.NoBuffer++
	return false
}

// Flush sends what there is, without waiting for more.
func (d *Driver) Flush() { d.run() }

// run does what there is to do, and tells those who wait for it.
func (d *Driver) run() {
	d.work()
	d.notify()
}

// work does what there is to do. A call from within, by a card that answers at once,
// leaves it to the outer one.
func (d *Driver) work() {
	if d.running {
		return
	}
	d.running = true
	for d.intr() || d.resetDue && d.attemptReset() || d.attemptTransfer() {
	}
	d.running = false
}

// attemptTransfer starts to receive or to send, if there is something and no transfer is
// under way. What the card has comes first, as it may have quota to give. But after a
// frame that a port received a buffer may be sent, if there is one.
func (d *Driver) attemptTransfer() bool {
	if d.turn && d.attemptSend() {
		d.turn = false
		return true
	}
	return d.attemptReceive() || d.attemptSend()
}

// notify tells markers of their hits, and the one above that there is room, if that one
// waits for it.
func (d *Driver) notify() {
	if d.running || d.notifying {
		return
	}
	d.notifying = true
	d.tell()
	for d.full && d.card.known && len(d.free) > 0 {
		d.full = false
		d.config.Ready()
		d.tell()
	}
	d.notifying = false
}

// Stats returns the counters.
func (d *Driver) Stats() Stats { return d.stats }

// Clock returns what the driver knows of the card's clock.
func (d *Driver) Clock() Clock { return d.card.stats(d.clk.Now()) }

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
		d.step(k, n)
	}
}

func (d *Driver) step(k Kind, n int) { d.config.Trace(Step{d.clk.Now(), k, n}) }
