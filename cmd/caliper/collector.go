package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// In real time packets are late while Go collects garbage. It does so when there is as much
// garbage as is in use, and not before there is some room's worth of it, however little is in
// use. So memory is bounded by twice what is in use, or that and the room.

// Bounds of the room, in bytes. Ours make 10 MB of garbage or so per thousand packets.
const (
	leastRoom = 4 << 20
	mostRoom  = 64 << 20
)

// A memoryPlan is what memory a run in real time takes, in bytes.
type memoryPlan struct {
	limit int64 // of all, that Go collects to stay below as long as it can
	room  int64 // for garbage
}

// planMemory decides for a process that has so much already and may take so much more.
func planMemory(has, spare int64) memoryPlan {
	p := memoryPlan{limit: unlimited, room: min(max(spare/4, leastRoom), mostRoom)}
	if spare < unlimited-has {
		p.limit = has + spare/10*9 // what is not Go's takes some, too
	}
	return p
}

// percent is GOGC's for a heap of which so many bytes are in use.
func (p memoryPlan) percent(live int64) int {
	if live <= 0 {
		return 100
	}
	return int(min(max(100, 100*p.room/live), math.MaxInt32))
}

// tuneCollector sets the collector up for a run in real time. What the environment says, in
// GOGC and GOMEMLIMIT, holds. It returns what undoes it.
func tuneCollector() (undo func()) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	debug.SetGCPercent(percent)
	restore := func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
	has := sample("/memory/classes/total:bytes")
	plan := planMemory(has, min(spareMemory(os.DirFS("/")), max(0, limit-has)))
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(plan.limit)
	}
	if os.Getenv("GOGC") != "" {
		return restore
	}
	f := &follower{plan: plan}
	f.follow()
	return func() {
		f.end()
		restore()
	}
}

// A follower sets GOGC by what is in use, after each collection.
type follower struct {
	plan  memoryPlan
	mu    sync.Mutex
	ended bool
}

func (f *follower) follow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	debug.SetGCPercent(f.plan.percent(sample("/gc/heap/live:bytes")))
	// The next collection finds that nobody uses this.
	runtime.AddCleanup(&struct{ _ [4]uintptr }{}, (*follower).follow, f)
}

func (f *follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}

// sample returns one of Go's metrics, in bytes.
func sample(name string) int64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
