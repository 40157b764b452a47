package traffic

import (
	"sync/atomic"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Counters count what was given to be sent and what of it has left, and tell the end. They
// belong to the clock's goroutine, but for Left and Over.
type Counters struct {
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

// NewCounters returns Counters of nothing.
func NewCounters() *Counters { return &Counters{over: make(chan struct{})} }

// Left returns how many packets have left. It may be called from any goroutine.
func (c *Counters) Left() uint64 { return c.left.Load() }

// Over is closed when nothing more will be given and all that was given has left
// or was dropped. It may be called from any goroutine.
func (c *Counters) Over() <-chan struct{} { return c.over }

// Err returns why no more was given, nil if that was the end. It is called after the run.
func (c *Counters) Err() error { return c.err }

// Give counts a packet that was given.
func (c *Counters) Give() { c.given++ }

// End notes that no more is given, and why: nil is that the plan is at its end. Only the
// first call counts.
func (c *Counters) End(err error) {
	if c.ended {
		return
	}
	c.ended, c.err = true, err
	c.check()
}

// Drop counts a packet that was given and will not leave.
func (c *Counters) Drop() {
	c.dropped++
	c.check()
}

// waiting returns how many packets were given and have not left.
func (c *Counters) waiting() uint64 { return c.given - c.dropped - c.left.Load() }

func (c *Counters) check() {
	if c.ended && c.waiting() == 0 {
		close(c.over)
	}
}

// Leave counts a packet that was to leave at one time and left at another.
func (c *Counters) Leave(asked, actual clock.Time, size pacer.Size) {
	d := departure{asked, actual}
	n := c.left.Load()
	if n == 0 {
		c.first = d
	} else {
		gapError := d.asked.Sub(c.last.asked) - d.actual.Sub(c.last.actual)
		c.gapErrors += max(gapError, -gapError)
	}
	c.last, c.lastPayload, c.lastWire = d, size.Payload, size.Wire
	c.payload += uint64(size.Payload)
	c.wire += uint64(size.Wire)
	c.left.Store(n + 1)
	c.check()
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
func (c *Counters) Summary() Summary {
	s := Summary{Packets: c.left.Load(), Payload: c.payload, Wire: c.wire}
	took := c.last.actual.Sub(c.first.actual)
	s.Seconds = took.Seconds()
	if took > 0 {
		s.PayloadRate = float64(c.payload-uint64(c.lastPayload)) * 8 / s.Seconds
		s.WireRate = float64(c.wire-uint64(c.lastWire)) * 8 / s.Seconds
	}
	if s.Packets > 1 {
		gaps := float64(s.Packets - 1)
		s.AskedGap = float64(c.last.asked.Sub(c.first.asked)) / gaps
		s.Gap = float64(took) / gaps
		s.GapError = float64(c.gapErrors) / gaps
	}
	return s
}
