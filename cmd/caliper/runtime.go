package main

import (
	"os"
	"runtime"
)

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
