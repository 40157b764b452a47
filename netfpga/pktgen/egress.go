package pktgen

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// outputSlots is how many slots of the output memory are for packets. The rest is for
// messages to the driver.
const outputSlots = drivercomm.Slots - 2

// egress is the way of the packets to one Ethernet port.
type egress struct {
	g   *Generator
	n   int // of the port
	mac *mac.MAC

	jobs     queue.Ring[job]
	nextID   uint64
	freeOut  []*output
	prepared [outputSlots]*output // by id modulo its length
	sending  sending
	outputs  [outputSlots]output
}

// job is a packet to be prepared.
type job struct {
	in *input
	h  drivercomm.Header
	id uint64
}

// output is a slot of the output memory, the original's pkt_out. Its bytes, which nobody
// reads, are not kept: those that were carried, and zeros up to the length on the wire.
type output struct {
	clock    uint64 // departure, in ticks
	absolute bool
	wire     int // bytes on the wire, without FCS
}

func (e *egress) init(g *Generator, n int, m *mac.MAC) {
	e.g, e.n, e.mac = g, n, m
	e.freeOut = make([]*output, 0, outputSlots)
	e.sending.timer = g.clk.AfterFunc(time.Duration(clock.Never), e.imminent)
	e.sending.timer.Stop()
}

// work lets the threads of the port do what they can, and reports whether there was
// anything.
func (e *egress) work() (busy bool) {
	for !e.g.stopped && (e.prepareWork() || e.manageSending()) {
		busy = true
	}
	return busy
}

func (e *egress) push(in *input, h drivercomm.Header) {
	e.jobs.Push(job{in, h, e.nextID})
	e.nextID++
}

// prepareWork moves one packet to the output memory.
func (e *egress) prepareWork() bool {
	if e.jobs.Len() == 0 || len(e.freeOut) == 0 {
		return false
	}
	j := e.jobs.Pop()
	out := e.freeOut[len(e.freeOut)-1]
	e.freeOut = e.freeOut[:len(e.freeOut)-1]
	*out = output{j.h.Clock, j.h.Absolute, int(j.h.WireLen)}
	e.prepared[j.id%outputSlots] = out
	if j.in.refs--; j.in.refs == 0 {
		e.g.freeInput(j.in)
	}
	return true
}

// reset forgets everything that was not sent.
func (e *egress) reset(now uint64) {
	e.mac.Cancel()
	for e.jobs.Len() > 0 {
		e.jobs.Pop()
	}
	e.nextID = 0
	e.freeOut = e.freeOut[:0]
	for i := range e.outputs {
		e.freeOut = append(e.freeOut, &e.outputs[i])
	}
	e.prepared = [outputSlots]*output{}
	e.sending.reset(now)
}
