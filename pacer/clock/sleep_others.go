//go:build !linux

package clock

func newSleeper() sleeper { return make(goSleeper, 1) }
