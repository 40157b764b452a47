package pktgen

import (
	"sync/atomic"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Tally knows what was given to be sent and what of it has left. It belongs to the clock's
// goroutine, but for Left and Over.
type Tally struct {
	given   uint64
	dropped uint64 // of these, on the way to where they leave
	ended   bool   // no more is given
	over    chan struct{}
	left    atomic.Uint64

	payload, wire uint64
	first, last   departure
	lastPayload   int
	lastWire      int
	gapErrors     time.Duration // the sum of all
	err           error
}

// departure is when a packet was to leave, and when it left.
type departure struct{ asked, actual clock.Time }

// NewTally returns a Tally of nothing.
func NewTally() *Tally { return &Tally{over: make(chan struct{})} }

// Left returns how many packets have left. It may be called from any goroutine.
func (t *Tally) Left() uint64 { return t.left.Load() }

// Over is closed when nothing more will be given and all that was given has left
// or was dropped. It may be called from any goroutine.
func (t *Tally) Over() <-chan struct{} { return t.over }

// Err returns why no more was given, nil if that was the end. It is called after the run.
func (t *Tally) Err() error { return t.err }

// give counts a packet that was given.
func (t *Tally) give() { t.given++ }

// end notes that no more is given, and why.
func (t *Tally) end(err error) {
	if t.ended {
		return
	}
	t.ended, t.err = true, err
	t.check()
}

// drop counts a packet that was given and will not leave.
func (t *Tally) drop() {
	t.dropped++
	t.check()
}

// waiting returns how many packets were given and have not left.
func (t *Tally) waiting() uint64 { return t.given - t.dropped - t.left.Load() }

func (t *Tally) check() {
	if t.ended && t.waiting() == 0 {
		close(t.over)
	}
}

// leave counts a packet that left.
func (t *Tally) leave(d departure, size pacer.Size) {
	n := t.left.Load()
	if n == 0 {
		t.first = d
	} else {
		asked, actual := d.asked.Sub(t.last.asked), d.actual.Sub(t.last.actual)
		t.gapErrors += max(asked-actual, actual-asked)
	}
	t.last, t.lastPayload, t.lastWire = d, size.Payload, size.Wire
	t.payload += uint64(size.Payload)
	t.wire += uint64(size.Wire)
	t.left.Store(n + 1)
	t.check()
}

// A Summary is what a run sent.
type Summary struct {
	Packets uint64 `json:"packets"`
	Payload uint64 `json:"payload_bytes"` // above UDP or TCP
	Wire    uint64 `json:"wire_bytes"`    // with FCS, preamble and gap

	// Seconds from the first departure to the last, and the rates in bit/s that the
	// packets before the last come to in that time.
	Seconds     float64 `json:"seconds"`
	PayloadRate float64 `json:"payload_bits_per_second"`
	WireRate    float64 `json:"wire_bits_per_second"`

	// Inter-departure times in ns, of all packets in order: the means of what was asked
	// for and of what was, and of the absolute values of the errors.
	AskedGap float64 `json:"asked_gap_mean_ns"`
	Gap      float64 `json:"gap_mean_ns"`
	GapError float64 `json:"gap_error_mean_ns"`
}

// Summary returns the sums so far.
func (t *Tally) Summary() Summary {
	s := Summary{Packets: t.left.Load(), Payload: t.payload, Wire: t.wire}
	took := t.last.actual.Sub(t.first.actual)
	s.Seconds = took.Seconds()
	if took > 0 {
		s.PayloadRate = float64(t.payload-uint64(t.lastPayload)) * 8 / s.Seconds
		s.WireRate = float64(t.wire-uint64(t.lastWire)) * 8 / s.Seconds
	}
	if s.Packets > 1 {
		gaps := float64(s.Packets - 1)
		s.AskedGap = float64(t.last.asked.Sub(t.first.asked)) / gaps
		s.Gap = float64(took) / gaps
		s.GapError = float64(t.gapErrors) / gaps
	}
	return s
}
