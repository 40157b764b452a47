package endpoint

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Loop hears, on the clock's goroutine, what happens to a TCP flow at the link. It must
// not use the flow's socket: another goroutine may hold its lock and wait.
type Loop interface {
	// Departed tells that the data with the sequence numbers from seq to end, end not
	// included, has left at the time sent, or was dropped before, when there is none; and how
	// many frames of the flow still wait. It returns who keeps more from being there.
	Departed(seq, end pacer.Seq, sent clock.Optional, waiting int) link.Stop

	// Handshake tells the round trip of the flow's handshake, before all else, if it was
	// answered at the first attempt.
	Handshake(rtt time.Duration)

	// Arrived tells of a segment of the other direction before it is given to the stack. It
	// must not keep s.
	Arrived(s *pacer.Segment, now clock.Time)
}

// Listen has l hear of the flow f from now on; nil ends it. It is called on the clock's
// goroutine.
func (e *Endpoint) Listen(f pacer.Flow, l Loop) {
	fl := e.flows.get(f)
	e.flows.listen(fl, l)
	if l != nil && fl.opening.rtt > 0 {
		l.Handshake(fl.opening.rtt)
	}
	e.flows.open(fl, handshake{})
}

// listen tells the Loop of the flow that a TCP packet answers, which has been parsed.
func (e *Endpoint) listen(key pacer.Flow, size pacer.Size, tcp []byte) {
	if !e.segment.Read(tcp, size) {
		return
	}
	fl := e.flows.find(key.Reverse())
	if fl == nil {
		return
	}
	ack := e.segment.Flags&pacer.FlagACK != 0
	if ack {
		fl.sequence.acked(e.segment.Ack)
	}
	switch {
	case fl.loop != nil:
		fl.loop.Arrived(&e.segment, e.clk.Now())
	case ack:
		e.flows.open(fl, fl.opening.answered(e.clk.Now()))
	}
}
