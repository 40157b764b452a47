package nic

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// patience is for how long link errors may follow each other until the device ends.
const patience = time.Second

// maxTold is how many changes are told. More are counted: an interface may flap.
const maxTold = 10

// A Line sends frames on an interface and knows what becomes of it. The clock's goroutine
// owns it; Fail, Failed and Err may be called from any.
type Line struct {
	clk    clock.Clock
	info   link.Info
	write  func([]byte) error
	tell   func(error)
	sent   link.Stats
	state  State
	downAt clock.Optional // since when it is down
	failAt clock.Optional // since when each write has failed
	count  Changes
	told   int

	mu     sync.Mutex
	err    error
	failed chan struct{}
}

// NewLine returns a Line of an interface that is up, for a device of that info. write sends
// a frame without waiting, and returns the errors of this package where they are meant. tell,
// which may be nil, is told on the clock's goroutine of what happens to the interface.
func NewLine(clk clock.Clock, info link.Info, write func([]byte) error, tell func(error)) *Line {
	return &Line{clk: clk, info: info, write: write, tell: tell, state: State{Up: true, Carrier: true}, failed: make(chan struct{})}
}

// Send sends a frame and ends it. It returns false, and leaves the frame to the caller, if
// there is no room for it now.
func (l *Line) Send(f *link.Frame) bool {
	n := f.Len()
	switch {
	case !l.info.Fits(f.Bytes()):
		l.sent.Drop(f, link.TooLong)
		return true
	case n < l.info.Header():
		l.sent.Drop(f, link.Malformed)
		return true
	}
	begin := l.clk.Now()
	switch err := l.write(f.Bytes()); err {
	case nil:
		f.LeftDuring(begin, l.clk.Now())
		l.failAt = clock.Optional{}
		l.sent.Frames++
		l.sent.Bytes += uint64(n)
		f.Free()
	case ErrNoRoom:
		if l.state.usable() {
			return false
		}
		l.sent.Drop(f, link.LinkDown) // without a carrier there is none for long
	case ErrTooLong:
		l.sent.Drop(f, link.TooLong)
	case ErrDown:
		l.sent.Drop(f, link.LinkDown)
	case ErrGone:
		l.sent.Drop(f, link.LinkError)
		l.Fail(err)
	default:
		l.sent.Drop(f, link.LinkError)
		l.lasts(begin, err)
	}
	return true
}

// Drop drops a frame that there was no room for.
func (l *Line) Drop(f *link.Frame, why link.Cause) { l.sent.Drop(f, why) }

// lasts ends the device if nothing could be sent for too long.
func (l *Line) lasts(now clock.Time, err error) {
	since, ok := l.failAt.Get()
	switch {
	case !ok:
		l.failAt = clock.At(now)
	case now.Sub(since) >= patience:
		l.Fail(fmt.Errorf("nothing could be sent for %v: %w", now.Sub(since).Round(time.Millisecond), err))
	}
}

// Changed takes in a new state.
func (l *Line) Changed(s State) {
	if s.Lost != nil {
		l.say(fmt.Sprintf("what becomes of it is not known from now on: %v", s.Lost))
		return
	}
	was := l.state
	l.state = s
	switch {
	case s.Gone:
		l.Fail(ErrGone)
		return
	case was.usable() && !s.usable():
		l.count.Downs++
		l.downAt = clock.At(l.clk.Now())
		why := "it was taken down"
		if s.Up {
			why = "it has no carrier"
		}
		l.say(why + ": until it is up again nothing leaves or arrives")
	case !was.usable() && s.usable():
		now := l.clk.Now()
		down := now.Sub(l.downAt.Or(now))
		l.say(fmt.Sprintf("it is up again, after %v", down.Round(time.Millisecond)))
		l.count.Down += down
		l.downAt = clock.Optional{}
	}
	if s.MTU == was.MTU || s.MTU == 0 {
		return
	}
	if was.MTU != 0 {
		l.count.MTUs++
	}
	switch {
	case s.MTU < l.info.MTU:
		l.say(fmt.Sprintf("its MTU is %d now and was %d when it was opened: longer packets are dropped", s.MTU, l.info.MTU))
	case was.MTU != 0 && was.MTU < l.info.MTU:
		l.say(fmt.Sprintf("its MTU is %d again", s.MTU))
	}
}

// say tells of a change.
func (l *Line) say(what string) {
	if l.told++; l.tell == nil || l.told > maxTold {
		return
	}
	if l.told == maxTold {
		what += "; more of this is counted and not told"
	}
	l.tell(errors.New(what))
}

// Stats counts the frames that were sent and dropped.
func (l *Line) Stats() link.Stats { return l.sent }

// Changes counts what became of the interface until now.
func (l *Line) Changes() Changes {
	c := l.count
	if since, ok := l.downAt.Get(); ok {
		c.Down += l.clk.Now().Sub(since)
	}
	return c
}

// Fail ends the device with an error. The first one counts.
func (l *Line) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.failed)
	}
}

// Failed is closed when the device has failed and nothing more will leave or arrive.
func (l *Line) Failed() <-chan struct{} { return l.failed }

// Err returns why it has, nil if it has not.
func (l *Line) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
