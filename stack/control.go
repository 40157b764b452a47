package stack

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// control closes the loop of one TCP connection:
//
//	Arrived      an ACK is at the door: measured, and what it changes is paced at once
//	Update, ...  netstack has taken it in: the controller says the window
//	apply        the window is given to netstack, as far as little enough waits below
//	Departed     a segment has left: measured, and netstack is asked for more
//
// Arrived and Departed run on the clock's goroutine, and so do the commands to the packet
// scheduler, which has the pacer. Update and its like run where netstack processes segments, with the
// connection locked, and so does apply. mu is for what both sides use. Nobody waits for
// the connection's lock with mu held.
type control struct {
	host *Host
	ep   *tcp.Endpoint
	flow pacer.Flow
	snd  *tcp.TCPSenderState // of ep's lock

	writers *waiter.Queue // those that wait for room

	mu         sync.Mutex
	controller cc.Controller
	sampler    cc.Sampler // the controller, if it is one
	state      cc.Conn
	firstMSS   int // before anybody said that the path takes less
	meter      pacer.Meter
	usage      usage
	following  bool      // the pacer is a Follower
	recovering bool      // netstack sets the window
	bound      int       // of what waits for its departure, in bytes of payload; 0 for none
	boundFor   int64     // the pacer's rate that the bound is made for, in bit/s
	lead       int       // how far a writer may be ahead of what has left, in bytes of payload
	left       pacer.Seq // what comes before it has left
	window     int       // what netstack's window was last set to
	clamped    bool      // which was less than the controller's
	written    pacer.Seq // what comes before it was given to netstack
	full       bool      // a writer waits until more of that has left
	acked      pacer.Seq // what comes before it has been acknowledged
	out        outgoing

	// Of the clock's goroutine.
	status pacer.Status // of the flow, as the scheduler has said last

	// What is asked of the endpoint, made once.
	follow, push   func()
	follows, nagle atomic.Bool
	writing        atomic.Int32 // calls of Write
}

// leastPayload is what segments carry at least, in bytes, whatever the peer says that it can
// receive: an MSS of 256, Linux' min_adv_mss, less the options. A host must be able to
// receive 536 (RFC 879), and who announces a byte has each byte sent in a packet. A device may
// take less.
const leastPayload = 256 - 40

// newControl puts a controller in charge of a connection that has not sent anything yet.
func newControl(h *Host, ep *tcp.Endpoint, flow pacer.Flow, controller cc.Controller) (*control, error) {
	c := &control{host: h, ep: ep, flow: flow, controller: controller}
	c.sampler, _ = controller.(cc.Sampler)
	c.follow, c.push = c.runFollow, c.runPush
	h.touch()
	ep.LockUser()
	defer ep.UnlockUser()
	var err error
	if c.snd, err = install(ep, (*congestion)(c)); err != nil {
		return nil, err
	}
	const headers = 40 + 60 // of IPv6 and of TCP, with all options
	c.snd.MaxPayloadSize = max(c.snd.MaxPayloadSize, min(leastPayload, h.below.Info().MTU-headers))
	c.state = cc.Conn{Cwnd: c.snd.SndCwnd, Ssthresh: c.snd.Ssthresh}
	c.left = pacer.Seq(c.snd.SndNxt)
	c.written, c.usage.end = c.left, c.left
	c.acked, c.lead = pacer.Seq(c.snd.SndUna), mostLead
	c.window = c.snd.SndCwnd
	c.look()
	c.firstMSS = c.state.MSS
	return c, nil
}

// look takes in what netstack knows. Both locks are held.
func (c *control) look() {
	s := &c.state
	s.MSS = c.snd.MaxPayloadSize
	// After a timeout netstack starts from 0, and what was sent before counts it down.
	s.Outstanding = max(0, c.snd.Outstanding)
	s.Una, s.Nxt = pacer.Seq(c.snd.SndUna), pacer.Seq(c.snd.SndNxt)
	s.Now = c.host.clk.Now()
	if c.snd.SndCwnd != c.window { // netstack set it, after the connection was idle
		s.Cwnd = c.snd.SndCwnd
	}
}

// apply gives netstack the controller's window. Where more than the bound would wait for
// its departure, the window is narrower until some of it has left: netstack sends all that
// the window allows, and a sender's window must not be parked in its own pacer (Linux has
// TCP small queues for that). Both locks are held.
func (c *control) apply() {
	s := &c.state
	s.Cwnd = max(s.Cwnd, 1)
	window := s.Cwnd
	if c.bound > 0 {
		room := max(0, c.bound-s.Nxt.From(c.left))
		window = min(window, s.Outstanding+(room+s.MSS-1)/s.MSS)
	}
	c.clamped = window < s.Cwnd
	c.snd.Ssthresh, c.snd.SndCwnd, c.window = s.Ssthresh, window, window
}

// Handshake implements endpoint.Loop.
func (c *control) Handshake(rtt time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meter.Handshake(rtt)
	c.state.SRTT, c.state.MinRTT = rtt, rtt
}

// Arrived implements endpoint.Loop.
func (c *control) Arrived(s *pacer.Segment, now clock.Time) {
	if s.Flags&(pacer.FlagACK|pacer.FlagRST) != pacer.FlagACK {
		return
	}
	c.mu.Lock()
	sample := c.meter.Acked(s.Ack, s.SACK(), now)
	c.state.Now = now
	if sample.RTT > 0 {
		c.state.RTT = sample.RTT
		c.state.SRTT, c.state.MinRTT = c.meter.RTT(), c.meter.MinRTT()
	}
	if c.sampler != nil {
		c.sampler.Sample(&c.state, &sample)
	}
	all := c.acknowledged(s.Ack)
	c.mu.Unlock()
	if all {
		c.writers.Notify(waiter.WritableEvents)
	}
	c.repace()
}

// Departed implements endpoint.Loop.
func (c *control) Departed(seq, end pacer.Seq, sent clock.Optional, waiting int) link.Stop {
	c.mu.Lock()
	if at, ok := sent.Get(); ok {
		// All that was written has left: what is seen from here on is the application's rate.
		limited := waiting == 0 && !c.recovering && !end.Before(c.written)
		c.meter.Sent(seq, end, at, limited)
	}
	c.departed(seq, end, sent.IsSet())
	c.left = c.left.Later(end)
	writable := c.full && !c.ahead()
	if writable {
		c.full = false
	}
	more := c.clamped && c.state.Nxt.From(c.left) <= c.bound/2
	if more {
		c.clamped = false // asked for once
	}
	by := c.stopped()
	c.mu.Unlock()
	if more {
		c.host.kick(c)
	}
	if writable {
		c.writers.Notify(waiter.WritableEvents)
	}
	return by
}

// stopped returns who keeps more from waiting for its departure than does. mu is held.
func (c *control) stopped() link.Stop {
	switch {
	case c.left.Before(c.written): // netstack has it, if not the link
		if !c.recovering && c.window < c.state.Cwnd {
			return link.StopBound
		}
		return link.StopWindow
	case c.writing.Load() > 0:
		return link.StopWriter
	}
	return link.StopApplication
}

// mayLead returns how far a writer may be ahead of what has left, in bytes: no further than
// the window lets go in windowLead, and two windows for what it may grow. mu is held.
func (c *control) mayLead() int {
	s := &c.state
	if s.SRTT <= 0 || c.bound == 0 {
		return c.lead
	}
	window := s.Cwnd * s.MSS
	return max(2*c.bound, min(c.lead, 2*window+int(int64(window)*int64(windowLead)/int64(s.SRTT))))
}

// ahead returns whether a writer is too far ahead, or, where it waits already, has not come
// near enough yet: one that is stopped goes on when half of that is left. mu is held.
func (c *control) ahead() bool {
	most := c.mayLead()
	if c.full {
		most /= 2
	}
	return c.written.From(c.left) >= most
}

// room returns how many of n bytes a writer may write now; with 0 of them it has to wait
// until more has left. netstack alone takes what its send buffer has room for, and wakes a
// writer when half of it is free. What is not acknowledged is in there, and so with a buffer
// of two windows nothing would be left to send while a loss is repaired. Here the buffer is
// large, and what counts is what has not left (TCP_NOTSENT_LOWAT on Linux). A part of a
// block is whole segments, so that it is cut as all of it would be.
func (c *TCPConn) room(n int) int {
	if c.toSelf {
		return n
	}
	t := c.control
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.full = t.ahead(); t.full {
		return 0
	}
	room := t.mayLead() - t.written.From(t.left)
	if n <= room || t.state.MSS == 0 {
		return n
	}
	if room /= t.state.MSS; room == 0 {
		t.full = true
	}
	return room * t.state.MSS
}

// wrote notes that n bytes were given to netstack.
func (c *control) wrote(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written += pacer.Seq(n)
	c.out.written += int64(n)
}

// runPush has netstack send what the window allows now. It waits for the connection's
// lock.
func (c *control) runPush() {
	c.host.touch()
	c.ep.LockUser()
	c.mu.Lock()
	if !c.snd.FastRecovery.Active {
		c.look()
		c.apply()
	}
	c.mu.Unlock()
	c.ep.UnlockUser()
	// To switch Nagle's algorithm off is netstack's way to say: send what you have.
	c.ep.SocketOptions().SetDelayOption(false)
	if c.nagle.Load() {
		c.ep.SocketOptions().SetDelayOption(true)
	}
}

// congestion is a control as netstack's congestion control. The connection is locked.
type congestion control

// Update implements netstack's interface: packets were acknowledged, outside of recovery.
func (g *congestion) Update(packets int, _ time.Duration, _ tcpip.MonotonicTime) {
	c := (*control)(g)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	c.state.Limited = c.usage.seen(&c.state, c.snd.Outstanding+packets)
	c.controller.Ack(&c.state, packets)
	c.state.RTT = 0
	c.apply()
	c.askFollow()
}

// HandleLossDetected implements netstack's interface: fast recovery begins.
func (g *congestion) HandleLossDetected() {
	c := (*control)(g)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	c.recovering = true
	c.controller.Loss(&c.state)
	c.state.Ssthresh = max(c.state.Ssthresh, 1)
	c.snd.Ssthresh = c.state.Ssthresh
	c.askFollow()
}

// PostRecovery implements netstack's interface: fast recovery is over.
func (g *congestion) PostRecovery() {
	c := (*control)(g)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	c.recovering = false
	c.state.Cwnd = c.snd.SndCwnd
	c.controller.Recovered(&c.state)
	c.apply()
	c.askFollow()
}

// HandleRTOExpired implements netstack's interface. What follows is sent again from the
// first segment on that is not acknowledged.
func (g *congestion) HandleRTOExpired() {
	c := (*control)(g)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	c.recovering = false
	c.controller.Timeout(&c.state)
	c.state.Cwnd = max(c.state.Cwnd, 1)
	c.snd.Ssthresh, c.snd.SndCwnd, c.window = c.state.Ssthresh, c.state.Cwnd, c.state.Cwnd
	c.clamped = false
	c.askFollow()
}
