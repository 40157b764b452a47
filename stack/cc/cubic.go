package cc

import (
	"math/bits"
	"sort"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Cubic is CUBIC (RFC 9438) with HyStart++ (RFC 9406) as its first slow start. The zero
// value is ready for a new connection.
//
// Windows are kept in 1/2^32 packets and the time of the curve in 1/2^20 s, as integers. So
// the fraction of a packet that an acknowledgement is worth is not lost, and the result is
// the same on every machine, which in floating point it would not be: on some, compilers
// make one operation with one rounding of a multiplication and an addition.
type Cubic struct {
	hystart hystart
	start   slowStart

	wMax  int64 // W_max
	prior int64 // cwnd_prior
	flat  bool  // the next epoch begins at its W_max: no loss that says more came before

	// Of the epoch, from the first acknowledgement in congestion avoidance on.
	epoch bool
	cwnd  int64      // with its fraction; its whole packets are Conn.Cwnd
	est   int64      // W_est: the window that Reno would have
	k     int64      // K, in ticks
	t     int64      // ns in which the window was made use of
	at    clock.Time // of the last acknowledgement
}

const (
	one     = 1 << 32 // a packet
	second  = 1 << 20 // in ticks
	maxTime = 1 << 30 // ticks: the curve ends 17 minutes from its middle
)

// Ack implements Controller.
func (q *Cubic) Ack(c *Conn, n int) {
	if n = min(n, maxWindow); n <= 0 {
		return
	}
	if c.Ssthresh == NoSsthresh {
		q.flat = true
		q.hystart.ack(c, n)
		return
	}
	if c.Cwnd < c.Ssthresh {
		q.epoch = false
		if c.Limited {
			n = q.start.grow(c, n)
		}
	}
	if c.Cwnd >= c.Ssthresh && n > 0 {
		q.avoid(c, n)
	}
}

// avoid is congestion avoidance.
func (q *Cubic) avoid(c *Conn, n int) {
	if !q.epoch {
		q.begin(c)
	}
	since := c.Now.Sub(q.at)
	q.at = c.Now
	if !c.Limited { // and this time is not the epoch's (section 5.8)
		return
	}
	q.t += int64(since)
	if q.cwnd/one != int64(c.Cwnd) { // netstack set it
		q.cwnd = int64(c.Cwnd) * one
	}

	// alpha_cubic is 3(1-beta)/(1+beta) = 9/17, and 1 once the last window is reached. It is
	// rounded up, so that a sum that should be whole is not a little less.
	alpha, of := int64(9*one), int64(17*c.Cwnd)
	if q.est >= q.prior {
		alpha, of = one, int64(c.Cwnd)
	}
	q.est += (alpha*int64(n) + of - 1) / of
	if q.curve(q.t) < q.est {
		q.cwnd = max(q.cwnd, q.est)
	} else {
		target := min(max(q.curve(q.t+int64(c.SRTT)), q.cwnd), q.cwnd+q.cwnd/2)
		q.cwnd += (target - q.cwnd) / int64(c.Cwnd) * int64(n)
	}
	q.cwnd = min(q.cwnd, maxWindow*one)
	c.Cwnd = int(q.cwnd / one)
}

// begin starts an epoch with the window as it is.
func (q *Cubic) begin(c *Conn) {
	q.epoch, q.t, q.at = true, 0, c.Now
	q.cwnd = int64(c.Cwnd) * one
	q.est = q.cwnd
	if q.flat {
		q.flat, q.wMax, q.prior = false, q.cwnd, q.cwnd
	}
	// K is where the curve has risen from the window to W_max.
	rise := q.wMax - q.cwnd
	q.k = int64(sort.Search(maxTime, func(k int) bool { return cube(int64(k)) >= rise }))
}

// curve returns W_cubic at t ns.
func (q *Cubic) curve(t int64) int64 {
	t = min(t, 1<<40)*second/1e9 - q.k
	if t < 0 {
		return q.wMax - cube(-t)
	}
	return q.wMax + cube(t)
}

// cube returns C t^3 for t in ticks. C is 0.4: that is 2/5 t^3 one / second^3.
func cube(t int64) int64 {
	u := uint64(min(t, maxTime))
	hi, lo := bits.Mul64(u*u, u)
	w, _ := bits.Div64(hi, lo, 5<<27)
	return int64(w)
}

// Loss implements Controller.
func (q *Cubic) Loss(c *Conn) {
	doubled := c.Cwnd < c.Ssthresh && !q.hystart.css
	q.reduce(c, c.Outstanding)
	if doubled {
		// The window may be twice what the path holds, and 0.7 of it still too much.
		c.Ssthresh = max(c.Outstanding/2, 2)
	}
}

// reduce notes the window that something was lost at, and sets the threshold to beta = 0.7
// of what is in flight (sections 4.6 and 4.7).
func (q *Cubic) reduce(c *Conn, flight int) {
	q.prior = int64(c.Cwnd) * one
	if q.prior < q.wMax { // fast convergence: (1+beta)/2 = 17/20
		q.wMax = q.prior / 20 * 17
	} else {
		q.wMax = q.prior
	}
	c.Ssthresh = max(flight*7/10, 2)
	q.epoch, q.flat = false, false
}

// Recovered implements Controller. The window is the threshold already.
func (q *Cubic) Recovered(*Conn) {}

// Timeout implements Controller. The epoch that follows the slow start begins at its W_max
// (section 4.8).
func (q *Cubic) Timeout(c *Conn) {
	if q.start.timeout(c) {
		q.reduce(c, c.flight())
	}
	c.Cwnd, q.epoch, q.flat = 1, false, true
}
