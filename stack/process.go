package stack

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// process is a coroutine of a world. It runs on the clock's goroutine, when an event
// that it waits for has woken it, until it waits again.
type process struct {
	world *World
	name  string
	id    atomic.Int64 // of its goroutine; 0 before it has begun
	timer clock.Timer  // resumes it
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	done  bool
	dead  bool // it unwinds
	// joined are the processes that wait for this one.
	joined   []*process
	waitsFor *process
	asleep   bool
	ran      clock.Time // when it last ran

	mu     sync.Mutex // wake is called from netstack's goroutines too
	queued bool
}

// Go starts f as a process. It begins when the world goes on. The function returned
// waits, in another process, until f has returned.
func (w *World) Go(f func()) (wait func()) {
	p := w.start(f)
	return func() {
		me := w.process()
		for !p.done {
			p.joined = append(p.joined, me)
			me.waitsFor = p
			me.park()
			me.waitsFor = nil
		}
	}
}

// Sleep lets d pass, in a process.
func (w *World) Sleep(d time.Duration) {
	p := w.process()
	end := w.clk.Now().Add(d)
	t := w.clk.AfterFunc(d, p.wake)
	p.asleep = true
	for w.clk.Now() < end {
		p.park()
	}
	p.asleep = false
	t.Stop()
}

// process returns the process that runs.
func (w *World) process() *process {
	if err := w.inside(); err != nil {
		panic(err)
	}
	if w.current == nil {
		panic("stack: Sleep and wait are for the processes of a World: start one with Go or Run")
	}
	return w.current
}

func (w *World) start(f func()) *process {
	p := &process{world: w, name: nameOf(f)}
	p.next, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		p.id.Store(goroutineID())
		w.take(goroutineID())
		defer func() {
			if r := recover(); r != nil && r != any(killed{}) {
				panic(r)
			}
		}()
		f()
	})
	w.live++
	w.order = append(w.order, p)
	p.timer = w.clk.AfterFunc(0, p.resume)
	p.queued = true
	return p
}

// killed unwinds a process that the world ends.
type killed struct{}

// park gives the processor back until wake is called. It may return without a reason,
// and so is called in a loop.
func (p *process) park() {
	if !p.dead {
		p.world.current = nil
		p.dead = !p.yield(struct{}{})
	}
	if p.dead {
		panic(killed{})
	}
}

// wake makes the process go on, at this instant but not at once. It may be called from
// any goroutine.
func (p *process) wake() {
	p.mu.Lock()
	was := p.queued
	p.queued = true
	p.mu.Unlock()
	if !was {
		p.timer.Reset(0)
	}
}

func (p *process) resume() {
	p.mu.Lock()
	p.queued = false
	p.mu.Unlock()
	if p.done {
		return
	}
	owner := p.enter()
	_, waits := p.next()
	p.leave(owner)
	if !waits {
		p.end()
	}
}

func (p *process) end() {
	p.done = true
	p.timer.Stop()
	w := p.world
	w.live--
	if len(w.order) > 2*w.live+16 {
		w.order = slices.DeleteFunc(w.order, func(q *process) bool { return q.done })
	}
	for _, q := range p.joined {
		w.got()
		q.wake()
	}
	p.joined = nil
}

func (p *process) kill() {
	if !p.done {
		owner := p.enter() // for what its deferred functions call
		p.stop()
		p.leave(owner)
		p.end()
	}
}

// enter gives the world to the process, and returns who had it.
func (p *process) enter() (owner int64) {
	w := p.world
	owner = w.caller.Load()
	w.current, p.ran = p, w.clk.Now()
	w.switches.Add(1)
	w.take(p.id.Load())
	return owner
}

func (p *process) leave(owner int64) {
	p.world.current = nil
	p.world.take(owner)
}
