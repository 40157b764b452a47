package pacer

import "github.com/netcaliper/caliper/pacer/clock"

// Delivery paces a TCP connection by the rate that its congestion controller asks for, as
// one does that models the path by the rate of what is delivered. While the controller asks
// for none, the connection is not paced.
//
// The rate counts payload, whatever Unit says.
type Delivery struct {
	Rate
}

// Follow implements Follower. Where the controller asks for the same rate as before it
// changes nothing.
func (d *Delivery) Follow(fb *Feedback, now clock.Time) {
	d.Unit = Payload
	d.follow(fb.PacingRate, now)
}
