package stack

import (
	"errors"
	"fmt"
	"runtime"
)

// Everything in a World runs on one goroutine at a time: the clock's or that of the process
// that runs. Code that starts goroutines of its own, as net/http's Server does, would
// use hosts beside it: it is told from the others by the number of its goroutine.

// ErrOutside is the error of a call from a goroutine that is no process of the World, and of
// Run where that has happened.
var ErrOutside = errors.New("stack: a goroutine that is no process of the World used a host of it")

const notAProcess = "which is no process of the World: what starts goroutines, as net/http's Server and Transport do, " +
	"does not see virtual time: start processes with World.Go, or take hosts in real time (stack.New)"

// take says which goroutine may use the world from now on; 0 means any, as the world stands
// still.
func (w *World) take(id int64) { w.caller.Store(id) }

// inside returns an error if the world runs, and the caller is neither the process that
// runs nor the clock's goroutine.
func (w *World) inside() error {
	if id := w.caller.Load(); id == 0 || id == goroutineID() {
		return nil
	}
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var stack []frame
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		stack = append(stack, frame{f.Function, f.File, f.Line})
	}
	call, by := site(stack)
	err := fmt.Errorf("%w: %s was called by %v, %s", ErrOutside, call, by, notAProcess)
	w.outside.CompareAndSwap(nil, &err)
	return err
}

func (h *Host) inside() error {
	if h.world == nil {
		return nil
	}
	return h.world.inside()
}

// intruded returns the error of the first call from outside.
func (w *World) intruded() error {
	if err := w.outside.Load(); err != nil {
		return *err
	}
	return nil
}
