// Package pacer decides when a packet may leave.
//
// A Pacer is a plain value: it is asked with the time as an argument, answers with a
// departure time, and remembers what it must for the next question. It has no clock, no
// lock and no goroutine. Departures are absolute times. What a division leaves over is
// carried to the next packet, so that after any number of packets the schedule is off
// by less than one nanosecond from the rate that was asked for.
//
//   - Rate paces by a constant rate, of the wire, of IP or of payload.
//   - Gaps paces by a list of inter-departure times (tech doc section 2, -d and -D).
//   - Schedule paces by a rate that changes over time.
//   - Window and Delivery are Followers: the rate is what the connection's window and
//     round-trip time make of it, or what its congestion controller asks for.
//
// What a Follower follows is Feedback, which a Meter takes from the segments that leave and
// the acknowledgements that arrive.
//
// A Policy is what a user writes, and makes the Pacer of each flow. A Rule says which
// packets are meant, by flow, mark, owner, DSCP or flow label. A Command tells the packet
// scheduler how a flow is paced, and is answered with its Status: both are plain data, and
// may cross threads and processes. A Wheel keeps what waits in order of departure, a million
// flows as fast as a thousand.
//
// Rates, sizes, durations and gaps are read and written by ParseRate, FormatRate and the
// like: one grammar for all flags, files and policies, exact, without floating point.
//
// Pacers are not safe for concurrent use. A nil Pacer means that nobody asks for a
// departure time: the packet leaves as soon as it can.
package pacer

import "github.com/netcaliper/caliper/pacer/clock"

// A Pacer spaces the packets of one flow out in time.
type Pacer interface {
	// Next returns when a packet of size n that is ready at the time ready may leave:
	// what Depart would answer now. It charges nothing. The answer holds until the next
	// call of another method, so that a packet that waits can be asked about again after
	// the pacer was changed.
	Next(n Size, ready clock.Time) clock.Time

	// Depart returns when a packet of size n that is ready at the time ready may leave,
	// and charges the flow for it. The answer is never before ready, and never before
	// the answer to an earlier question. Packets are asked about in the order in which
	// they leave.
	Depart(n Size, ready clock.Time) clock.Time
}

// A Follower is a Pacer that follows the state of its connection.
type Follower interface {
	Pacer

	// Follow takes in the state at the time now. It is called when the state may have
	// changed: after an acknowledgement, a timeout, or a change of the window.
	Follow(fb *Feedback, now clock.Time)
}
