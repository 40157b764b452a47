package firmware

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// host is the way of messages to the driver.
type host struct {
	g       *Generator
	timer   clock.Timer // for the first one to have left the card's memory
	offered bool        // it is

	waiting queue.Ring[*message]
	free    []*message
	bytes   int // in waiting
}

// message is one for the driver. Its memory is used again.
type message struct {
	tick  uint64 // when it leaves the card's memory
	bytes []byte
}

func (h *host) init(g *Generator) {
	h.g = g
	h.timer = g.clk.AfterFunc(time.Hour, h.offer)
	h.timer.Stop()
}

// push queues a message for the driver.
func (h *host) push(b []byte, tick uint64) {
	g := h.g
	switch {
	case len(b) > drivercomm.MaxDMA:
		g.stats.TooLong++
		return
	case h.bytes+size(len(b)) > queueBytes:
		g.stats.QueueFull++
		return
	}
	var m *message
	if n := len(h.free); n > 0 {
		m, h.free = h.free[n-1], h.free[:n-1]
	} else {
		m = &message{bytes: make([]byte, 0, drivercomm.Slot)}
	}
	m.tick, m.bytes = tick, append(m.bytes[:0], b...)
	h.bytes += size(len(b))
	h.waiting.Push(m)
	g.passed.Replies++
	if h.waiting.Len() == 1 {
		h.next()
	}
}

// pop takes out the first message.
func (h *host) pop() {
	m := h.waiting.Pop()
	h.bytes -= size(len(m.bytes))
	h.free = append(h.free, m)
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
