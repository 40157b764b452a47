package nl

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// errFull says that a message must wait for room in the card.
var errFull = link.ErrFull

// lookAfter is how often the server looks after senders with marks that wait: whether each
// is still there, and has room for the answers that it had none for.
const lookAfter = 5 * time.Second

// peer is a sender as the clock's goroutine knows it: what its messages mean together, and
// its marks.
type peer struct {
	server *Server
	port   uint32

	// sender sets the marks in the card, nil before the first message and after
	// the peer was found dead.
	sender *netfpga.Sender
	fresh  bool     // sender has no packet yet that others could be relative to
	marks  int      // that wait in the card
	unsent []uint32 // marks that were reached, for whose MARK_HIT there was no room

	// The timing is kept beyond a peer's death: of what it sent, more may arrive.
	start  int64 // the date that absolute departures count from, ns since 1970
	delays []time.Duration
	turn   int            // of delays, the next
	last   clock.Optional // departure that was asked for last
}

// peer returns the sender with a port id. It returns an error if there are too many.
func (s *Server) peer(port uint32) (*peer, error) {
	p := s.peers[port]
	if p == nil {
		if len(s.peers) == maxPeers {
			s.dropDead()
		}
		if len(s.peers) == maxPeers {
			return nil, &Error{Code: NoRoom, Text: fmt.Sprintf("%d senders are being served", maxPeers)}
		}
		p = &peer{server: s, port: port}
		if s.original {
			p.start = s.epoch
		}
		s.peers[port] = p
	}
	p.flush()
	if p.sender == nil {
		p.sender = s.card.NewSender(netfpga.SenderConfig{Hit: p.hit, Ready: s.resume, Original: s.original})
		p.fresh = true
	}
	return p, nil
}

// do does what a message of the peer says. If it returns an error, it has changed nothing.
func (p *peer) do(r *request) error {
	switch r.Type {
	case Packet:
		return p.inject(&r.packet)
	case SimStart:
		p.start = r.start.UnixNano()
	case Delays:
		p.delays, p.turn = r.delays, 0
	case Mark:
		return p.mark(r.Seq)
	}
	return nil
}

// inject gives a packet to the card. What is relative stays so, as it makes a difference
// to the card if packets are late.
func (p *peer) inject(d *netfpga.Description) error {
	depart, err := p.departure(d)
	if err != nil {
		return err
	}
	relative := !d.Absolute
	injected := *d
	if last, ok := p.last.Get(); ok && relative && !p.fresh {
		injected.Departure = depart - last
	} else {
		injected.Departure, injected.Absolute = depart, true
	}
	if err := p.sender.Inject(&injected); err != nil {
		return err
	}
	p.last, p.fresh = clock.At(depart), false
	if relative && len(p.delays) > 0 {
		p.turn = (p.turn + 1) % len(p.delays)
	}
	p.server.stats.Packets++
	return nil
}

// departure returns when a packet shall leave, in the clock's time. A date before the
// clock's start is its start.
func (p *peer) departure(d *netfpga.Description) (clock.Time, error) {
	if d.Absolute {
		date := clock.Time(p.start)
		if d.Departure >= clock.Never-date {
			return 0, invalid("a departure of %d ns after the start is beyond the end of time", int64(d.Departure))
		}
		return max(0, date+d.Departure-clock.Time(p.server.epoch)), nil
	}
	base := p.last.Or(p.server.clk.Now())
	gap := d.Departure
	if len(p.delays) > 0 {
		delay := clock.Time(p.delays[p.turn])
		if gap >= clock.Never-delay {
			return 0, invalid("a gap of %d ns and a delay of %d are beyond the end of time", int64(gap), int64(delay))
		}
		gap += delay
	}
	if gap >= clock.Never-base {
		return 0, invalid("a gap of %d ns is beyond the end of time", int64(gap))
	}
	return base + gap, nil
}

// mark sets a mark behind the packet that the card got last.
func (p *peer) mark(seq uint32) error {
	if p.waiting() >= maxMarks {
		return &Error{Code: NoRoom, Text: fmt.Sprintf("%d marks wait", maxMarks)}
	}
	// It may be hit from within Mark.
	p.marks++
	if err := p.sender.Mark(seq); err != nil {
		p.marks--
		switch {
		case errors.Is(err, link.ErrFull):
			return &Error{Code: NoRoom, Text: "too many marks wait for one buffer"}
		case errors.Is(err, netfpga.ErrMarked):
			return &Error{Code: Busy, Text: "the transmit buffer has a mark"}
		}
		return err
	}
	p.server.stats.Marks++
	p.server.look(p)
	return nil
}

// hit is told by the card that a mark was reached.
func (p *peer) hit(seq uint32) {
	p.marks--
	p.unsent = append(p.unsent, seq)
	p.flush()
}

// flush sends the MARK_HITs for which there is room.
func (p *peer) flush() {
	s := p.server
	for len(p.unsent) > 0 {
		s.out = Append(s.out[:0], Header{Type: MarkHit, Seq: p.unsent[0]}, nil)
		switch err := s.sock.send(s.out, p.port, false); {
		case err == nil:
			s.stats.Hits++
			p.unsent = slices.Delete(p.unsent, 0, 1)
		case errors.Is(err, errGone):
			p.die()
			return
		default:
			s.look(p)
			return
		}
	}
}

// alive tells whether anybody has the peer's port id: nobody gets the message, which means
// nothing, if not.
func (p *peer) alive() bool {
	s := p.server
	s.out = Append(s.out[:0], Header{Type: noop, Port: s.sock.port}, nil)
	return !errors.Is(s.sock.send(s.out, p.port, false), errGone)
}

// die forgets the marks of a peer that was found dead.
func (p *peer) die() {
	p.server.stats.Gone++
	p.forget()
}

func (p *peer) forget() {
	if p.sender != nil {
		p.sender.Close()
		p.sender = nil
	}
	p.marks, p.unsent = 0, nil
	// If its packet waited for room, nobody is told of that any more.
	p.server.wake.Reset(0)
}

// waiting returns how many marks the peer has of which it is still to be told.
func (p *peer) waiting() int { return p.marks + len(p.unsent) }

// look sees to it that the server looks after a peer that has marks waiting.
func (s *Server) look(p *peer) {
	if !s.tending && p.waiting() > 0 {
		s.tending = true
		s.tend.Reset(lookAfter)
	}
}

// tendPeers forgets the marks of the peers that are dead, and tells the others of those
// that they had no room for.
func (s *Server) tendPeers() {
	s.tending = false
	for _, p := range s.peers {
		p.flush()
		if p.marks > 0 && !p.alive() {
			p.die()
		}
		s.look(p)
	}
}

// dropDead drops all that is known of peers that are dead.
func (s *Server) dropDead() {
	for port, p := range s.peers {
		if !p.alive() {
			p.forget()
			delete(s.peers, port)
		}
	}
}

// asError returns what an error says as the answer to a message.
func asError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, net.ErrClosed):
		return &Error{Code: Down}
	}
	return &Error{Code: Invalid, Text: err.Error()}
}
