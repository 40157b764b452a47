package iperf3

import (
	"math"
	"math/bits"
	"time"
)

// nap is the longest sleep of a writer, so that the end of the test is not slept through.
const nap = 10 * time.Millisecond

// A throttle says when the blocks of a stream are due: at a constant rate from its start.
// It is computed from all bytes so far, so that nothing is lost in rounding.
//
// Where the Host does not pace, the writer keeps to it. Where it does, the pacer's
// schedule is the only one and holds the writer back.
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

// pace sleeps until the next block of a stream may be written, and returns false if the
// test is over.
func (t *test) pace(s *stream, th *throttle) bool {
	for !t.stopping.Load() {
		ahead := th.due().Sub(t.host.Now())
		if s.paced || ahead <= 0 {
			return true
		}
		t.host.Sleep(min(ahead, nap))
	}
	return false
}
