// Package pktgen is the packet generator on the card, in its native form: what the
// NetThreads program of tech doc section 5 does, under its names, by a machine whose
// instructions take no time.
//
// The life of a packet:
//
//	Receive        a message comes over the bus into a free input slot
//	popWork        its packets become jobs; the slot counts how many still need it
//	prepareWork    a job is copied to a free output slot, and put in its place in the
//	               prepared ring
//	manageSending  the sending thread takes them from the ring in order, and launches
//	               each when its departure is imminent
//	Sent           it has left the port, and the output slot is free
//
// An input slot whose packets are all prepared is free again. For every QuotaStep of
// these the generator tells the driver that it may send so many messages more.
//
// A departure is absolute or relative to the one before it. A packet that is late is
// sent at once, and so are those behind it that are late because of it: the generator
// catches up with the schedule at line rate.
package pktgen

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/internal/fifo"
	"github.com/netcaliper/caliper/netfpga/port"
	"github.com/netcaliper/caliper/pacer/clock"
)

// outputSlots is how many slots of the output memory are for packets. The rest is for
// messages to the driver.
const outputSlots = drivercomm.Slots - 2

// Horizon is how many ticks before its departure a packet is launched (tech doc
// section 5.1).
const Horizon = 5000

// Host is where messages to the driver go.
type Host interface {
	// Offer tells that there is a message. Its bytes must stay until Taken.
	Offer(msg []byte)
}

// Stats counts what the generator did.
type Stats struct {
	Messages  uint64 // that arrived
	Packets   uint64 // that were launched
	Late      uint64 // of these, after their departure had passed
	Replies   uint64 // messages to the driver
	Malformed uint64 // messages that contradict themselves
	InputFull uint64 // messages that were lost as no input slot was free
}

// input is a slot of the input memory.
type input struct {
	mem  [drivercomm.MaxDMA]byte
	msg  []byte // the message; nil in a free slot
	lent bool   // msg is still the bus's memory and not mem
	refs int    // packets in it that are not prepared yet
}

// output is a slot of the output memory, the original's pkt_out.
type output struct {
	mem [drivercomm.MaxDMA]byte
	h   drivercomm.Header
}

// job is a packet to be prepared.
type job struct {
	in  *input
	h   drivercomm.Header
	off int // of its bytes in the message
	id  uint64
}

// Generator is the native packet generator. It is not safe for concurrent use: all of it
// runs on the clock's goroutine.
type Generator struct {
	clk  clock.Clock
	tick drivercomm.Tick
	port *port.Port
	host Host

	inputs   [drivercomm.Slots]input
	freeIn   []*input
	arrived  fifo.Queue[*input]
	jobs     fifo.Queue[job]
	nextID   uint64
	outputs  [outputSlots]output
	freeOut  []*output
	prepared [outputSlots]*output // by id modulo its length
	running  bool
	at       clock.Time // of this run
	stopped  bool
	sending  sending
	quota    quota
	stats    Stats
}

// New returns a generator that has nothing to send.
func New(clk clock.Clock, tick drivercomm.Tick, p *port.Port, host Host) *Generator {
	g := &Generator{clk: clk, tick: tick, port: p, host: host}
	g.freeIn = make([]*input, 0, drivercomm.Slots)
	g.freeOut = make([]*output, 0, outputSlots)
	g.sending.timer = clk.AfterFunc(time.Hour, g.imminent)
	g.sending.timer.Stop()
	g.reset(clk.Now())
	return g
}

// Receive implements pci.Card: a message from the driver has arrived.
func (g *Generator) Receive(msg []byte) {
	if g.stopped {
		return
	}
	g.stats.Messages++
	if len(g.freeIn) == 0 {
		g.stats.InputFull++
		return
	}
	if len(msg) > drivercomm.MaxDMA {
		g.stats.Malformed++
		return
	}
	in := g.freeIn[len(g.freeIn)-1]
	g.freeIn = g.freeIn[:len(g.freeIn)-1]
	in.msg, in.lent = msg, true
	g.arrived.Push(in)
	g.wake()
	if in.lent { // else the slot is free again, and the copy was saved
		in.msg, in.lent = in.mem[:copy(in.mem[:], msg)], false
	}
}

// wake lets every thread do what it can. A call from within, by a part that answers at
// once, leaves the work to the outer one.
func (g *Generator) wake() {
	if !g.running {
		g.run(unread)
	}
}

func (g *Generator) run(at clock.Time) {
	g.running, g.at = true, at
	for !g.stopped && (g.popWork() || g.prepareWork() || g.manageSending() || g.sendSpecial()) {
	}
	g.running = false
}

// unread stands for a time that nobody has asked the clock for.
const unread clock.Time = -1

// now returns the time. The clock is asked at most once a run.
func (g *Generator) now() clock.Time {
	if g.at == unread {
		g.at = g.clk.Now()
	}
	return g.at
}

// popWork turns the oldest message into jobs.
func (g *Generator) popWork() bool {
	if g.arrived.Len() == 0 {
		return false
	}
	in := g.arrived.Pop()
	switch drivercomm.TypeOf(in.msg) {
	case drivercomm.Reset:
		g.reset(g.now())
		g.quota.answer = true
		return true
	case drivercomm.Packets:
		g.processPackets(in)
	default:
		g.stats.Malformed++
	}
	if in.refs == 0 {
		g.freeInput(in)
	}
	return true
}

// processPackets queues a job for every packet of a message. What is in front of a
// contradiction is still sent.
func (g *Generator) processPackets(in *input) {
	for off := drivercomm.FirstPacket; ; {
		h, _, ok := drivercomm.Packet(in.msg, off)
		if !ok {
			g.stats.Malformed++
			return
		}
		in.refs++
		g.jobs.Push(job{in, h, off + drivercomm.HeaderLen, g.nextID})
		g.nextID++
		if h.Next == 0 {
			return
		}
		off += h.Next
	}
}

// prepareWork copies one packet to the output memory. What is on the wire beyond the
// bytes that were carried is zero.
func (g *Generator) prepareWork() bool {
	if g.jobs.Len() == 0 || len(g.freeOut) == 0 {
		return false
	}
	j := g.jobs.Pop()
	out := g.freeOut[len(g.freeOut)-1]
	g.freeOut = g.freeOut[:len(g.freeOut)-1]
	out.h = j.h
	n := copy(out.mem[:], j.in.msg[j.off:j.off+j.h.Len])
	clear(out.mem[n:j.h.WireLen])
	g.prepared[j.id%outputSlots] = out
	if j.in.refs--; j.in.refs == 0 {
		g.freeInput(j.in)
	}
	return true
}

func (g *Generator) freeInput(in *input) {
	in.msg, in.lent = nil, false
	g.freeIn = append(g.freeIn, in)
	g.quota.freed++
}

// reset forgets everything that was not sent.
func (g *Generator) reset(now clock.Time) {
	g.port.Cancel()
	for g.arrived.Len() > 0 {
		g.arrived.Pop()
	}
	for g.jobs.Len() > 0 {
		g.jobs.Pop()
	}
	g.freeIn, g.freeOut = g.freeIn[:0], g.freeOut[:0]
	for i := range g.inputs {
		in := &g.inputs[i]
		in.msg, in.lent, in.refs = nil, false, 0
		g.freeIn = append(g.freeIn, in)
	}
	for i := range g.outputs {
		g.freeOut = append(g.freeOut, &g.outputs[i])
	}
	g.prepared = [outputSlots]*output{}
	g.nextID = 0
	g.sending.reset(g.tick.Down(now))
	g.quota = quota{}
}

// Stop ends the generator: nothing more is launched or offered.
func (g *Generator) Stop() {
	g.reset(g.clk.Now())
	g.stopped = true
}

// Stats returns the counters.
func (g *Generator) Stats() Stats { return g.stats }
