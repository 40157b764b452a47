// Package pktgen is the packet generator on the card, in its native form: what the
// NetThreads program of tech doc section 5 does, under its names, by a machine whose
// instructions take no time.
//
// The life of a packet:
//
//	Receive        a message comes over the bus into a free input slot
//	popWork        its packets become jobs; the slot counts how many still need it
//	prepareWork    a job moves to a free output slot, and to its place in the prepared ring
//	manageSending  the sending thread takes them from the ring in order, and launches
//	               each when its departure is imminent
//	Sent           it has left the port, and the output slot is free
//
// The slots hold what the generator has to know of packets. Their bytes stay where they are,
// in the frames of the host, as nothing here reads them.
//
// An input slot whose packets are all prepared is free again. For every QuotaStep of
// these the generator tells the driver that it may send so many messages more.
//
// Each Ethernet port has an egress: jobs, output slots and a sending thread of its own, so
// that ports do not wait for each other. The input slots are shared.
//
// A departure is absolute or relative to the one before it in the port. What becomes of a
// packet that is late is a policy, Late.
package pktgen

import (
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// Config sets up a Generator.
type Config struct {
	Counter drivercomm.Counter
	MACs    []*mac.MAC // of Ethernet port 0 and on, at most drivercomm.MaxPorts
	Host    Host
	Late    Late

	// Dropped is called with the port of a packet that is dropped as it is late. It may
	// be nil.
	Dropped func(port int)
}

// Host is where messages to the driver go.
type Host interface {
	// Offer tells that there is a message. Its bytes must stay until Taken.
	Offer(msg []byte)
}

// Stats counts what the generator did.
type Stats struct {
	Messages  uint64 // that arrived
	Packets   uint64 // that were launched
	Replies   uint64 // messages to the driver
	InputFull uint64 // messages that were lost as no input slot was free

	// Late counts the packets whose departure had passed when it was their turn. It is
	// the sum of CaughtUp, sent at once to catch up with the schedule; Moved, with which
	// the schedule began anew; and Dropped.
	Late, CaughtUp, Moved, Dropped uint64
}

// input is a slot of the input memory.
type input struct {
	typ     drivercomm.Type
	packets []drivercomm.Header // of the message
	refs    int                 // packets in it that are not prepared yet
}

// Generator is the native packet generator. It is not safe for concurrent use: all of it
// runs on the clock's goroutine.
type Generator struct {
	clk     clock.Clock
	counter drivercomm.Counter
	late    Late
	dropped func(int)

	ports   []egress
	arrived queue.Ring[*input]
	freeIn  []*input
	running bool
	stopped bool
	at      clock.Optional // of this run, once somebody has asked the clock
	quota   quota
	stats   Stats
	inputs  [drivercomm.Slots]input
}

// New returns a generator that has nothing to send.
func New(clk clock.Clock, config Config) *Generator {
	g := &Generator{clk: clk, counter: config.Counter, late: config.Late, dropped: config.Dropped}
	g.quota.host = config.Host
	g.freeIn = make([]*input, 0, drivercomm.Slots)
	g.ports = make([]egress, len(config.MACs))
	for i := range g.ports {
		g.ports[i].init(g, i, config.MACs[i])
	}
	g.reset(clk.Now())
	return g
}

// Sender returns what a port tells that its frame has left.
func (g *Generator) Sender(port int) mac.Sender { return &g.ports[port] }

// Receive takes a message from the driver, which has arrived over the bus. It is not kept.
func (g *Generator) Receive(msg *drivercomm.Message) {
	if g.stopped {
		return
	}
	g.stats.Messages++
	if len(g.freeIn) == 0 {
		g.stats.InputFull++
		return
	}
	in := g.freeIn[len(g.freeIn)-1]
	g.freeIn = g.freeIn[:len(g.freeIn)-1]
	in.typ, in.packets = msg.Type, append(in.packets[:0], msg.Packets...)
	g.arrived.Push(in)
	g.wake()
}

// wake lets every thread do what it can. A call from within, by a part that answers at
// once, leaves the work to the outer one.
func (g *Generator) wake() {
	if !g.running {
		g.run(clock.Optional{})
	}
}

func (g *Generator) run(at clock.Optional) {
	g.running, g.at = true, at
	for busy := true; busy && !g.stopped; {
		busy = g.popWork()
		for i := range g.ports {
			busy = g.ports[i].work() || busy
		}
		busy = g.sendSpecial() || busy
	}
	g.running = false
}

// now returns the time. The clock is asked at most once a run.
func (g *Generator) now() clock.Time {
	at, ok := g.at.Get()
	if !ok {
		at = g.clk.Now()
		g.at = clock.At(at)
	}
	return at
}

// popWork turns the oldest message into jobs.
func (g *Generator) popWork() bool {
	if g.arrived.Len() == 0 {
		return false
	}
	in := g.arrived.Pop()
	if in.typ == drivercomm.Reset {
		g.reset(g.now())
		g.quota.answer = true
		return true
	}
	in.refs = len(in.packets)
	for _, h := range in.packets {
		g.ports[h.Port].push(in, h)
	}
	return true
}

func (g *Generator) freeInput(in *input) {
	g.freeIn = append(g.freeIn, in)
	g.quota.freed++
}

// reset forgets everything that was not sent.
func (g *Generator) reset(now clock.Time) {
	for g.arrived.Len() > 0 {
		g.arrived.Pop()
	}
	g.freeIn = g.freeIn[:0]
	for i := range g.inputs {
		in := &g.inputs[i]
		in.refs = 0
		g.freeIn = append(g.freeIn, in)
	}
	for i := range g.ports {
		g.ports[i].reset(g.counter.Down(now))
	}
	g.quota = quota{host: g.quota.host}
}

// Stop ends the generator: nothing more is launched or offered.
func (g *Generator) Stop() {
	g.reset(g.clk.Now())
	g.stopped = true
}

// Stats returns the counters.
func (g *Generator) Stats() Stats { return g.stats }
