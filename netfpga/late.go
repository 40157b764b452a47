package netfpga

import (
	"time"

	"github.com/netcaliper/caliper/link"
)

// lateness is what kept a paced frame from leaving at its tick.
type lateness uint8

const (
	onTime   lateness = iota
	byHost            // it was handed to the card after its departure
	byCard            // it waited in the driver or on the card, for quota, the bus or a slot
	byLine            // the frame in front of it was still on the line
	byBelow           // the device below had no room
	byClock           // the clock called late; never in virtual time
	byPolicy          // the schedule had been moved behind a late one
	causes
)

var causeNames = [causes]string{byHost: "host", byCard: "card", byLine: "line", byBelow: "below", byClock: "clock", byPolicy: "policy"}

// late counts the paced frames that left after their tick, by what kept them, and those
// that did not leave as they would have been late.
type late struct {
	by      [causes]int64
	dropped int64         // they are among those dropped as link.LinkError, too
	most    time.Duration // the latest of those that left, after its tick
}

// count notes that a frame has left, so long after its tick.
func (l *late) count(cause lateness, d time.Duration) {
	l.by[cause]++
	l.most = max(l.most, d)
}

// merge adds what another interface has counted.
func (l *late) merge(o *late) {
	for cause, n := range o.by {
		l.by[cause] += n
	}
	l.dropped += o.dropped
	l.most = max(l.most, o.most)
}

// counters returns them with their names.
func (l *late) counters() (all []link.Counter) {
	for cause := byHost; cause < causes; cause++ {
		all = append(all, link.Counter{Name: "late_" + causeNames[cause], Value: l.by[cause]})
	}
	return append(all,
		link.Counter{Name: "late_dropped", Value: l.dropped},
		link.Counter{Name: "late_max_ns", Value: int64(l.most), Level: true})
}
