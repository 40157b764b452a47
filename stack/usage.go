package stack

import (
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

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
