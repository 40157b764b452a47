package stack

import (
	"net"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// cable is one end of a link without limits.
type cable struct {
	link.Bottom
	clk   clock.Clock
	peer  *cable
	above link.Handler
	queue []*link.Frame
	timer clock.Timer
	mtu   int
	mac   net.HardwareAddr
	shut  bool
}

func newCable(clk clock.Clock, mtu int) (a, b *cable) {
	a, b = &cable{clk: clk, mtu: mtu}, &cable{clk: clk, mtu: mtu}
	a.peer, b.peer = b, a
	for _, c := range []*cable{a, b} {
		c.timer = clk.AfterFunc(0, c.arrive)
	}
	return a, b
}

func (c *cable) Info() link.Info       { return link.Info{Name: "cable", MTU: c.mtu, Address: c.mac} }
func (c *cable) Attach(h link.Handler) { c.above = h }
func (c *cable) Close() error          { c.shut = true; return nil }
func (c *cable) Transmit(frames []*link.Frame) (int, error) {
	if c.shut {
		return 0, net.ErrClosed
	}
	for _, f := range frames {
		f.Left(c.clk.Now())
	}
	p := c.peer
	p.queue = append(p.queue, frames...)
	p.timer.Reset(0)
	return len(frames), nil
}
func (c *cable) arrive() {
	if c.shut {
		return
	}
	q := c.queue
	c.queue = nil
	if len(q) > 0 {
		c.above.Receive(q)
	}
}
