package wire

import (
	"math"
	"math/bits"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// backlog is how full the queue of a direction is and has been. The frame on the line is
// not counted.
type backlog struct {
	frames, bytes       int
	maxFrames, maxBytes int

	// What has waited until at, in frames times nanoseconds. In 64 bits a full queue of
	// ten million frames would be counted for half an hour.
	at     clock.Time
	hi, lo uint64
}

// until counts what waits until now.
func (q *backlog) until(now clock.Time) {
	if now <= q.at {
		return
	}
	hi, lo := bits.Mul64(uint64(q.frames), uint64(now-q.at))
	var carry uint64
	q.lo, carry = bits.Add64(q.lo, lo, 0)
	q.hi += hi + carry
	q.at = now
}

// change adds to what waits from now on.
func (q *backlog) change(now clock.Time, frames, bytes int) {
	q.until(now)
	q.frames += frames
	q.bytes += bytes
}

// peak notes how full it is.
func (q *backlog) peak() {
	q.maxFrames = max(q.maxFrames, q.frames)
	q.maxBytes = max(q.maxBytes, q.bytes)
}

// counters returns what there is to tell of the queue until now.
func (q backlog) counters(now clock.Time) []link.Counter {
	q.until(now)
	waited := int64(math.MaxInt64)
	if q.hi < 1000/2 {
		us, _ := bits.Div64(q.hi, q.lo, 1000)
		waited = int64(us)
	}
	return []link.Counter{
		{Name: "queue_frames", Value: int64(q.frames), Level: true},
		{Name: "queue_frames_peak", Value: int64(q.maxFrames), Level: true},
		{Name: "queue_bytes_peak", Value: int64(q.maxBytes), Level: true},
		{Name: "queue_frame_us", Value: waited},
	}
}
