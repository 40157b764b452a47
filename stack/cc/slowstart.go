package cc

import "github.com/netcaliper/caliper/pacer"

// maxWindow bounds every window, in packets. It is more than any send buffer holds.
const maxWindow = 1 << 20

// slowStart is the exponential growth below the threshold (RFC 5681 section 3.1), counted
// in packets acknowledged (RFC 3465).
type slowStart struct {
	timedOut bool      // the retransmission timer began this slow start
	una      pacer.Seq // what was to be acknowledged then
}

// grow raises c.Cwnd for n acknowledged packets, to the threshold at most, and returns how
// many of them are left over there. One acknowledgement is good for L packets, however many
// it covers: two, and one after a timeout, where an acknowledgement may cover what had
// arrived long before (RFC 3465 section 2.3).
func (s *slowStart) grow(c *Conn, n int) (rest int) {
	l := 2
	if s.timedOut {
		l = 1
	}
	room := c.Ssthresh - c.Cwnd
	if grown := min(n, l); grown < room {
		c.Cwnd = min(c.Cwnd+grown, maxWindow)
		return 0
	}
	s.timedOut = false
	c.Cwnd += room
	return max(n-room, 0)
}

// timeout notes that the retransmission timer has expired, and reports whether the threshold
// is to be set. It is not when the timer expires again for the same packet (RFC 5681 section
// 3.1).
func (s *slowStart) timeout(c *Conn) bool {
	again := s.timedOut && s.una == c.Una
	s.timedOut, s.una = true, c.Una
	return !again
}
