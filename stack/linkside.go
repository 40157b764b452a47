package stack

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// linkSide is the link's side of a loop, an endpoint.Loop. All its methods are called on the
// clock's goroutine.
type linkSide struct {
	*shared
	meter   pacer.Meter
	out     outgoing
	status  pacer.Status // of the flow, as the scheduler has said last
	boundAt int64        // the rate that the bounds are made for, in bit/s

	// Where netstack does not tell the first sequence number, the first segment does, and the
	// sides count from there.
	learns bool      // there was none yet
	origin pacer.Seq // that is 0 to the sides
}

func (l *linkSide) begin() {
	l.out.left, l.out.acked = l.first, l.first
	l.words.left.Store(l.first)
	l.words.lead.Store(mostLead)
	l.learns = l.host.layout != nil
}

// number returns what the other sides call a sequence number.
func (l *linkSide) number(s pacer.Seq) pacer.Seq { return pacer.Seq(s.From(l.origin)) }

// Handshake implements endpoint.Loop.
func (l *linkSide) Handshake(rtt time.Duration) {
	l.meter.Handshake(rtt)
	l.tell(measured{opening: true})
}

// tell leaves TCP's side what was measured.
func (l *linkSide) tell(m measured) {
	m.srtt, m.minRTT = l.meter.RTT(), l.meter.MinRTT()
	l.words.srtt.Store(int64(m.srtt))
	l.samples.put(m, join)
}

// Arrived implements endpoint.Loop.
func (l *linkSide) Arrived(s *pacer.Segment, now clock.Time) {
	if s.Flags&(pacer.FlagACK|pacer.FlagRST) != pacer.FlagACK {
		return
	}
	w := &l.words
	l.tell(measured{sample: l.meter.Acked(s.Ack, s.SACK(), now)})
	bytes := int64(0)
	if !l.learns {
		bytes = l.out.acknowledged(l.number(s.Ack), l.writtenTo())
	}
	if bytes > 0 && w.acked.Add(bytes) == w.written.Load() {
		l.leave(todoWake)
	}
	switch {
	case w.builtin.Load():
		l.leave(todoHear)
	case bytes > 0 && !w.recovering.Load():
		// netstack's Update is next, which hears of it and has repace called.
	case w.hears.Load():
		l.leave(todoHear)
	case l.status.Follows:
		l.askRepace()
	}
	if l.status.Paced && !l.status.Follows {
		l.repaceNow() // the rate may be another one by now, as a schedule's is
	}
}

// Departed implements endpoint.Loop.
func (l *linkSide) Departed(seq, end pacer.Seq, sent clock.Optional, waiting int) link.Stop {
	if l.learns {
		l.learns, l.origin = false, seq
	}
	w, written := &l.words, l.writtenTo()
	if at, ok := sent.Get(); ok {
		// All that was written has left: what is seen from here on is the application's rate.
		limited := waiting == 0 && !w.recovering.Load() && !l.number(end).Before(written)
		l.meter.Sent(seq, end, at, limited)
	}
	w.leftBytes.Add(l.out.departed(l.number(seq), l.number(end), sent.IsSet()))
	left := l.out.left
	w.left.Store(left)

	// The flags are read behind that: who sets one reads what has left behind it.
	todo := uint32(0)
	if w.clamped.Load() && w.next.Load().From(left) <= int(w.waiting.Load())/2 && w.clamped.CompareAndSwap(true, false) {
		todo |= todoPush
	}
	if w.full.Load() && written.From(left) < w.mayLead()/2 && w.full.CompareAndSwap(true, false) {
		todo |= todoWake
	}
	by := w.stopped(left, written)
	l.leave(todo)
	return by
}

// stopped returns who keeps more from waiting for its departure than does.
func (w *words) stopped(left, written pacer.Seq) link.Stop {
	switch {
	case left.Before(written): // netstack has it, if not the link
		if w.narrowed.Load() && !w.recovering.Load() {
			return link.StopBound
		}
		return link.StopWindow
	case w.writing.Load() > 0:
		return link.StopWriter
	}
	return link.StopApplication
}

// pace has the scheduler carry out a command that sets a pacer, or changes its rate.
func (l *linkSide) pace(c pacer.Command) {
	l.do(&c)
	l.words.waiting.Store(0) // what there was is another rate's
	l.repaceNow()
}

// do has the scheduler carry out a command.
func (l *linkSide) do(c *pacer.Command) {
	if l.host.sched == nil {
		return
	}
	l.status = l.host.sched.Do(*c)
	l.words.paced.Store(l.status.Paced)
	l.words.follows.Store(l.status.Follows)
}

// repaceNow has the pacer follow the connection, and what waits asked about again.
func (l *linkSide) repaceNow() {
	l.repaces.Store(false)
	c := pacer.Command{Flow: l.flow}
	if l.status.Follows {
		c.Op = pacer.Follow
		l.fill(&c.Feedback)
	}
	l.do(&c)
	l.rebound()
}

// rebound sets the bounds to what the rate of the pacer, or of the line, sends meanwhile.
func (l *linkSide) rebound() {
	s, w := &l.status, &l.words
	if l.host.unbounded || w.waiting.Load() != 0 && l.boundAt == s.Rate && !s.Follows {
		return
	}
	rate := l.host.Speed()
	if s.Rate > 0 {
		rate = s.Rate
	}
	b := boundsAt(rate, s.Paced && !s.Follows, int(w.mss.Load()))
	l.boundAt = s.Rate
	w.waiting.Store(int64(b.waiting))
	w.lead.Store(int64(b.lead))
}

// fill writes what is known of the connection into fb, but for what the scheduler knows.
func (l *linkSide) fill(fb *pacer.Feedback) {
	w := &l.words
	fb.MSS, fb.PacingRate = w.mss.Load(), w.rate.Load()
	fb.Cwnd, fb.Ssthresh = w.cwnd.Load(), w.ssthresh.Load()
	if w.recovering.Load() {
		fb.Cwnd = fb.Ssthresh
	}
	l.meter.Fill(fb)
	// In recovery the controller does not hear from netstack, and the link knows.
	fb.Outstanding = fb.InFlight + int64(max(0, w.next.Load().From(w.left.Load())))
}
