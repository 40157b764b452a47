// Package clock is the time that everything below TCP/IP runs on.
//
// A Clock tells the time in nanoseconds since it was started and calls functions at
// later times. There are two: Real, one goroutine that sleeps and then spins so that a
// departure runs within tens of nanoseconds of its time where the machine lets it; and
// Virtual, where time jumps from one event to the next and a run is exact and the same
// every time.
//
// # Rules
//
// Functions given to a Clock run one at a time, on the clock's own goroutine: the
// goroutine that calls Virtual.Step, or the one that Real started. What they own needs
// no lock. They must not block. Now, AfterFunc and the methods of a Timer may be called
// from any goroutine.
//
// Two functions due at the same time run in the order in which they were asked for.
package clock

import (
	"fmt"
	"time"
)

// Time is nanoseconds since the start of a clock. 63 bits last for 292 years.
type Time int64

// Never is later than every Time that an event has.
const Never Time = 1<<63 - 1

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// String writes t in seconds, with all nine decimals.
func (t Time) String() string {
	if t == Never {
		return "never"
	}
	sign, u := "", uint64(t)
	if t < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%09ds", sign, u/1e9, u%1e9)
}

// A Clock tells the time and calls functions later.
type Clock interface {
	// Now returns the time.
	Now() Time

	// AfterFunc calls f on the clock's goroutine when d has passed; where d is zero
	// or negative at once, but never from within AfterFunc. As with Timer.Reset, it may be
	// later by what a sleep is.
	AfterFunc(d time.Duration, f func()) Timer

	// Wall returns the date that stands for t, for time stamps and deadlines.
	Wall(t Time) time.Time
}

// A Timer is one function to be called once. It can be used again with Reset, also from
// the function itself, which costs no allocation.
type Timer interface {
	// Stop says that the function shall not be called, and reports whether it was
	// still to be called.
	Stop() bool

	// Reset says that the function shall be called when d has passed from now, and at
	// no other time, and reports whether it was still to be called before. A Real clock
	// sleeps until then, and may be late by some ten microseconds.
	Reset(d time.Duration) bool

	// ResetAt is Reset with an absolute time, which nothing is added to or lost from: a Real
	// clock spins for the last stretch. It is for departures. ResetAt(Never) is Stop.
	ResetAt(t Time) bool
}
