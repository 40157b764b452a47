package stack

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// A scheduler is the device below a host that asks pacers: a hold.Hold.
type scheduler interface {
	link.Device
	Do(pacer.Command) pacer.Status
}

// Bounds of what one connection has waiting for its departure: what it sends in a
// millisecond, as Linux has it, and at least two segments.
const (
	boundTime = time.Millisecond
	mostBound = 1 << 20 // bytes
)

// Bounds of how far a writer may be ahead of what has left: what is sent in that time, twice
// as much as may wait, and no more than mostLead beyond that. Where the window leads, much
// may be sent at once behind a loss.
const (
	rateLead   = 20 * time.Millisecond // at a rate that is given
	windowLead = 100 * time.Millisecond
	mostLead   = 512 << 10 // bytes
)

// pace says who asks for the departures: a command that sets a pacer, or changes its rate.
// It is called on the clock's goroutine.
func (c *control) pace(command pacer.Command) {
	if c.host.sched != nil {
		c.status = c.host.sched.Do(command)
	}
	c.mu.Lock()
	c.state.Paced, c.following = c.status.Paced, c.status.Follows
	c.bound = 0 // the one there was is another rate's
	c.mu.Unlock()
	c.repace()
}

// repace has the pacer follow the connection, and what waits asked about again.
func (c *control) repace() {
	command := pacer.Command{Flow: c.flow}
	if c.status.Follows {
		command.Op, command.Feedback = pacer.Follow, c.feedback()
	}
	if c.host.sched != nil {
		c.status = c.host.sched.Do(command)
	}
	if c.status.Follows || c.bound == 0 || c.boundFor != c.status.Rate {
		c.rebound()
	}
}

// rebound sets the bound of what waits to what the pacer's rate, or the line, sends in
// boundTime.
func (c *control) rebound() {
	if c.host.unbounded {
		return
	}
	rate, asked := c.host.Speed(), c.status.Rate
	if asked > 0 {
		rate = asked
	}
	bound, lead := int64(mostBound), int64(mostLead)
	c.mu.Lock()
	if rate > 0 {
		bound = min(bound, rate/8/int64(time.Second/boundTime))
		ahead := windowLead
		if c.status.Paced && !c.following {
			ahead = rateLead
		}
		lead = min(lead, rate/8/int64(time.Second/ahead))
	}
	c.bound, c.boundFor = max(int(bound), 2*c.state.MSS), asked
	c.lead = max(int(lead), 2*c.bound)
	c.mu.Unlock()
}

// askFollow has the pacer follow what the controller has said, with mu held.
func (c *control) askFollow() {
	if c.following && c.follows.CompareAndSwap(false, true) {
		c.host.ep.Before(c.follow)
	}
}

func (c *control) runFollow() {
	c.follows.Store(false)
	c.repace()
}

// feedback returns what is known of the connection, but for what waits for departure.
func (c *control) feedback() (fb pacer.Feedback) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.state
	mss := int64(s.MSS)
	fb.MSS = mss
	fb.Cwnd, fb.PacingRate = int64(s.Cwnd)*mss, s.PacingRate
	if c.recovering {
		fb.Cwnd = int64(s.Ssthresh) * mss
	}
	if s.Ssthresh != cc.NoSsthresh {
		fb.Ssthresh = int64(s.Ssthresh) * mss
	}
	c.meter.Fill(&fb)
	// In recovery the controller does not hear from netstack, and the link knows.
	fb.Outstanding = fb.InFlight + int64(max(0, s.Nxt.From(c.left)))
	return fb
}

// waiting returns how many bytes of payload netstack has sent that have not left. It waits
// for the connection's lock, and knows more than state, which is as of the last
// acknowledgement.
func (c *control) waiting() int64 {
	c.host.touch()
	c.ep.LockUser()
	next := pacer.Seq(c.snd.SndNxt)
	c.ep.UnlockUser()
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(max(0, next.From(c.left)))
}

// usage is whether a connection makes use of its window, as Linux finds it
// (tcp_is_cwnd_limited).
type usage struct {
	end     pacer.Seq // the next window begins here, the first one at the connection's first byte
	most    int       // packets outstanding, at the most, in this one
	limited bool      // they were as many as the window allowed
}

// seen notes how many packets were outstanding before an acknowledgement, and reports
// whether it is the window that limits the sender.
func (u *usage) seen(c *cc.Conn, outstanding int) bool {
	if !c.Una.Before(u.end) {
		*u = usage{end: c.Nxt}
	}
	u.most = max(u.most, outstanding)
	if outstanding >= c.Cwnd {
		u.limited = true
	}
	return u.limited || c.Cwnd < c.Ssthresh && c.Cwnd < 2*u.most
}
