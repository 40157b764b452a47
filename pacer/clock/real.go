package clock

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// spin is how long before an event the real clock stops sleeping and starts to look at
// the time without pause. A sleeping thread is late by 50 to 80 us on a busy virtual
// machine; a spinning one by the time of one look, tens of nanoseconds.
const spin = 100 * time.Microsecond

// Real is the clock of the machine, with one goroutine, locked to a thread, that runs
// the functions. It sleeps until shortly before the next one is due and then spins,
// which takes a whole processor while events are less than 100 us apart.
type Real struct {
	start time.Time // with the monotonic reading that Now counts from

	mu    sync.Mutex
	queue queue

	next   atomic.Int64 // time of the earliest timer, for the spinning loop
	asleep atomic.Bool  // the loop is in, or about to enter, its sleep
	bed    sleeper
	quit   atomic.Bool
	done   chan struct{}
}

// sleeper is how the loop sleeps, which is the system's matter.
type sleeper interface {
	// sleep returns after d, after wake, or now and then for no reason.
	sleep(d time.Duration)
	// wake ends the sleep that is under way, or the next one. It may be called from any
	// goroutine, also after close.
	wake()
	close()
}

// NewReal starts a clock. Close ends it.
func NewReal() *Real {
	r := &Real{
		start: time.Now(),
		bed:   newSleeper(),
		done:  make(chan struct{}),
	}
	r.next.Store(int64(Never))
	go r.loop()
	return r
}

// Now implements Clock.
func (r *Real) Now() Time { return Time(time.Since(r.start)) }

// Wall implements Clock.
func (r *Real) Wall(t Time) time.Time { return r.start.Add(time.Duration(t)) }

// AfterFunc implements Clock.
func (r *Real) AfterFunc(d time.Duration, f func()) Timer {
	t := &realTimer{clock: r, timer: timer{f: f, index: -1}}
	t.Reset(d)
	return t
}

// Do runs f on the clock's goroutine and returns when it has run, or at once, without
// running it, if the clock is closed. It must not be called from the clock's goroutine.
func (r *Real) Do(f func()) {
	ran := make(chan struct{})
	r.AfterFunc(0, func() { f(); close(ran) })
	select {
	case <-ran:
	case <-r.done:
	}
}

// Close ends the clock's goroutine and returns when it has ended. Functions that were
// not called yet never are. It must not be called from the clock's goroutine.
func (r *Real) Close() error {
	r.quit.Store(true)
	r.rouse()
	<-r.done
	return nil
}

func (r *Real) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.done)
	defer r.bed.close()
	for !r.quit.Load() {
		now := r.Now()
		next := Time(r.next.Load())
		if next <= now {
			r.run(now)
			continue
		}
		if next.Sub(now) > spin {
			r.sleep()
		}
	}
}

// run calls every function that is due at now.
func (r *Real) run(now Time) {
	for {
		r.mu.Lock()
		t := r.queue.pop(now)
		r.next.Store(int64(r.queue.next()))
		r.mu.Unlock()
		if t == nil {
			return
		}
		t.f()
	}
}

// sleep returns shortly before the next timer, or when a new timer is the earliest.
func (r *Real) sleep() {
	r.asleep.Store(true)
	// Look again: a timer may have come, and a wake-up not, before asleep was set.
	d := Time(r.next.Load()).Sub(r.Now()) - spin
	if d > 0 && !r.quit.Load() {
		r.bed.sleep(d)
	}
	r.asleep.Store(false)
}

// rouse ends the loop's sleep, if it sleeps.
func (r *Real) rouse() {
	if r.asleep.Load() {
		r.bed.wake()
	}
}

// goSleeper sleeps by Go's own timers, which wake up to a millisecond late.
type goSleeper chan struct{}

func (s goSleeper) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s:
	case <-t.C:
	}
}

func (s goSleeper) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

func (goSleeper) close() {}

func (r *Real) set(t *timer, at Time) bool {
	r.mu.Lock()
	was := r.queue.set(t, at)
	earliest := t.index == 0
	r.next.Store(int64(r.queue.next()))
	r.mu.Unlock()
	if earliest {
		r.rouse()
	}
	return was
}

type realTimer struct {
	timer
	clock *Real
}

func (t *realTimer) Stop() bool {
	r := t.clock
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.queue.remove(&t.timer)
	r.next.Store(int64(r.queue.next()))
	return was
}

func (t *realTimer) Reset(d time.Duration) bool {
	return t.clock.set(&t.timer, after(t.clock.Now(), d))
}

func (t *realTimer) ResetAt(at Time) bool { return t.clock.set(&t.timer, at) }
