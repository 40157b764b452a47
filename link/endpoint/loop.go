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
	fl := e.flow(f)
	if fl.loop != nil {
		e.loops--
	}
	if fl.loop = l; l != nil {
		e.loops++
		if fl.opening.rtt > 0 {
			l.Handshake(fl.opening.rtt)
		}
	}
	e.forget(fl)
}

// listen tells the Loop of the flow that f answers.
func (e *Endpoint) listen(f *link.Frame) {
	ip := f.Bytes()[e.info.Header():]
	var ok bool
	if e.segment, ok = pacer.ParseSegment(ip); !ok {
		return
	}
	// What the frame says of itself may be another host's view.
	key, _ := pacer.Parse(ip)
	key = key.Reverse()
	fl := e.last
	if fl == nil || fl.key != key {
		fl = e.flows[key]
	}
	if fl == nil {
		return
	}
	if e.segment.Flags&pacer.FlagACK != 0 {
		fl.sequence.acked(e.segment.Ack)
	}
	switch {
	case fl.loop != nil:
		fl.loop.Arrived(&e.segment, e.clk.Now())
	case e.segment.Flags&pacer.FlagACK != 0:
		e.answered(fl)
	}
}

// handshake is the opening of a TCP flow from our side: a SYN, with or without ACK, and
// what answers it. It comes before the flow has a Loop, which is told when it has.
type handshake struct {
	sent clock.Optional // when the SYN left, as long as it is not answered
	rtt  time.Duration  // then this
	syns int            // more than one say nothing of the round trip (Karn)
}

// opened notes that a SYN of the flow has left.
func (e *Endpoint) opened(fl *flow, t clock.Time) {
	syns := fl.opening.syns + 1
	e.forget(fl)
	fl.opening.syns = syns
	if syns == 1 {
		fl.opening.sent = clock.At(t)
		e.opening++
	}
}

// answered notes that something has arrived that acknowledges.
func (e *Endpoint) answered(fl *flow) {
	if sent, ok := fl.opening.sent.Get(); ok {
		fl.opening.sent = clock.Optional{}
		fl.opening.rtt = e.clk.Now().Sub(sent)
		e.opening--
	}
}

// forget ends what is known of the flow's handshake.
func (e *Endpoint) forget(fl *flow) {
	if fl.opening.sent.IsSet() {
		e.opening--
	}
	fl.opening = handshake{}
}
