package wire

import (
	"math"
	"math/bits"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Queue is how full the queue of a direction is and has been. The frame on the line is
// not counted.
type Queue struct {
	Frames, Bytes       int
	MaxFrames, MaxBytes int

	// What has waited until at, in frames times nanoseconds. In 64 bits a full queue of
	// ten million frames would be counted for half an hour.
	at     clock.Time
	hi, lo uint64
}

// Mean returns how many frames waited on average, each number weighted with how long it
// stood, between an earlier look at the same queue and this one. The zero Queue is the
// queue when the clock started. The sum is exact whatever time it is over; the quotient is
// rounded once or twice.
func (q Queue) Mean(earlier Queue) float64 {
	if q.at <= earlier.at {
		return 0
	}
	lo, borrow := bits.Sub64(q.lo, earlier.lo, 0)
	hi, _ := bits.Sub64(q.hi, earlier.hi, borrow)
	time := uint64(q.at - earlier.at)
	whole, rest := bits.Div64(hi, lo, time)
	return float64(whole) + float64(rest)/float64(time)
}

// frameMicroseconds returns what has waited since the clock started, in frames times
// microseconds: divided by a time in microseconds, how many frames waited on average.
func (q *Queue) frameMicroseconds() int64 {
	if q.hi >= 1000>>1 {
		return math.MaxInt64
	}
	us, _ := bits.Div64(q.hi, q.lo, 1000)
	return int64(us)
}

// until counts what waits until now.
func (q *Queue) until(now clock.Time) {
	if now <= q.at {
		return
	}
	hi, lo := bits.Mul64(uint64(q.Frames), uint64(now-q.at))
	var carry uint64
	q.lo, carry = bits.Add64(q.lo, lo, 0)
	q.hi += hi + carry
	q.at = now
}

// change adds to what waits from now on.
func (q *Queue) change(now clock.Time, frames, bytes int) {
	q.until(now)
	q.Frames += frames
	q.Bytes += bytes
}
