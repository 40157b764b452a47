package stack

import (
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Feedback returns what is known of the connection: the state of its loop. In real time it
// must not be called from the clock's goroutine.
func (c *TCPConn) Feedback() (fb pacer.Feedback) {
	h, l := c.host, &c.loop.link
	next := c.loop.tcp.sentTo()
	h.onClock(func() {
		l.fill(&fb)
		fb.Outstanding = fb.InFlight + int64(max(0, next.From(l.words.left.Load())))
		fb.NextDeparture = clock.Never
		if h.sched != nil {
			s := h.sched.Do(pacer.Command{Flow: l.flow})
			fb.Rate, fb.Queued, fb.NextDeparture = s.Rate, s.Bytes, s.NextDeparture
		}
	})
	return fb
}
