package firmware

import (
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// queueBytes is what a queue holds: an eighth of the card's SRAM, 512 K words of 8 bytes.
const queueBytes = 512 << 10

// size returns what a packet of n bytes takes of a queue: a word for its header, and whole
// words.
func size(n int) int { return 8 + (n+7)&^7 }

// launched is a packet that the program has launched.
type launched struct {
	tick  uint64 // when it leaves the card's memory, if no line keeps it
	bytes int    // on the wire, without FCS
}

// egress is the way of packets to an Ethernet port. The queue has those that the machine, ahead
// of the clock, has launched.
type egress struct {
	g     *Generator
	n     int // of the port
	mac   *mac.MAC
	taken mac.Occupancy // of its line, with all that was launched

	waiting queue.Ring[launched]
	bytes   int // in waiting
}

// free returns the first tick at which the line is free for what is launched next. A machine
// in real time, which may be behind the port, has but its own frames on it.
func (e *egress) free() uint64 {
	if !e.g.real && e.mac.Free() > e.taken.Free() { // the device below had no room for a time
		e.taken = e.mac.Occupancy()
	}
	return e.taken.Free()
}

// push has a packet leave by the port.
func (e *egress) push(b []byte, tick uint64) {
	g := e.g
	g.passed.Packets++
	if len(b) > drivercomm.MaxWire {
		g.stats.TooLong++
		return
	}
	room := e.bytes+size(len(b)) <= queueBytes
	if room {
		e.bytes += size(len(b))
		e.waiting.Push(launched{tick, len(b)})
	} else {
		g.stats.QueueFull++
	}
	g.config.Launched(e.n, b, tick, !room)
	if room && e.waiting.Len() == 1 {
		e.launch(g.clk.Now())
	}
}

// pop takes out the first packet.
func (e *egress) pop() { e.bytes -= size(e.waiting.Pop().bytes) }

// launch gives the first packet to the MAC.
func (e *egress) launch(now clock.Time) {
	p := e.waiting.First()
	e.mac.Launch(p.bytes, p.tick, now)
}

// Sent implements mac.Sender: the first packet has left.
func (e *egress) Sent(now clock.Time) {
	if e.waiting.Len() == 0 { // stopped from within
		return
	}
	e.pop()
	if e.waiting.Len() > 0 {
		e.launch(now)
	}
}

func (e *egress) stop() {
	e.mac.Cancel()
	for e.waiting.Len() > 0 {
		e.pop()
	}
}
