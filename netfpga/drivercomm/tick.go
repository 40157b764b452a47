package drivercomm

import (
	"errors"
	"math/bits"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Tick is how long a tick of the card's clock is: Num/Den nanoseconds. Tick 0 is at the
// clock's time 0. Conversions are exact, however far the clock has come.
type Tick struct {
	Num, Den uint64
}

// NetFPGATick is the tick of the NetFPGA's 125 MHz: 8 ns.
func NetFPGATick() Tick { return Tick{Num: 8, Den: 1} }

// Check returns an error if the tick is shorter than a nanosecond, the smallest step of
// the clock, or longer than a second, or if it is not a number.
func (t Tick) Check() error {
	const second = 1e9
	if t.Den == 0 || t.Num < t.Den || t.Den > 1<<32 || t.Num > second*t.Den {
		return errors.New("the tick must be from 1 ns to 1 s")
	}
	return nil
}

// Up returns the first tick whose Time is not before at; 0 for a time before tick 0.
func (t Tick) Up(at clock.Time) uint64 {
	if at <= 0 {
		return 0
	}
	return t.Down(at-1) + 1
}

// Down returns the last tick whose Time is not after at; 0 for a time before tick 0.
func (t Tick) Down(at clock.Time) uint64 {
	if at <= 0 {
		return 0
	}
	if t.Den == 1 {
		return uint64(at) / t.Num
	}
	hi, lo := bits.Mul64(uint64(at), t.Den)
	q, _ := bits.Div64(hi, lo, t.Num)
	return q
}

// Time returns when a tick is: the first nanosecond that is not before it, or clock.Never
// if the clock does not come that far.
func (t Tick) Time(tick uint64) clock.Time {
	hi, lo := bits.Mul64(tick, t.Num)
	if hi >= t.Den {
		return clock.Never
	}
	q, r := lo, uint64(0)
	if t.Den > 1 {
		q, r = bits.Div64(hi, lo, t.Den)
	}
	if q >= uint64(clock.Never) {
		return clock.Never
	}
	if r > 0 {
		q++
	}
	return clock.Time(q)
}
