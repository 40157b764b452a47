package pktgen

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/port"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// outputSlots is how many slots of the output memory are for packets. The rest is for
// messages to the driver.
const outputSlots = drivercomm.Slots - 2

// lane is the way of the packets to one Ethernet port.
type lane struct {
	g    *Generator
	mac  int
	port *port.Port

	jobs     queue.Ring[job]
	nextID   uint64
	freeOut  []*output
	prepared [outputSlots]*output // by id modulo its length
	sending  sending
	outputs  [outputSlots]output
}

// job is a packet to be prepared.
type job struct {
	in  *input
	h   drivercomm.Header
	off int // of its bytes in the message
	id  uint64
}

// output is a slot of the output memory, the original's pkt_out.
type output struct {
	clock    uint64 // departure, in ticks
	absolute bool
	end      int                   // of the packet in mem
	mem      [drivercomm.Slot]byte // an IOQ header, and the bytes of the wire
}

func (l *lane) init(g *Generator, mac int, p *port.Port) {
	l.g, l.mac, l.port = g, mac, p
	l.freeOut = make([]*output, 0, outputSlots)
	l.sending.timer = g.clk.AfterFunc(time.Duration(clock.Never), l.imminent)
	l.sending.timer.Stop()
}

// work lets the threads of the lane do what they can, and reports whether there was
// anything.
func (l *lane) work() (busy bool) {
	for !l.g.stopped && (l.prepareWork() || l.manageSending()) {
		busy = true
	}
	return busy
}

func (l *lane) push(in *input, h drivercomm.Header, off int) {
	l.jobs.Push(job{in, h, off, l.nextID})
	l.nextID++
}

// prepareWork copies one packet to the output memory, behind a header that names its
// port. What is on the wire beyond the bytes that were carried is zero.
func (l *lane) prepareWork() bool {
	if l.jobs.Len() == 0 || len(l.freeOut) == 0 {
		return false
	}
	j := l.jobs.Pop()
	out := l.freeOut[len(l.freeOut)-1]
	l.freeOut = l.freeOut[:len(l.freeOut)-1]
	out.clock, out.absolute = j.h.Clock, j.h.Absolute
	out.end = drivercomm.IOQHeader + int(j.h.WireLen)
	drivercomm.NewIOQ(drivercomm.MACBit(l.mac), int(j.h.WireLen)).Put(out.mem[:])
	wire := out.mem[drivercomm.IOQHeader:out.end]
	clear(wire[copy(wire, j.in.msg[j.off:j.off+int(j.h.Len)]):])
	l.prepared[j.id%outputSlots] = out
	if j.in.refs--; j.in.refs == 0 {
		l.g.freeInput(j.in)
	}
	return true
}

// reset forgets everything that was not sent.
func (l *lane) reset(now uint64) {
	l.port.Cancel()
	for l.jobs.Len() > 0 {
		l.jobs.Pop()
	}
	l.nextID = 0
	l.freeOut = l.freeOut[:0]
	for i := range l.outputs {
		l.freeOut = append(l.freeOut, &l.outputs[i])
	}
	l.prepared = [outputSlots]*output{}
	l.sending.reset(now)
}
