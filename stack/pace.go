package stack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// checkControl returns an error if connections cannot have the controller that the host
// was made for.
func (h *Host) checkControl() error {
	if err := checkLayout(); err != nil {
		return err
	}
	if h.congestion == nil {
		h.congestion = func() cc.Controller { return new(cc.Cubic) }
	}
	if h.pacing != nil && h.sched == nil {
		return errNoHold
	}
	return h.mayControl(h.congestion())
}

// mayControl returns an error if no connection of the host can have the controller.
func (h *Host) mayControl(controller cc.Controller) error {
	_, needs := controller.(cc.Pacing)
	switch {
	case controller == nil:
		return errNoController
	case needs && h.sched == nil:
		return errNoPacer
	}
	return nil
}

var (
	errNoController = errors.New("there is no congestion controller: take one that cc.New returns, or one of your own")
	errNoPacer      = errors.New("the congestion controller needs a pacer: put a hold.Hold on top of the devices")
	errNoHold       = errors.New("nobody can pace: put a hold.Hold on top of the devices")
)

// takeControl gives a new connection its congestion controller and its pacer.
func (c *TCPConn) takeControl() error {
	ep, ok := c.ep.(*tcp.Endpoint)
	if !ok {
		return fmt.Errorf("%T is no TCP connection of netstack", c.ep)
	}
	h, controller := c.host, c.host.congestion()
	if err := h.mayControl(controller); err != nil {
		return err
	}
	var p pacer.Pacer
	if h.pacing != nil {
		p = h.pacing()
	}
	if _, needs := controller.(cc.Pacing); needs && p == nil {
		p = h.delivery()
	}
	var err error
	if c.control, err = newControl(h, ep, c.flow(), controller); err != nil {
		return err
	}
	h.ep.Before(func() {
		h.ep.Listen(c.control.flow, c.control)
		c.control.start()
		c.control.pace(pacer.Pace(c.control.flow, p))
	})
	return nil
}

// delivery returns the pacer of a controller that brings none.
func (h *Host) delivery() pacer.Pacer {
	return &pacer.Delivery{Rate: pacer.Rate{Line: h.Speed()}}
}

// forgetAtEnd has the connection's loop forgotten when TCP has sent all that was written
// and has hung up.
func (c *TCPConn) forgetAtEnd() {
	entry := waiter.NewFunctionEntry(waiter.EventHUp, func(waiter.EventMask) {
		h, flow := c.host, c.control.flow
		h.ep.After(func() {
			h.ep.Listen(flow, nil)
			if h.sched != nil {
				h.sched.Do(pacer.Command{Op: pacer.Forget, Flow: flow})
			}
		})
	})
	c.queue.EventRegister(&entry)
}

// SetCongestion gives the connection another congestion controller, which goes on with the
// window that there is. It returns an error if the controller needs a pacer and the host's
// device is no hold.Hold; if nobody paces the connection yet, pacer.Delivery does.
func (c *TCPConn) SetCongestion(controller cc.Controller) error {
	err := c.usable()
	if err == nil {
		err = c.host.mayControl(controller)
	}
	if err != nil {
		return c.fail("set congestion control", err)
	}
	c.control.replace(controller)
	_, needs := controller.(cc.Pacing)
	c.host.ep.Before(func() {
		if needs && !c.control.status.Paced {
			c.control.pace(pacer.Pace(c.control.flow, c.host.delivery()))
		} else {
			c.control.repace()
		}
	})
	return nil
}

// SetPacing says who asks for the departures of what the connection sends, from the next
// one on, also of what waits already; nil means nobody. p belongs to the host from then
// on. It returns an error if the host's device is no hold.Hold, or if nobody shall pace and
// the congestion controller needs it.
func (c *TCPConn) SetPacing(p pacer.Pacer) error {
	if err := c.mayPace(p); err != nil {
		return c.fail("pace", err)
	}
	c.host.ep.Before(func() { c.control.pace(pacer.Pace(c.control.flow, p)) })
	return nil
}

func (c *TCPConn) mayPace(p pacer.Pacer) error {
	if err := c.usable(); err != nil {
		return err
	}
	switch {
	case c.host.sched == nil && p != nil:
		return errNoHold
	case p == nil && c.control.needsPacer():
		return errors.New("the congestion controller of the connection needs a pacer")
	}
	return nil
}

// SetPacingRate paces the connection by a constant rate in bit/s, counted in the given
// unit. If it is paced by a rate in that unit already, it is that rate which changes, and
// the schedule goes on without a break.
func (c *TCPConn) SetPacingRate(bps int64, unit pacer.Unit) error {
	p, err := pacer.NewRate(bps, unit)
	if err == nil {
		err = c.mayPace(p)
	}
	if err != nil {
		return c.fail("pace", err)
	}
	command := pacer.Command{Op: pacer.ChangeRate, Flow: c.control.flow,
		Policy: pacer.Policy{Kind: pacer.PacedByRate, BitsPerSecond: bps, Unit: unit}}
	c.host.ep.Before(func() { c.control.pace(command) })
	return nil
}

// Feedback returns what is known of the connection: the state of its loop. In real time it
// must not be called from the clock's goroutine.
func (c *TCPConn) Feedback() (fb pacer.Feedback) {
	h := c.host
	fb = c.control.feedback()
	fb.Outstanding = fb.InFlight + c.control.waiting()
	h.onClock(func() {
		fb.NextDeparture = clock.Never
		if h.sched != nil {
			s := h.sched.Do(pacer.Command{Flow: c.control.flow})
			fb.Rate, fb.Queued, fb.NextDeparture = s.Rate, s.Bytes, s.NextDeparture
		}
	})
	return fb
}

// replace puts another controller in charge.
func (c *control) replace(controller cc.Controller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.controller = controller
	c.sampler, _ = controller.(cc.Sampler)
	c.state.PacingRate = 0
	c.startLocked()
}

// start has the controller say the rate of its first window, if it says rates.
func (c *control) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
}

func (c *control) startLocked() {
	if p, ok := c.controller.(cc.Pacing); ok {
		p.Start(&c.state)
	}
}

// Congestion returns the connection's congestion controller. It must only be looked at.
func (c *TCPConn) Congestion() cc.Controller {
	c.control.mu.Lock()
	defer c.control.mu.Unlock()
	return c.control.controller
}

func (c *control) needsPacer() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, needs := c.controller.(cc.Pacing)
	return needs
}

// Pace is SetPacing for a connection or for one of the host's UDP sockets, where remote
// says to whom; for a connection remote is not looked at.
func (h *Host) Pace(c any, remote net.Addr, p pacer.Pacer) error {
	switch c := c.(type) {
	case *TCPConn:
		return c.SetPacing(p)
	case *UDPConn:
		return c.SetPacing(remote, p)
	}
	return fmt.Errorf("stack: pace: %T is no connection of a Host", c)
}

// sourceOf returns the address and port that packets to remote carry.
func (h *Host) sourceOf(local netip.AddrPort, remote netip.AddrPort) (netip.AddrPort, error) {
	if local.Addr().IsValid() && !local.Addr().IsUnspecified() {
		return local, nil
	}
	r, err := h.stack.FindRoute(nic, tcpip.Address{}, address(remote.Addr().Unmap()), protocolOf(remote.Addr().Unmap()), false)
	if err != nil {
		return netip.AddrPort{}, failure(err)
	}
	defer r.Release()
	return netip.AddrPortFrom(addr(r.LocalAddress()), local.Port()), nil
}
