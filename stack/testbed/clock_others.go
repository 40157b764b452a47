//go:build !linux

package testbed

import "github.com/netcaliper/caliper/pacer/clock"

func startClock() *clock.Real { return clock.NewReal() }
