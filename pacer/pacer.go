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
//   - PerFlow holds a Pacer for each flow.
//
// Pacers are not safe for concurrent use. A nil Pacer means that nobody asks for a
// departure time: the packet leaves as soon as it can.
package pacer

import "github.com/netcaliper/caliper/pacer/clock"

// A Pacer spaces packets out in time.
type Pacer interface {
	// Depart returns when a packet of flow f and size n, ready at now, may leave, and
	// charges the flow for it. The answer is never before now, and for one flow never
	// before the answer to an earlier question.
	Depart(f Flow, n Size, now clock.Time) clock.Time
}
