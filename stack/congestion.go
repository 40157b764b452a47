package stack

import (
	"errors"
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// checkControl returns an error if connections cannot have the controller that the host
// was made for.
func (h *Host) checkControl() error {
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
	_, cubic := controller.(*cc.Cubic)
	switch {
	case controller == nil:
		return errNoController
	case h.layout != nil && !cubic:
		return h.layout
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
	_, needs := controller.(cc.Pacing)
	if needs && p == nil {
		p = h.delivery()
	}
	var err error
	if c.loop, err = newLoop(h, ep, c.flow(), controller, c.queue); err != nil {
		return err
	}
	l := &c.loop.link
	listen := func() { h.ep.Listen(l.flow, l) }
	if needs {
		// The rate of the first window is there before it leaves. It wants the round trip of
		// the handshake, which the endpoint has.
		h.onClock(listen)
		c.loop.tcp.open()
	} else {
		h.ep.Before(listen)
	}
	c.loop.pace(pacer.Pace(l.flow, p))
	return nil
}

// forgetAtEnd has the connection's loop forgotten when TCP has sent all that was written
// and has hung up.
func (c *TCPConn) forgetAtEnd() {
	entry := waiter.NewFunctionEntry(waiter.EventHUp, func(waiter.EventMask) {
		h, flow := c.host, c.loop.flow
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
// device is no hold.Hold; if nobody paces the connection yet, pacer.Delivery does. With another
// gVisor (CheckGVisor) there is none but CUBIC.
func (c *TCPConn) SetCongestion(controller cc.Controller) error {
	err := c.usable()
	if err == nil {
		err = c.host.mayControl(controller)
	}
	if err != nil {
		return c.fail("set congestion control", err)
	}
	c.loop.tcp.replace(controller)
	_, needs := controller.(cc.Pacing)
	c.host.ep.Before(func() {
		if l := &c.loop.link; needs && !l.status.Paced {
			l.pace(pacer.Pace(l.flow, c.host.delivery()))
		} else {
			l.repaceNow()
		}
	})
	return nil
}

// Congestion returns the connection's congestion controller. It must only be looked at. With
// another gVisor (CheckGVisor) it stands for netstack's own.
func (c *TCPConn) Congestion() cc.Controller {
	defer c.loop.tcp.lock()()
	return c.loop.tcp.controller
}
