package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

// Virtual is a clock whose time moves only from event to event. Nobody waits in it: a
// second of virtual time costs what its events cost.
//
// The goroutine that calls Step is the clock's goroutine. Now, AfterFunc and timers may
// be used from others too, but the order of events is the same in every run only if
// those calls come in the same order in every run.
type Virtual struct {
	now atomic.Int64 // written by the clock's goroutine

	mu    sync.Mutex
	seq   uint64 // of the timer that was set last
	queue timers
}

// NewVirtual returns a clock at time 0 without events.
func NewVirtual() *Virtual { return &Virtual{} }

// Now implements Clock.
func (v *Virtual) Now() Time { return Time(v.now.Load()) }

// Wall implements Clock: time 0 is 1970-01-01 00:00:00 UTC, so that the dates in a
// capture file are the times themselves.
func (v *Virtual) Wall(t Time) time.Time { return time.Unix(0, int64(t)).UTC() }

// AfterFunc implements Clock.
func (v *Virtual) AfterFunc(d time.Duration, f func()) Timer {
	t := &virtualTimer{clock: v, timer: timer{f: f}}
	t.Reset(d)
	return t
}

// Step moves the time to the next event and runs it. It returns false, and does nothing,
// if there is none.
func (v *Virtual) Step() bool {
	v.mu.Lock()
	t, at := v.queue.pop(Never)
	v.mu.Unlock()
	if t == nil {
		return false
	}
	v.advance(at)
	t.f()
	return true
}

// Next returns the time of the next event, or Never.
func (v *Virtual) Next() Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.queue.next()
}

// RunUntil runs all events up to and including those at t, and leaves the time at t.
// RunUntil(Never) runs until there are no more, and leaves the time at the last of them.
func (v *Virtual) RunUntil(t Time) {
	for next := v.Next(); next <= t && next < Never; next = v.Next() {
		v.Step()
	}
	if t == Never {
		return
	}
	v.advance(t)
}

func (v *Virtual) advance(t Time) {
	if t > v.Now() {
		v.now.Store(int64(t))
	}
}

type virtualTimer struct {
	timer
	clock *Virtual
}

func (t *virtualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.queue.remove(&t.timer)
}

func (t *virtualTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.set(after(t.clock.Now(), d))
}

func (t *virtualTimer) ResetAt(at Time) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.set(max(at, t.clock.Now()))
}

// set puts the timer behind all others of that time. It is called with the lock.
func (t *virtualTimer) set(at Time) bool {
	t.clock.seq++
	return t.clock.queue.set(&t.timer, at, t.clock.seq)
}

// after is now+d, not before now and not past the end of time.
func after(now Time, d time.Duration) Time {
	if d <= 0 {
		return now
	}
	if t := now.Add(d); t > now {
		return t
	}
	return Never - 1
}
