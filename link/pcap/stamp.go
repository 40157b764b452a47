package pcap

import (
	"errors"
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A unit is how long a step of an interface's time stamps is, as if_tsresol has it: 10 to
// the minus so many seconds, or 2 with the upper bit.
type unit uint8

// microseconds is the unit of an interface that tells none.
const microseconds unit = 6

func (u unit) binary() bool  { return u&0x80 != 0 }
func (u unit) exponent() int { return int(u & 0x7f) }

// ns returns the ns of a stamp, rounded down, and false if they are more than 64 bits.
func (u unit) ns(stamp uint64) (uint64, bool) {
	n := u.exponent()
	switch {
	case u.binary():
		hi, lo := bits.Mul64(stamp, 1e9)
		if n >= 64 {
			return hi >> (n - 64), true
		}
		return hi<<(64-n) | lo>>n, hi>>n == 0
	case n <= 9:
		hi, lo := bits.Mul64(stamp, tenTo(9-n))
		return lo, hi == 0
	case n > 9+19: // more than 64 bits tell
		return 0, true
	}
	return stamp / tenTo(n-9), true
}

// resolution returns the unit, rounded up to ns.
func (u unit) resolution() time.Duration {
	n := u.exponent()
	switch {
	case u.binary() && n < 30:
		return (time.Second + 1<<n - 1) >> n
	case !u.binary() && n < 9:
		return time.Duration(tenTo(9 - n))
	}
	return 1
}

// tenTo returns 10 to the n, which is at most 19.
func tenTo(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// latest bounds time stamps, so that their differences and sums fit 64 bits: the year 2116.
const (
	latest       = 1 << 62 // ns
	latestSecond = latest / 1_000_000_000
)

// stamps says how the time stamps of an interface are meant.
type stamps struct {
	unit   unit
	offset int64 // s
}

// time returns a time stamp in ns since 1970.
func (s stamps) time(high, low uint32) (clock.Time, error) {
	ns, ok := s.unit.ns(uint64(high)<<32 | uint64(low))
	if !ok || ns > latest || s.offset < -latestSecond || s.offset > latestSecond {
		return 0, errTime
	}
	t := int64(ns) + s.offset*1e9 // at most 2^63 - 1
	if t < 0 || t > latest {
		return 0, errTime
	}
	return clock.Time(t), nil
}

var errTime = errors.New("a time stamp that is not between the years 1970 and 2116")
