package stack

import "sync/atomic"

// softirq does what the clock's goroutine finds to be done and must not do, as it takes locks
// that applications and netstack hold: to have a connection send more, to wake a writer. In
// real time that is on a goroutine of its own; in a world on the clock's, when the event that
// runs now is over and the host at rest.
type softirq struct {
	raised atomic.Pointer[task] // the newest first
	soon   func()               // has run called

	// In real time.
	wake, quit, done chan struct{}
}

// A task is what is to be done for one connection or socket. It is raised any number of times,
// and run at least once after the last of them.
type task struct {
	run    func()
	raised atomic.Bool
	next   *task
}

func newSoftirq(h *Host) *softirq {
	q := new(softirq)
	if h.world != nil {
		run := q.run
		q.soon = func() { h.ep.Before(run) }
		return q
	}
	q.wake, q.quit, q.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	q.soon = func() {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	go q.loop()
	return q
}

// raise has t run soon. It may be called from any goroutine, and takes no lock.
func (q *softirq) raise(t *task) {
	if !t.raised.CompareAndSwap(false, true) {
		return
	}
	for {
		newest := q.raised.Load()
		t.next = newest
		if !q.raised.CompareAndSwap(newest, t) {
			continue
		}
		if newest == nil {
			q.soon()
		}
		return
	}
}

// run runs what was raised, in that order.
func (q *softirq) run() {
	var first *task
	for t := q.raised.Swap(nil); t != nil; {
		older := t.next
		t.next, first = first, t
		t = older
	}
	for first != nil {
		t := first
		first, t.next = t.next, nil
		t.raised.Store(false)
		t.run()
	}
}

func (q *softirq) loop() {
	defer close(q.done)
	for {
		select {
		case <-q.quit:
			return
		case <-q.wake:
			q.run()
		}
	}
}

// close ends the goroutine. What was raised and not run is not run any more.
func (q *softirq) close() {
	if q.quit != nil {
		close(q.quit)
		<-q.done
	}
}
