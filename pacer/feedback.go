package pacer

import (
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Feedback is what is known of a TCP connection at one time: the loop's answer to what was
// sent. What is measured is measured at the link, between the departure of a segment's
// first bit and the arrival of its acknowledgement, so that the wait for the departure is
// in none of it.
type Feedback struct {
	MSS int64 // the most payload of a segment, in bytes

	// Of the congestion controller, in bytes of payload.
	Cwnd     int64 // congestion window
	Ssthresh int64 // slow start threshold; 0 while none was set
	// PacingRate is what the controller asks for, in bit/s of payload; 0 if it does not.
	PacingRate int64
	// Rate is what the pacer paces at, in bit/s; 0 if it is not paced, or not by a rate.
	Rate int64

	// Outstanding is what TCP has sent and what is neither acknowledged nor taken for
	// lost, in bytes of payload. It has InFlight and Queued in it.
	Outstanding int64
	// InFlight is what has left and is not acknowledged, in bytes of payload.
	InFlight int64
	// Queued is what waits for its departure, in bytes of frames without FCS.
	Queued int64
	// NextDeparture is when the first that waits may leave; clock.Never if nothing does.
	NextDeparture clock.Time

	MinRTT time.Duration // the least of the connection; 0 before the first sample
	RTT    time.Duration // smoothed (RFC 6298); 0 before the first sample
	RTTVar time.Duration // its variation (RFC 6298)

	// DeliveryRate is the last sample, in bit/s of payload
	// (draft-cheng-iccrg-delivery-rate-estimation); 0 before the first.
	DeliveryRate int64
	// Delivered is all payload that the peer has, in bytes.
	Delivered int64
	// Departures counts segments with payload that have left.
	Departures uint64
	// Retransmits counts segments that were sent again.
	Retransmits uint64
}

// SlowStart reports whether the controller is in slow start.
func (fb *Feedback) SlowStart() bool { return fb.Ssthresh == 0 || fb.Cwnd < fb.Ssthresh }

// A Sample is what one acknowledgement tells of the path.
type Sample struct {
	At clock.Time // when the acknowledgement arrived

	// Acked is how many bytes of payload were newly acknowledged or, with SACK,
	// selectively acknowledged; 0 for a duplicate.
	Acked int64
	// Delivered is the sum of Acked over the connection, with this one.
	Delivered int64
	// Prior is what Delivered was when the newest of the acknowledged segments left: a
	// round trip has passed since then.
	Prior int64

	// RTT is that of the newest segment that was acknowledged, if it was sent once
	// (Karn); else 0.
	RTT time.Duration

	// Rate is the delivery rate in bit/s of payload over the last round trip; 0 if the
	// acknowledgement says nothing about it.
	Rate int64
	// AppLimited tells that Rate is not more than what was there to be sent.
	AppLimited bool

	InFlight int64 // bytes of payload that have left and are not acknowledged, after this
	Lost     int64 // bytes of payload taken for lost since the sample before
}
