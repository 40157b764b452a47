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
	above Collector
	ready bool // Handler.Ready was called

	told map[int]int // how often Departed was called, by number of frame
	last clock.Time  // when the frame left that left last
	back bool        // a frame left before the one in front of it
}

// Departed implements link.Origin.
func (r *run) Departed(f *link.Frame) {
	r.told[f.Cookie.(int)]++
	if sent, ok := f.Sent.Get(); ok { // else it was dropped
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
		}
		return
	}
	over := make(chan struct{})
	var look func()
	look = func() {
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
		f := FrameOf(b)
		f.Measure(info.Header())
		f.Depart, f.Enqueued = r.Clock.Now(), clock.At(r.Clock.Now())
		f.Origin, f.Cookie = r, i
		frames, sent = append(frames, f), append(sent, b)
	}
	if r.told == nil {
		r.told = make(map[int]int)
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
		if r.Stats != nil {
			if s := r.Stats(); s.Frames != uint64(len(sent)) || s.Dropped() != 0 {
				t.Errorf("Stats = %+v after %d frames", s, len(sent))
			}
		}
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
	frames, sent := r.frames(0, 3)
	r.send(t, frames)
	r.check(t, sent)
	again := r.Device.Info()
	if !slices.Equal(info.Address, again.Address) {
		t.Errorf("Info.Address changed from %v to %v", info.Address, again.Address)
	}
	info.Address, again.Address = nil, nil
	if info.Name != again.Name || info.MTU != again.MTU || info.Speed != again.Speed ||
		info.Paces != again.Paces || info.Tick != again.Tick {
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
				return
			}
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
	frames, _ := r.frames(0, 100)
	var n int
	r.do(func() {
		var err error
		if n, err = r.Device.Transmit(frames); err != nil && err != link.ErrFull {
			t.Errorf("Transmit: %v", err)
		}
		if err := r.Device.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	r.closed(t, n)
	if r.Stats != nil {
		if s := r.Stats(); s.Frames+s.Dropped() != uint64(n) {
			t.Errorf("Stats = %+v after %d frames and Close", s, n)
		}
	}
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
