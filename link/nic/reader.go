package nic

import (
	"errors"
	"os"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// pollBurst is how many frames are read in one look, so that what leaves is not late for what
// arrives.
const pollBurst = 16

// vlanRoom is how much longer than the MTU the tags of a frame may make it, in bytes.
const vlanRoom = 8

// A Receiver takes what a back end has read. It belongs to the goroutine that calls Read.
type Receiver struct {
	info  *link.Info
	inbox *link.Inbox
	pool  link.Pool
	next  *link.Frame // where the next frame is read to
}

func (r *Receiver) init(clk clock.Clock, info *link.Info) {
	r.info, r.inbox = info, link.NewInbox(clk, info.MTU)
}

// Buffer returns memory to read the next frame into. It is longer than the longest frame by
// one byte, so that one that is cut off there is too long.
func (r *Receiver) Buffer() []byte {
	if r.next == nil {
		n := r.info.Header() + r.info.MTU + 1
		if r.info.Header() > 0 {
			n += vlanRoom
		}
		r.next = r.pool.Frame(n)
	}
	return r.next.Bytes()
}

// Took takes over a frame of n bytes, as many of them as have room there are in Buffer. A short
// one is copied, so that it does not hold the memory of a long one.
func (r *Receiver) Took(n int) {
	f := r.next
	switch {
	case n > f.Len():
		r.Lose(link.TooLong, 1)
		return
	case 2*n < f.Len():
		f = r.pool.Frame(n)
		copy(f.Bytes(), r.next.Bytes())
	default:
		f.Trim(n)
		r.next = nil
	}
	r.Put(f)
}

// Cut takes over the frames of a super-segment that has arrived as one.
func (r *Receiver) Cut(s *link.Super) {
	for f := s.Next(&r.pool); f != nil; f = s.Next(&r.pool) {
		r.Put(f)
	}
}

// Put takes over a frame that has arrived.
func (r *Receiver) Put(f *link.Frame) {
	why := link.NumCauses
	switch {
	case !r.info.Fits(f.Bytes()):
		why = link.TooLong
	case f.Len() < r.info.Header():
		why = link.Malformed
	default:
		r.inbox.Put(f)
		return
	}
	f.Free()
	r.Lose(why, 1)
}

// Lose counts frames that arrived and go no further.
func (r *Receiver) Lose(why link.Cause, frames int) { r.inbox.Lose(why, frames) }

// Attach implements link.Device. From now on the device reads. As all methods it is called
// on the clock's goroutine, so that what is above can be made ready before the first
// frame arrives there.
func (d *Device) Attach(h link.Handler) {
	d.handler = h
	d.in.inbox.Attach(h)
	if d.config.Poll > 0 {
		d.look = d.clk.AfterFunc(d.config.Poll, d.poll)
		return
	}
	d.done = make(chan struct{})
	go d.read()
}

// read runs on a goroutine of its own until the device is closed or has failed.
func (d *Device) read() {
	defer close(d.done)
	for d.readOne(true) != errStop {
	}
}

// poll reads what has arrived, on the clock's goroutine.
func (d *Device) poll() {
	for range pollBurst {
		switch d.readOne(false) {
		case ErrEmpty, ErrDown:
			d.look.Reset(d.config.Poll)
			return
		case errStop:
			return
		}
	}
	d.look.Reset(0) // there may be more, and others come first
}

// errStop says that nothing more will be read.
var errStop = errors.New("nothing more is read")

// readOne returns errStop at the end, which it tells of.
func (d *Device) readOne(wait bool) error {
	switch err := d.backend.Read(&d.in, wait); err {
	case nil, ErrEmpty, ErrDown: // it may come up again
		return err
	case os.ErrClosed:
	default:
		d.fail(err)
	}
	return errStop
}

// endRead comes when the back end is closed.
func (d *Device) endRead() {
	if d.look != nil {
		d.look.Stop()
	}
	if d.done != nil {
		<-d.done
	}
}
