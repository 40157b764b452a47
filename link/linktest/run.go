package linktest

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// run is a harness at work. It is the Origin of the frames it sends.
type run struct {
	Harness
	above  Collector
	memory memory        // of the frames
	ready  bool          // Handler.Ready was called
	before link.Counters // when they were looked at last
	lied   bool          // they were wrong

	told map[int]int  // how often Departed was called, by number of frame
	left map[int]bool // it said that the frame had left, and had not been dropped
	last clock.Time   // when the frame left that left last
	back bool         // a frame left before the one in front of it
}

// Departed implements link.Origin.
func (r *run) Departed(f *link.Frame) {
	i := f.Cookie.(int)
	r.told[i]++
	if sent, ok := f.Sent.Get(); ok { // else it was dropped
		r.left[i] = true
		r.back = r.back || sent < r.last
		r.last = sent
	}
}

// do calls f on the clock's goroutine.
func (r *run) do(f func()) {
	if clk, ok := r.Clock.(*clock.Real); ok {
		clk.Do(f)
	} else {
		f()
	}
}

// wait lets time pass until done.
func (r *run) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	if clk, ok := r.Clock.(*clock.Virtual); ok {
		for !done() {
			if !clk.Step() {
				t.Fatalf("nothing more will happen, and not yet: %s", what)
			}
			r.account(t)
		}
		return
	}
	over := make(chan struct{})
	var look func()
	look = func() {
		r.account(t)
		if done() {
			close(over)
			return
		}
		r.Clock.AfterFunc(100*time.Microsecond, look)
	}
	r.Clock.AfterFunc(0, look)
	<-over
}

// frames makes a frame of each number from first to end-1, of different sizes.
func (r *run) frames(first, end int) (frames []*link.Frame, sent [][]byte) {
	info := r.Device.Info()
	sizes := []int{info.MTU, 32, 64, 1 + info.MTU/2}
	for i := first; i < end; i++ {
		b := Packet(info, i, min(sizes[i%len(sizes)], 1500))
		f := r.memory.frame(b)
		f.Measure(info.Header())
		f.Depart, f.Enqueued = r.Clock.Now(), clock.At(r.Clock.Now())
		f.Origin, f.Cookie = r, i
		frames, sent = append(frames, f), append(sent, b)
	}
	return frames, sent
}

// send transmits all frames, waiting for Ready where the device is full.
func (r *run) send(t *testing.T, frames []*link.Frame) {
	t.Helper()
	for len(frames) > 0 {
		var n int
		var err error
		r.do(func() {
			r.ready = false
			n, err = r.Device.Transmit(frames)
			r.memory.lent += max(0, n)
			r.account(t)
		})
		switch {
		case err == nil && n != len(frames):
			t.Fatalf("Transmit of %d frames = %d and no error", len(frames), n)
		case errors.Is(err, link.ErrFull) && n >= len(frames):
			t.Fatalf("Transmit of %d frames = %d, %v", len(frames), n, err)
		case errors.Is(err, link.ErrFull):
			r.wait(t, "Ready after ErrFull", func() bool { return r.ready })
		case err != nil:
			t.Fatalf("Transmit: %v", err)
		}
		frames = frames[n:]
	}
}

// check waits until all of sent left, and tests that nothing else did.
func (r *run) check(t *testing.T, sent [][]byte) {
	t.Helper()
	r.wait(t, "all frames left", func() bool { return len(r.Left()) >= len(sent) })
	r.wait(t, "all Origins told", func() bool { return len(r.told) >= len(sent) })
	r.wait(t, "all frames freed", func() bool { return r.memory.released >= r.memory.lent })
	r.do(func() {
		left := r.Left()
		for i := range left {
			if i >= len(sent) || !bytes.Equal(left[i], sent[i]) {
				t.Errorf("frame %d of %d that left is not the one sent:\n%x", i, len(left), left[i])
				return
			}
		}
		r.toldOnce(t, len(sent))
		if r.back {
			t.Error("a frame left before the one in front of it")
		}
		for i := range sent {
			if !r.left[i] {
				t.Errorf("the Origin of frame %d was told that it was dropped, and it has left", i)
				break
			}
		}
		r.settled(t, sent)
	})
}

// toldOnce tests that the Origins of frames 0 to n-1 were told once.
func (r *run) toldOnce(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if r.told[i] != 1 {
			t.Errorf("Origin of frame %d of %d was told %d times, want once", i, n, r.told[i])
		}
	}
}

func testInfo(t *testing.T, r *run) {
	info := r.Device.Info()
	if info.Name == "" || info.MTU < 68 || info.Speed < 0 {
		t.Errorf("Info = %+v", info)
	}
	if n := len(info.Address); n != 0 && n != 6 {
		t.Errorf("Info.Address has %d bytes", n)
	}
	r.chain(t)
	frames, sent := r.frames(0, 3)
	r.send(t, frames)
	r.check(t, sent)
	r.chain(t)
	again := r.Device.Info()
	if !slices.Equal(info.Address, again.Address) {
		t.Errorf("Info.Address changed from %v to %v", info.Address, again.Address)
	}
	info.Address, again.Address = nil, nil
	if info.Name != again.Name || info.MTU != again.MTU || info.Speed != again.Speed ||
		info.Paces != again.Paces || info.Stamps != again.Stamps || info.Tick != again.Tick ||
		info.Lead != again.Lead || info.Batch != again.Batch {
		t.Errorf("Info changed from %+v to %+v", info, again)
	}
}

func testOrder(t *testing.T, r *run) {
	var all [][]byte
	for size := 1; size <= 8; size++ { // in batches of 1, 2, 3, ...
		frames, sent := r.frames(len(all), len(all)+size)
		r.send(t, frames)
		all = append(all, sent...)
	}
	r.check(t, all)
}

func testBurst(t *testing.T, r *run) {
	frames, sent := r.frames(0, 200)
	r.send(t, frames)
	r.check(t, sent)
}

func testNothing(t *testing.T, r *run) {
	r.do(func() {
		for _, none := range [][]*link.Frame{nil, {}} {
			if n, err := r.Device.Transmit(none); n != 0 || err != nil {
				t.Errorf("Transmit of no frames = %d, %v", n, err)
			}
		}
	})
	r.check(t, nil)
}

func testReceive(t *testing.T, r *run) {
	if r.Arrive == nil {
		t.Skip("nothing can arrive at this device")
	}
	var sent [][]byte
	for i := range 20 {
		b := Packet(r.Device.Info(), i, 100+i)
		r.do(func() { r.Arrive(b) })
		sent = append(sent, b)
	}
	r.wait(t, "all frames arrived", func() bool { return len(r.above.Records) >= len(sent) })
	r.do(func() {
		for i, got := range r.above.Records {
			if i >= len(sent) || !bytes.Equal(got.Bytes, sent[i]) {
				t.Errorf("frame %d that arrived is not the one sent:\n%x", i, got.Bytes)
				break
			}
		}
		if in := r.Device.Counters().Received; in != (link.Stats{}) && (in.Frames != uint64(len(sent)) || in.Dropped() > 0) {
			t.Errorf("%d frames have arrived, and %+v were received", len(sent), in)
		}
	})
}

func testClose(t *testing.T, r *run) {
	frames, sent := r.frames(0, 10)
	r.send(t, frames)
	r.check(t, sent)
	r.closed(t, 10)
}

func testCloseAtOnce(t *testing.T, r *run) {
	frames, sent := r.frames(0, 100)
	var n int
	r.do(func() {
		var err error
		if n, err = r.Device.Transmit(frames); err != nil && err != link.ErrFull {
			t.Errorf("Transmit: %v", err)
		}
		r.memory.lent += n
		r.account(t)
		if err := r.Device.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		r.account(t)
	})
	r.closed(t, n)
	r.wait(t, "all frames freed", func() bool { return r.memory.released >= r.memory.lent })
	r.do(func() {
		c := r.Device.Counters()
		if c.Waiting != 0 {
			t.Errorf("%d frames wait in a closed device", c.Waiting)
		}
		if counts(&c) && c.Sent.Frames > uint64(len(r.left)) {
			t.Errorf("%d frames were said to have left, and %d are counted as sent", len(r.left), c.Sent.Frames)
		}
		for i, b := range r.Left() {
			if i >= len(sent) || !bytes.Equal(b, sent[i]) || !r.left[i] {
				t.Errorf("frame %d, which has left, is another one, or was said to have been dropped", i)
				break
			}
		}
		r.memory.check(t)
	})
}

// closed closes the device, if it is not closed yet, and tests that all Origins of n
// frames are told once and that the device takes nothing more.
func (r *run) closed(t *testing.T, n int) {
	t.Helper()
	r.do(func() {
		for range 2 {
			if err := r.Device.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		r.toldOnce(t, n)
		frames, _ := r.frames(n, n+2)
		if taken, err := r.Device.Transmit(frames); taken != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Transmit after Close = %d, %v, want 0, net.ErrClosed", taken, err)
		}
		if r.told[n] != 0 {
			t.Error("a closed device told the Origin of a frame that it did not take")
		}
	})
}
