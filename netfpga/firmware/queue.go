package firmware

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/port"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// queueBytes is what a store holds: an eighth of the card's SRAM, 512 K words of 8 bytes.
const queueBytes = 512 << 10

// size returns what a packet takes of a store: a word for its header, and whole words.
func size(b []byte) int { return 8 + (len(b)+7)&^7 }

// packet has left the card's memory, or will.
type packet struct {
	tick  uint64 // when, if no line keeps it
	bytes []byte
}

// store keeps packets in SRAM. They are its own and are used again.
type store struct {
	waiting queue.Ring[*packet]
	free    []*packet
	bytes   int // in waiting
}

// push puts a copy of a packet in, and reports whether there was room.
func (s *store) push(b []byte, tick uint64) bool {
	if s.bytes+size(b) > queueBytes {
		return false
	}
	var p *packet
	if n := len(s.free); n > 0 {
		p, s.free = s.free[n-1], s.free[:n-1]
	} else {
		p = &packet{bytes: make([]byte, 0, drivercomm.Slot)}
	}
	p.tick, p.bytes = tick, append(p.bytes[:0], b...)
	s.bytes += size(b)
	s.waiting.Push(p)
	return true
}

// pop takes out the first packet.
func (s *store) pop() {
	p := s.waiting.Pop()
	s.bytes -= size(p.bytes)
	s.free = append(s.free, p)
}

// lane is the way of packets to an Ethernet port. The queue has those that the machine, ahead
// of the clock, has launched.
type lane struct {
	store
	g     *Generator
	mac   int
	port  *port.Port
	taken port.Occupancy // of its line, with all that was launched
}

// free returns the first tick at which the line is free for what is launched next. A machine
// in real time, which may be behind the port, has but its own frames on it.
func (l *lane) free() uint64 {
	if !l.g.real && l.port.Free() > l.taken.Free() { // the device below had no room for a time
		l.taken = l.port.Occupancy()
	}
	return l.taken.Free()
}

// push has a packet leave by the port.
func (l *lane) push(b []byte, tick uint64) {
	g := l.g
	g.passed.Packets++
	if len(b) > drivercomm.MaxWire {
		g.stats.TooLong++
		return
	}
	pushed := l.store.push(b, tick)
	g.config.Launched(l.mac, b, tick, !pushed)
	switch {
	case !pushed:
		g.stats.QueueFull++
	case l.waiting.Len() == 1:
		l.launch(g.clk.Now())
	}
}

// launch gives the first packet to the port.
func (l *lane) launch(now clock.Time) {
	p := l.waiting.First()
	l.port.Launch(p.bytes, p.tick, now)
}

// Sent implements port.Sender: the first packet has left.
func (l *lane) Sent(now clock.Time) {
	if l.waiting.Len() == 0 { // stopped from within
		return
	}
	l.pop()
	if l.waiting.Len() > 0 {
		l.launch(now)
	}
}

func (l *lane) stop() {
	l.port.Cancel()
	for l.waiting.Len() > 0 {
		l.pop()
	}
}

// host is the way of messages to the driver.
type host struct {
	store
	g       *Generator
	timer   clock.Timer // for the first one to have left the card's memory
	offered bool        // it is
}

func (h *host) init(g *Generator) {
	h.g = g
	h.timer = g.clk.AfterFunc(time.Hour, h.offer)
	h.timer.Stop()
}

// push queues a message for the driver.
func (h *host) push(b []byte, tick uint64) {
	switch g := h.g; {
	case len(b) > drivercomm.MaxDMA:
		g.stats.TooLong++
	case !h.store.push(b, tick):
		g.stats.QueueFull++
	default:
		g.passed.Replies++
		if h.waiting.Len() == 1 {
			h.next()
		}
	}
}

// next sets the timer for the first message.
func (h *host) next() {
	h.timer.ResetAt(h.g.counter.Time(h.waiting.First().tick))
}

func (h *host) offer() {
	h.offered = true
	h.g.config.Bus.Offer(h.waiting.First().bytes)
}

// Taken tells that the driver has the message that was offered.
func (g *Generator) Taken() {
	h := &g.host
	if !h.offered {
		return
	}
	h.offered = false
	h.pop()
	if h.waiting.Len() > 0 {
		h.next()
	}
}

// stop forgets all messages. The one that was offered is the bus's until that stops, too.
func (h *host) stop() {
	h.timer.Stop()
	h.offered = false
	for h.waiting.Len() > 0 {
		h.pop()
	}
}
