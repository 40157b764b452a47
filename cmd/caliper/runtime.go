package main

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/pacer/clock"
)

// slice is for how long the thread that packets leave on wants the processor at a time: with
// less than others it gets it sooner when it wakes (EEVDF, Linux 6.12).
const slice = 100 * time.Microsecond

// startClock starts the clock of a run in real time. Its thread has no higher priority than
// others: with one, who receives on this machine has no turn for many packets.
func startClock() *clock.Real {
	clk := clock.NewReal()
	clk.Do(func() {
		a, err := unix.SchedGetAttr(0, 0)
		if err == nil && a.Policy == unix.SCHED_NORMAL {
			a.Runtime = uint64(slice)
			_ = unix.SchedSetAttr(0, a, 0) // older kernels have one slice for all
		}
	})
	return clk
}

// tuneRuntime sets Go's runtime up for virtual or for real time, as far as the environment
// does not say how. It returns what undoes it.
func tuneRuntime(virtual bool) (undo func()) {
	set := os.Getenv("GOMAXPROCS") != ""
	n := runtime.GOMAXPROCS(0)
	collect := func() {}
	switch {
	case virtual && !set:
		// A world keeps one processor busy. With more, Go wakes another one at each of
		// its many short hand-overs, which takes longer than they do.
		runtime.GOMAXPROCS(1)
	case !virtual && !set:
		// The thread that packets leave on shall not wait for the others' turns.
		runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	}
	if !virtual {
		collect = tuneCollector()
	}
	return func() {
		runtime.GOMAXPROCS(n)
		collect()
	}
}
