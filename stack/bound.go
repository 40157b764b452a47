package stack

import "time"

// bounds are how much of one connection may wait, in bytes of payload.
type bounds struct {
	waiting int // for its departure; 0 for any amount
	lead    int // how far a writer may be ahead of what has left
}

// Bounds of what one connection has waiting for its departure: what it sends in a
// millisecond, as Linux has it, and at least two segments.
const (
	boundTime = time.Millisecond
	mostBound = 1 << 20 // bytes
)

// Bounds of how far a writer may be ahead of what has left: what is sent in that time, twice
// as much as may wait, and no more than mostLead beyond that. Where the window leads, much
// may be sent at once behind a loss.
const (
	rateLead   = 20 * time.Millisecond // at a rate that is given
	windowLead = 100 * time.Millisecond
	mostLead   = 512 << 10 // bytes
)

// boundsAt returns the bounds at a rate in bit/s, 0 if there is none, in segments of mss
// bytes. given tells that the rate does not follow the window.
func boundsAt(rate int64, given bool, mss int) bounds {
	waiting, lead := int64(mostBound), int64(mostLead)
	if rate > 0 {
		ahead := windowLead
		if given {
			ahead = rateLead
		}
		waiting = min(waiting, rate/8/int64(time.Second/boundTime))
		lead = min(lead, rate/8/int64(time.Second/ahead))
	}
	b := bounds{waiting: max(int(waiting), 2*mss)}
	b.lead = max(int(lead), 2*b.waiting)
	return b
}

// mayLead returns how far a writer may be ahead of what has left, in bytes: no further than
// the window, which is of so many bytes, lets go in windowLead, and two windows for what it
// may grow.
func (b bounds) mayLead(window int, srtt time.Duration) int {
	if srtt <= 0 || b.waiting == 0 {
		return b.lead
	}
	return max(2*b.waiting, min(b.lead, 2*window+int(int64(window)*int64(windowLead)/int64(srtt))))
}

// mayWrite returns how many of n bytes may be written, 0 if the writer has to wait. It is so
// many bytes ahead of what has left, and may be ahead by lead. One that waits already goes on
// when half of that has left. A part of a block is whole segments, so that it is cut as all of it
// would be.
func mayWrite(n, ahead, lead, mss int, waits bool) int {
	most := lead
	if waits {
		most /= 2
	}
	switch room := lead - ahead; {
	case ahead >= most:
		return 0
	case n <= room || mss == 0:
		return n
	default:
		return room / mss * mss
	}
}

// clamp returns the window, in packets, of which no more waits for its departure than the
// bound: that is for ahead bytes already, and outstanding packets are sent and not
// acknowledged. It is less than cwnd where it is the bound that limits.
func (b bounds) clamp(cwnd, outstanding, ahead, mss int) int {
	if b.waiting == 0 {
		return cwnd
	}
	room := max(0, b.waiting-ahead)
	return min(cwnd, outstanding+(room+mss-1)/mss)
}
