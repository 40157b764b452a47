package mac

import (
	"errors"
	"math/bits"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
)

// Occupancy is for how long the frames on a line keep it, in ticks of the card's counter. A
// frame of n bytes without FCS holds it for (max(64, n+4) + 20) byte times. That is carried
// exactly, also where a byte takes a fraction of a tick: each frame departs at a tick, and a
// line that is never idle is nevertheless at line speed over any number of frames.
type Occupancy struct {
	// A byte takes num/den ticks on the line, which is free at tick free + part/den.
	num, den   uint64
	free, part uint64
}

// NewOccupancy returns that of a line which is free from tick 0 on. Its speed is in bit/s; 0
// means that frames take no time.
func NewOccupancy(speed int64, tick drivercomm.Tick) (Occupancy, error) {
	if err := tick.Check(); err != nil {
		return Occupancy{}, err
	}
	switch {
	case speed < 0:
		return Occupancy{}, errors.New("the line speed must not be negative")
	case speed == 0:
		return Occupancy{den: 1}, nil
	}
	num, den, ok := byteTicks(speed, tick)
	if !ok {
		return Occupancy{}, errors.New("the line speed is too odd for its tick: a byte takes a fraction of a tick that cannot be counted with")
	}
	return Occupancy{num: num, den: den}, nil
}

// byteTicks returns how many ticks a byte takes, as a fraction in lowest terms. It
// reports false if the fraction is too large to multiply a frame's length with.
func byteTicks(speed int64, tick drivercomm.Tick) (num, den uint64, ok bool) {
	const byteNs = 8e9 // divided by the speed, ns a byte
	a, b := reduce(byteNs, uint64(speed))
	c, d := reduce(tick.Den, tick.Num)
	a, d = reduce(a, d)
	c, b = reduce(c, b)
	over1, num := bits.Mul64(a, c)
	over2, den := bits.Mul64(b, d)
	const bound = 1 << 46 // a frame has less than 2^17 byte times
	return num, den, over1 == 0 && over2 == 0 && num < bound && den < bound
}

func reduce(a, b uint64) (uint64, uint64) {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x, b / x
}

// Free returns the first tick at which the line is free.
func (o *Occupancy) Free() uint64 {
	if o.part > 0 {
		return o.free + 1
	}
	return o.free
}

// Take has a frame of n bytes, without FCS, on the line from tick due on, which must not be
// before Free. now is the tick that it really is: a clock that calls a little late does not
// shift the line, but one that is late by more than the frame has left it idle, which does
// not come back.
func (o *Occupancy) Take(due uint64, n int, now uint64) {
	bytes := uint64(link.WireBytes(n))
	start, part := due, uint64(0)
	if start == o.Free() {
		start, part = o.free, o.part // back to back: the fraction is carried
	}
	ticks, rest := o.ticks(bytes, part)
	if now > due && now >= start+ticks {
		start = now
		ticks, rest = o.ticks(bytes, 0)
	}
	o.free, o.part = start+ticks, rest
}

// ticks returns how many ticks the given bytes take from a part of a tick on, and the part
// that is left over.
func (o *Occupancy) ticks(bytes, part uint64) (ticks, rest uint64) {
	n := bytes*o.num + part
	if o.den == 1 {
		return n, 0
	}
	return n / o.den, n % o.den
}
