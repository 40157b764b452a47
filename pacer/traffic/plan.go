package traffic

import (
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// A Plan is a schedule of packets. What has no bound goes on without an end.
type Plan struct {
	Gaps     Gaps
	Sizes    Sizes
	Packets  uint64        // how many there are; 0 is no bound
	Duration time.Duration // for how long they are sent; 0 is no bound

	n    uint64
	at   time.Duration
	rest pacer.Gap // the fraction of at
}

// longest is where every plan ends, after 73 years, so that times can be added up.
const longest = time.Duration(1 << 61)

// Next returns the next packet: when it leaves, counted from the first one's departure,
// and its UDP payload in bytes. elapsed is the present, counted likewise, which is negative
// before the first departure. It returns false if the plan is at its end: all packets
// were returned, or the time is over, be it by the schedule or by the clock.
func (p *Plan) Next(elapsed time.Duration) (at time.Duration, payload int, ok bool) {
	switch {
	case p.Packets > 0 && p.n == p.Packets,
		p.Duration > 0 && max(p.at, elapsed) >= p.Duration,
		p.at >= longest:
		return 0, 0, false
	}
	at, payload = p.at, p.Sizes.next()
	gap := p.Gaps.next()
	p.rest += gap % pacer.Nanosecond
	carry := p.rest / pacer.Nanosecond
	p.rest %= pacer.Nanosecond
	p.at = min(p.at+time.Duration(gap/pacer.Nanosecond+carry), longest)
	p.n++
	return at, payload, true
}
