package stack

import (
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netcaliper/caliper/pacer/clock"
)

// arrivalClock is netstack's clock of a host in real time. The date is for nothing but to
// stamp what has arrived for a socket: it is that of the frame which is delivered, and not
// of the moment at which netstack gets to it.
type arrivalClock struct {
	tcpip.Clock // monotonic time and timers
	clk         clock.Clock
	at          atomic.Int64 // clock.Time of the frame that is delivered now, else noArrival
}

func newArrivalClock(clk clock.Clock) *arrivalClock {
	c := &arrivalClock{Clock: tcpip.NewStdClock(), clk: clk}
	c.arrived(clock.Optional{})
	return c
}

// Now implements tcpip.Clock.
func (c *arrivalClock) Now() time.Time {
	if at := c.at.Load(); at != noArrival {
		return c.clk.Wall(clock.Time(at))
	}
	return c.clk.Wall(c.clk.Now())
}

// arrived notes when the frame came in that is delivered next, or that none is.
func (c *arrivalClock) arrived(at clock.Optional) { c.at.Store(int64(at.Or(noArrival))) }

const noArrival = -1
