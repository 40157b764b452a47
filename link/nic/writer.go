package nic

import (
	"fmt"
	"net"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

const (
	// When to look again whether an interface without room has some: the kernel does not
	// tell. At 1 Gbit/s it sends four full frames in the shortest time, and its queue holds
	// hundreds. Each look in vain doubles it.
	retryAfter = 50 * time.Microsecond
	retryMost  = 10 * time.Millisecond

	// patience is for how long link errors may follow each other until the device ends, in
	// which it was tried failTries times, at the least, in equal steps.
	patience  = time.Second
	failTries = 4
)

// A writer is the half of a Device that sends.
type writer struct {
	stats   link.Stats
	batcher Batcher       // the back end, if it is one
	batch   []*link.Frame // what was written to it and not yet flushed
	retry   clock.Timer
	after   time.Duration // when it is set next

	errors int        // steps of time in which nothing but errors came of it
	failAt clock.Time // when the first of them began
	errAt  clock.Time // when the last of them did
}

func (w *writer) init(d *Device) {
	w.batcher, _ = d.backend.(Batcher)
	w.after = retryAfter
	// A timer can only be made running.
	w.retry = d.clk.AfterFunc(time.Duration(clock.Never), d.ready)
	w.retry.Stop()
}

// Transmit implements link.Device. Where the interface has no room it returns link.ErrFull,
// and tries again soon. What the interface cannot send it drops and counts: a frame that is
// too long, or is no frame, and all frames while it is down.
//
// A frame is stamped directly before the system call that hands it to the kernel, and after it.
func (d *Device) Transmit(frames []*link.Frame) (int, error) {
	if d.closed {
		return 0, net.ErrClosed
	}
	n := 0
	for n < len(frames) && d.write(frames[n]) {
		n++
	}
	d.flush()
	if n < len(frames) {
		d.writer.retry.Reset(d.writer.after)
		d.writer.after = min(2*d.writer.after, retryMost)
		return n, link.ErrFull
	}
	return n, nil
}

// write sends a frame and ends it, or keeps it until it is flushed. It returns false, and
// leaves the frame to the caller, if there is no room for it now.
func (d *Device) write(f *link.Frame) bool {
	w := &d.writer
	switch {
	case !d.config.Info.Fits(f.Bytes()):
		w.stats.Drop(f, link.TooLong)
		return true
	case f.Len() < d.config.Info.Header():
		w.stats.Drop(f, link.Malformed)
		return true
	}
	begin := d.clk.Now()
	err := d.backend.Write(f.Bytes())
	switch {
	case err == ErrNoRoom && d.state.usable():
		return false
	case err == nil && w.batcher != nil:
		w.batch = append(w.batch, f)
	default:
		d.wrote(f, err, begin, d.clk.Now())
	}
	return true
}

// flush sends what a Batcher was given. All of it leaves in that call.
func (d *Device) flush() {
	w := &d.writer
	if len(w.batch) == 0 {
		return
	}
	begin := d.clk.Now()
	err := w.batcher.Flush()
	end := d.clk.Now()
	for _, f := range w.batch {
		d.wrote(f, err, begin, end)
	}
	clear(w.batch)
	w.batch = w.batch[:0]
}

// wrote ends a frame by what became of it in a call from begin to end.
func (d *Device) wrote(f *link.Frame, err error, begin, end clock.Time) {
	w := &d.writer
	switch err {
	case nil:
		w.errors, w.after = 0, retryAfter
		w.stats.Frames++
		w.stats.Bytes += uint64(f.Len())
		f.LeftDuring(begin, end)
		f.Free()
	case ErrTooLong:
		w.stats.Drop(f, link.TooLong)
	case ErrDown:
		w.stats.Drop(f, link.LinkDown)
	case ErrNoRoom:
		why := link.QueueFull
		if !d.state.usable() { // without a carrier there is none for long
			why = link.LinkDown
		}
		w.stats.Drop(f, why)
	case ErrGone:
		w.stats.Drop(f, link.LinkError)
		d.fail(err)
	default:
		w.stats.Drop(f, link.LinkError)
		d.lasts(err, begin)
	}
}

// lasts ends the device if it was tried for long enough, and nothing could be sent.
func (d *Device) lasts(err error, now clock.Time) {
	w := &d.writer
	switch {
	case w.errors == 0:
		w.failAt = now
	case now.Sub(w.errAt) < patience/failTries:
		return
	}
	w.errors++
	w.errAt = now
	if w.errors > failTries {
		d.fail(fmt.Errorf("nothing could be sent for %v: %w", now.Sub(w.failAt).Round(time.Millisecond), err))
	}
}

// ready lets what is above try again.
func (d *Device) ready() {
	if d.handler != nil {
		d.handler.Ready()
	}
}
