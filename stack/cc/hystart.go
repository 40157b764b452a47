package cc

import (
	"slices"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// hystart is HyStart++ (RFC 9406): slow start that looks for a round-trip time that grows,
// and then goes on slower for some rounds, Conservative Slow Start, before it ends. If the
// round-trip time falls again meanwhile, it was too early, and slow start is resumed.
//
// It stands on round-trip times measured at the link in ns, and differs from the RFC in two
// points, both for the sake of queues of a few packets, which a sender that paces fills only
// in the second half of a round and by less than a millisecond:
//
//   - It looks at the least of the last 8 samples, and not of all of the round.
//   - It takes an increase by 1/32 for one, from 250 us on, and not by 1/8 from 4 ms on.
type hystart struct {
	begun   bool
	end     pacer.Seq // the round is over when this is acknowledged: windowEnd
	last    time.Duration
	current time.Duration // the least of this round, and of the one before; 0 for none
	samples int           // of this round
	newest  [nRTTSample]time.Duration

	css      bool
	baseline time.Duration // cssBaselineMinRtt
	rounds   int           // begun in CSS
	acked    int           // packets acknowledged in CSS that the window has not grown for
}

// The constants of RFC 9406, section 4.3, and those that are others here.
const (
	minRTTThresh     = 250 * time.Microsecond // 4 ms
	maxRTTThresh     = 16 * time.Millisecond
	minRTTDivisor    = 32 // 8
	nRTTSample       = 8
	cssGrowthDivisor = 4
	cssRounds        = 5
	hystartL         = 8 // packets an acknowledgement is good for where nobody paces
)

// ack takes in that n packets were acknowledged. It sets c.Ssthresh when slow start is over.
func (h *hystart) ack(c *Conn, n int) {
	if !h.begun {
		h.begun, h.end = true, c.Nxt
	}
	if c.Limited {
		h.grow(c, n)
	}
	if c.RTT > 0 {
		h.sample(c.RTT)
	}
	if c.Una.Before(h.end) {
		return
	}
	h.end = c.Nxt
	h.last, h.current, h.samples = h.current, 0, 0
	if h.css {
		if h.rounds++; h.rounds >= cssRounds {
			c.Ssthresh = c.Cwnd
		}
	}
}

func (h *hystart) grow(c *Conn, n int) {
	if !c.Paced {
		n = min(n, hystartL)
	}
	if h.css {
		h.acked += n
		n = h.acked / cssGrowthDivisor
		h.acked %= cssGrowthDivisor
	}
	c.Cwnd = min(c.Cwnd+n, maxWindow)
}

// sample takes in a round-trip time and decides whether to go slower.
func (h *hystart) sample(rtt time.Duration) {
	h.newest[h.samples%nRTTSample] = rtt
	h.samples++
	if h.current == 0 || rtt < h.current {
		h.current = rtt
	}
	if h.samples < nRTTSample {
		return
	}
	least := slices.Min(h.newest[:])
	switch {
	case h.css:
		h.css = least >= h.baseline
	case h.last > 0 && least >= h.last+min(max(h.last/minRTTDivisor, minRTTThresh), maxRTTThresh):
		h.css, h.baseline, h.rounds, h.acked = true, least, 0, 0
	}
}
