package clock

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Real is the clock of the machine, with one goroutine, locked to a thread, that runs
// the functions.
//
// For a function whose time was given by ResetAt it sleeps until shortly before and then
// looks at the time without pause, so that others run in the gaps between departures. How
// long before follows from how late sleeps end on this machine (see margin); where a sleep
// would be no longer than that, it does not sleep. For all others it only sleeps.
type Real struct {
	start time.Time // with the monotonic reading that Now counts from

	mu     sync.Mutex
	seq    uint64    // of the timer that was set last
	queues [2]timers // of what may be late by a sleep, and of what may not

	next   [2]atomic.Int64 // times of their earliest timers, for the spinning loop
	margin margin
	spun   Time        // the exact event that the loop spins for, or has
	asleep atomic.Bool // the loop is in, or about to enter, its sleep
	bed    sleeper
	quit   atomic.Bool
	done   chan struct{}
}

// The queues of a Real.
const (
	loose = iota
	exact
)

// margin is how long before an exact event a sleep is to end. It follows the lateness of
// the sleeps, so that one of a hundred is late by more.
type margin time.Duration

// Bounds of a margin. A sleeping thread is late by 5 us on an idle machine, by 50 to 80 us
// on a busy virtual one, and by any time where many want the processor.
const (
	leastMargin margin = 5_000
	mostMargin  margin = 100_000
)

// learn takes in by how much a sleep was late.
func (m *margin) learn(late time.Duration) {
	const step, one = 50, 100 // ns; of so many sleeps one may be later
	if margin(late) > *m {
		*m += (one - 1) * step
	} else {
		*m -= step
	}
	*m = min(max(*m, leastMargin), mostMargin)
}

// rest returns for how long to sleep where an exact event is due after d.
func (m margin) rest(d time.Duration) time.Duration {
	if d < 2*time.Duration(m) {
		return 0
	}
	return d - time.Duration(m)
}

// sleeper is how the loop sleeps, which is the system's matter.
type sleeper interface {
	// sleep returns after d, after wake, or now and then for no reason, and reports whether
	// it was not woken.
	sleep(d time.Duration) bool
	// wake ends the sleep that is under way, or the next one. It may be called from any
	// goroutine, also after close.
	wake()
	close()
}

// NewReal starts a clock. Close ends it.
func NewReal() *Real {
	r := &Real{
		start:  time.Now(),
		margin: mostMargin,
		bed:    newSleeper(),
		done:   make(chan struct{}),
	}
	r.show()
	go r.loop()
	return r
}

// Now implements Clock.
func (r *Real) Now() Time { return Time(time.Since(r.start)) }

// Wall implements Clock.
func (r *Real) Wall(t Time) time.Time { return r.start.Add(time.Duration(t)) }

// AfterFunc implements Clock.
func (r *Real) AfterFunc(d time.Duration, f func()) Timer {
	t := &realTimer{clock: r, timer: timer{f: f}}
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
		if min(r.at(loose), r.at(exact)) <= now {
			r.run(now)
			continue
		}
		if r.rest(now) > 0 {
			r.sleep()
		}
	}
}

// at returns the time of the earliest timer of a queue.
func (r *Real) at(queue int) Time { return Time(r.next[queue].Load()) }

// show lets the loop know of the queues. It is called with the lock.
func (r *Real) show() {
	for i := range r.queues {
		r.next[i].Store(int64(r.queues[i].next()))
	}
}

// rest returns for how long the loop may sleep from now on. Sleeps that are left out for the
// margin's sake wear it down, so that it does not stay as it was when the machine was busy.
func (r *Real) rest(now Time) time.Duration {
	at := r.at(exact)
	d := r.margin.rest(at.Sub(now))
	if d == 0 && at != r.spun {
		r.spun = at
		r.margin.learn(0)
	}
	return min(r.at(loose).Sub(now), d)
}

// run calls every function that is due at now.
func (r *Real) run(now Time) {
	for {
		r.mu.Lock()
		t := r.pop(now)
		r.show()
		r.mu.Unlock()
		if t == nil {
			return
		}
		t.f()
	}
}

// pop takes out the earliest timer if it is due at now.
func (r *Real) pop(now Time) *timer {
	q := &r.queues[exact]
	if l := &r.queues[loose]; l.before(q) {
		q = l
	}
	t, _ := q.pop(now)
	return t
}

// sleep returns shortly before the next timer, or when a new timer is the earliest.
func (r *Real) sleep() {
	r.asleep.Store(true)
	// Look again: a timer may have come, and a wake-up not, before asleep was set.
	now := r.Now()
	d := r.rest(now)
	if d > 0 && !r.quit.Load() && r.bed.sleep(d) {
		r.margin.learn(r.Now().Sub(now.Add(d)))
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

func (s goSleeper) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s:
		return false
	case <-t.C:
		return true
	}
}

func (s goSleeper) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

func (goSleeper) close() {}

// set puts a timer into a queue, behind all others of that time.
func (r *Real) set(t *realTimer, at Time, queue int) bool {
	r.mu.Lock()
	was := false
	if t.queue != queue {
		was = r.queues[t.queue].remove(&t.timer)
		t.queue = queue
	}
	q := &r.queues[queue]
	r.seq++
	was = q.set(&t.timer, at, r.seq) || was
	earliest := t.place.First()
	r.show()
	r.mu.Unlock()
	if earliest {
		r.rouse()
	}
	return was
}

type realTimer struct {
	timer
	clock *Real
	queue int
}

func (t *realTimer) Stop() bool {
	r := t.clock
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.queues[t.queue].remove(&t.timer)
	r.show()
	return was
}

func (t *realTimer) Reset(d time.Duration) bool {
	return t.clock.set(t, after(t.clock.Now(), d), loose)
}

func (t *realTimer) ResetAt(at Time) bool { return t.clock.set(t, at, exact) }
