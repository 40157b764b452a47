package iperf3

import (
	"math"
	"math/bits"
	"time"
)

// How a writer keeps to its rate.
const (
	// lead is how far ahead of the schedule a writer runs whose frames the Host spaces.
	lead = 5 * time.Millisecond
	// nap is the longest sleep, so that the end of the test is not slept through.
	nap = 10 * time.Millisecond
)

// A throttle says when the blocks of a stream are due: at a constant rate from its start.
// It is computed from all bytes so far, so that nothing is lost in rounding.
type throttle struct {
	rate  int64 // bit/s; 0: everything is due at once
	start time.Time
	sent  int64 // bytes
}

// due returns when the next block is due.
func (t *throttle) due() time.Time {
	if t.rate == 0 {
		return t.start
	}
	hi, lo := bits.Mul64(uint64(t.sent), 8*uint64(time.Second))
	if hi >= uint64(t.rate) {
		return t.start.Add(math.MaxInt64)
	}
	d, _ := bits.Div64(hi, lo, uint64(t.rate))
	return t.start.Add(time.Duration(min(d, math.MaxInt64)))
}

// pace sleeps until the next block of s may be written and returns when it is due, or
// false if the test is over.
func (t *test) pace(s *stream, th *throttle) (due time.Time, ok bool) {
	due = th.due()
	for !t.stopping.Load() {
		ahead := due.Sub(t.host.Now())
		if s.paced && (t.ends.IsZero() || due.Before(t.ends)) {
			ahead -= lead
		}
		if ahead <= 0 {
			return due, true
		}
		if s.paced {
			// Half of the lead at once: one sleep for many frames.
			ahead = max(ahead, lead/2)
		}
		t.host.Sleep(min(ahead, nap))
	}
	return due, false
}

// settle waits, when the amount is written, until what the writer is ahead has left: or
// else the peer would hear of the end before it has the data.
func (t *test) settle(s *stream, th *throttle) {
	for s.paced && !t.stopping.Load() {
		ahead := th.due().Sub(t.host.Now())
		if ahead <= 0 {
			return
		}
		t.host.Sleep(min(ahead, nap))
	}
}
