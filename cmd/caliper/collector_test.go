package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestCollectorFollows has GOGC follow what is in use, until it is put back.
func TestCollectorFollows(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	runtime.GC()
	room := max(mostRoom, 4*sample("/gc/heap/live:bytes"))
	f := &follower{plan: memoryPlan{limit: unlimited, room: room}}
	percent := func() int {
		p := debug.SetGCPercent(77)
		debug.SetGCPercent(p)
		return p
	}
	f.follow()
	small := percent()
	ballast := make([]byte, 2*room)
	runtime.GC()
	f.follow() // as the cleanup does, when it comes round to it
	large := percent()
	runtime.KeepAlive(ballast)
	if small <= 100 || large != 100 {
		t.Errorf("GOGC %d with little in use, %d with twice the room", small, large)
	}
	f.end()
	debug.SetGCPercent(77)
	f.follow()
	if p := percent(); p != 77 {
		t.Errorf("GOGC %d after the end", p)
	}
}

// TestCollectorHonoursTheEnvironment leaves alone what the user has said.
func TestCollectorHonoursTheEnvironment(t *testing.T) {
	percent, limit := debug.SetGCPercent(33), debug.SetMemoryLimit(5<<40)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	t.Setenv("GOGC", "33")
	t.Setenv("GOMEMLIMIT", "5TiB")
	undo := tuneCollector()
	p, l := debug.SetGCPercent(33), debug.SetMemoryLimit(-1)
	if p != 33 || l != 5<<40 {
		t.Errorf("GOGC %d, limit %d", p, l)
	}
	undo()
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	debug.SetMemoryLimit(math.MaxInt64)
	undo = tuneCollector()
	p, l = debug.SetGCPercent(33), debug.SetMemoryLimit(-1)
	debug.SetGCPercent(p)
	if p < 100 || l > 1<<40 {
		t.Errorf("GOGC %d, limit %d: nobody looked", p, l)
	}
	undo()
	if p, l = debug.SetGCPercent(33), debug.SetMemoryLimit(-1); p != 33 || l != math.MaxInt64 {
		t.Errorf("GOGC %d, limit %d after the run", p, l)
	}
}
