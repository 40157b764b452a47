package stack

import (
	"errors"
	"fmt"
	"net"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// A scheduler is the device below a host that asks pacers: a hold.Hold.
type scheduler interface {
	link.Device
	Do(pacer.Command) pacer.Status
}

// delivery returns the pacer of a controller that brings none.
func (h *Host) delivery() pacer.Pacer {
	return &pacer.Delivery{Rate: pacer.Rate{Line: h.Speed()}}
}

// SetPacing says who asks for the departures of what the connection sends, from the next
// one on, also of what waits already; nil means nobody. p belongs to the host from then
// on. It returns an error if the host's device is no hold.Hold, or if nobody shall pace and
// the congestion controller needs it.
func (c *TCPConn) SetPacing(p pacer.Pacer) error {
	if err := c.mayPace(p); err != nil {
		return c.fail("pace", err)
	}
	c.loop.pace(pacer.Pace(c.loop.flow, p))
	return nil
}

func (c *TCPConn) mayPace(p pacer.Pacer) error {
	if err := c.usable(); err != nil {
		return err
	}
	switch {
	case c.host.sched == nil && p != nil:
		return errNoHold
	case p == nil && c.loop.words.needsPacer.Load():
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
	c.loop.pace(pacer.Command{Op: pacer.ChangeRate, Flow: c.loop.flow,
		Policy: pacer.Policy{Kind: pacer.PacedByRate, BitsPerSecond: bps, Unit: unit}})
	return nil
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
