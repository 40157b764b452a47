package cc

// Reno is the standard congestion control of RFC 5681 and, with netstack's fast recovery,
// RFC 6582. The zero value is ready for a new connection.
type Reno struct {
	start slowStart
	acked int // packets acknowledged in congestion avoidance that the window has not grown for
}

// Ack implements Controller.
func (r *Reno) Ack(c *Conn, n int) {
	if !c.Limited || n <= 0 {
		return
	}
	if c.Cwnd < c.Ssthresh {
		r.acked = 0
		if n = r.start.grow(c, n); n == 0 {
			return
		}
	}
	for r.acked += min(n, maxWindow); r.acked >= c.Cwnd; c.Cwnd++ {
		r.acked -= c.Cwnd
	}
	c.Cwnd = min(c.Cwnd, maxWindow)
}

// Loss implements Controller.
func (r *Reno) Loss(c *Conn) {
	r.acked = 0
	c.Ssthresh = max(c.Outstanding/2, 2)
}

// Recovered implements Controller. The window is the threshold already.
func (r *Reno) Recovered(*Conn) {}

// Timeout implements Controller.
func (r *Reno) Timeout(c *Conn) {
	r.acked = 0
	if r.start.timeout(c) {
		c.Ssthresh = max(c.flight()/2, 2)
	}
	c.Cwnd = 1
}
