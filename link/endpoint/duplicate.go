package endpoint

import (
	"slices"

	"github.com/netcaliper/caliper/pacer"
)

// waitingData is which TCP data of a flow waits for its departure. The flow's frames leave
// in the order in which they were written, and so what was never written before lies
// between two sequence numbers. What is sent again waits between it.
type waitingData struct {
	begun         bool
	left, written pacer.Seq // what has left ends before left; what was written, before written
	again         []span    // what waits to leave again, the oldest first
}

type span struct{ seq, end pacer.Seq }

// holds reports whether the data from seq to end waits already, and notes it if it does
// not.
func (d *waitingData) holds(seq, end pacer.Seq) bool {
	if !d.begun || d.written.Before(end) {
		if !d.begun || d.left == d.written { // nothing waits
			d.left = seq
		}
		d.begun, d.written = true, end
		return false
	}
	if !seq.Before(d.left) {
		return true
	}
	for _, s := range d.again {
		if !seq.Before(s.seq) && !s.end.Before(end) {
			return true
		}
	}
	d.again = append(d.again, span{seq, end})
	return false
}

// fresh reports whether none of the data from seq on was ever written.
func (d *waitingData) fresh(seq pacer.Seq) bool { return !d.begun || !seq.Before(d.written) }

// departed notes that the data before end has left or was dropped.
func (d *waitingData) departed(end pacer.Seq) {
	for i, s := range d.again {
		if s.end == end {
			d.again = slices.Delete(d.again, i, i+1)
			return
		}
	}
	if d.left.Before(end) && !d.written.Before(end) {
		d.left = end
	}
}
