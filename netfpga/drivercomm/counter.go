package drivercomm

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Counter is the card's clock: it counts the ticks of an oscillator of its own, which may
// be a little faster or slower than it is meant to be, and began at some number. How it
// relates to the host's time only the emulation knows; the driver has to find out.
type Counter struct {
	Tick  Tick   // how long a tick really is
	Start uint64 // what it shows at the clock's time 0, in ticks
}

// Up returns the first tick that is not before at, and not before time 0.
func (c Counter) Up(at clock.Time) uint64 { return c.Start + c.Tick.Up(at) }

// Down returns the last tick that is not after at; Start for a time before 0.
func (c Counter) Down(at clock.Time) uint64 { return c.Start + c.Tick.Down(at) }

// Time returns when a tick is: the first nanosecond that is not before it, 0 for those
// before Start, or clock.Never if the clock does not come that far.
func (c Counter) Time(tick uint64) clock.Time {
	if tick <= c.Start {
		return 0
	}
	return c.Tick.Time(tick - c.Start)
}

// MaxPPM is by how much an oscillator may be off, in parts per million.
const MaxPPM = 200

// Off returns the tick of an oscillator that is meant to have tick t and runs so many
// parts per million fast, or slow if negative, counted to the nearest part per billion.
// It returns an error if that is more than MaxPPM. The tick must have passed Check.
func (t Tick) Off(ppm float64) (Tick, error) {
	if !(math.Abs(ppm) <= MaxPPM) {
		return t, fmt.Errorf("a clock cannot be %v ppm off: at most %d", ppm, MaxPPM)
	}
	const billion = 1_000_000_000
	over, num := bits.Mul64(t.Num, billion)
	if over != 0 {
		return t, errors.New("the tick is too odd for a clock that is off")
	}
	return Tick{num, t.Den * uint64(billion+int64(math.Round(ppm*1000)))}, nil
}
