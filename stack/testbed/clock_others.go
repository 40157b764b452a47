//go:build !linux

package testbed

import "github.com/netcaliper/caliper/pacer/clock"

// StartClock starts the clock of a testbed in real time.
func StartClock() *clock.Real { return clock.NewReal() }
