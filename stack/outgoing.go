package stack

import "github.com/netcaliper/caliper/pacer"

// outgoing tells what of a TCP connection's bytes has left and was acknowledged, each counted
// once.
type outgoing struct {
	left  pacer.Seq // the end of what has left or was dropped; before it only lost is missing
	acked pacer.Seq // what comes before it has been acknowledged
	lost  []gap     // what was dropped or passed over, and has not left since
	spare []gap     // memory for the next lost
}

// gap is what lies from seq to end.
type gap struct{ seq, end pacer.Seq }

// departed notes that the data from seq to end has left, or was dropped, and returns how many
// bytes have left by that for the first time. What leaves comes in order, but for what is sent
// again. A drop may come before what waits ahead of it has left, and of one at the endpoint's
// door nobody hears: both leave a gap.
func (o *outgoing) departed(seq, end pacer.Seq, left bool) int64 {
	switch {
	case o.left.Before(end):
		if o.left.Before(seq) {
			o.lost = append(o.lost, gap{o.left, seq})
		}
		seq = seq.Later(o.left)
		o.left = end
		if left {
			return int64(end.From(seq))
		}
		o.lost = append(o.lost, gap{seq, end})
	case left && len(o.lost) > 0:
		return o.fill(seq, end)
	}
	return 0
}

// fill notes that what was dropped from seq to end has left now, and returns how many bytes
// that is. Segments keep their bounds, unless the path turns out to take less.
func (o *outgoing) fill(seq, end pacer.Seq) (left int64) {
	rest := o.spare[:0]
	for _, g := range o.lost {
		from, to := g.seq.Later(seq), g.end
		if end.Before(to) {
			to = end
		}
		if !from.Before(to) {
			rest = append(rest, g)
			continue
		}
		left += int64(to.From(from))
		for _, part := range [...]gap{{g.seq, from}, {to, g.end}} {
			if part.seq != part.end {
				rest = append(rest, part)
			}
		}
	}
	o.lost, o.spare = rest, o.lost
	return left
}

// acknowledged notes an acknowledgement, where written is what could be acknowledged, and
// returns how many bytes it is the first to acknowledge.
func (o *outgoing) acknowledged(ack, written pacer.Seq) int64 {
	if ack == written+1 { // of a FIN, which has no payload
		ack = written
	}
	if !o.acked.Before(ack) || written.Before(ack) {
		return 0
	}
	bytes := ack.From(o.acked)
	o.acked = ack
	return int64(bytes)
}
