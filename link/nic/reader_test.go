package nic

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// maxArrived is how many frames wait for the clock's goroutine.
const maxArrived = 4096

func blank(n, size int) (frames [][]byte) {
	for range n {
		frames = append(frames, make([]byte, size))
	}
	return frames
}

// What the clock's goroutine does not take in time is bounded, and the rest is counted; so is
// what the kernel had no room for, once.
func TestOverflow(t *testing.T) {
	clk := clock.NewVirtual()
	d := newFake(t, clk, &fake{frames: blank(maxArrived+100, 60), drops: 7}, nil)
	above := read(clk, d)
	if len(above.Batches) != 1 || above.Batches[0] != maxArrived {
		t.Errorf("received batches of %v frames, want one of %d", above.Batches, maxArrived)
	}
	for range 2 {
		r := d.Counters().Received
		if r.Frames != maxArrived || r.Bytes != 60*maxArrived || r.Drops[link.QueueFull] != 107 || r.Dropped() != 107 {
			t.Errorf("received %+v", r)
		}
	}
}

// What waits for the clock's goroutine when the device closes is counted, and what the kernel
// had no room for until then.
func TestCloseWaiting(t *testing.T) {
	clk := clock.NewVirtual()
	b := &fake{frames: blank(10, 60), drops: 3}
	d := newFake(t, clk, b, nil)
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	<-d.done
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	for clk.Step() {
	}
	r := d.Counters().Received
	if r.Drops[link.Closed] != 10 || r.Drops[link.QueueFull] != 3 || len(above.Records) != 0 || b.closed != 1 {
		t.Errorf("received %+v, handed on %d, closed %d times", r, len(above.Records), b.closed)
	}
	if _, err := one(d, 60); err != net.ErrClosed {
		t.Errorf("Transmit after Close: %v", err)
	}
}

// TestReceived counts what is no frame, or too long for the MTU, as where the kernel's side
// has got a larger one.
func TestReceived(t *testing.T) {
	for _, ethernet := range []bool{false, true} {
		info := link.Info{Name: "fake0", MTU: 1500}
		head := 0
		if ethernet {
			info.Address = net.HardwareAddr{2, 0, 0, 0, 0, 1}
			head = link.EthernetHeader
		}
		tagged := make([]byte, head+1508)
		if ethernet {
			copy(tagged[12:], "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00")
		}
		b := &fake{frames: [][]byte{
			make([]byte, head+1500), make([]byte, head+1501), make([]byte, head+9000),
			make([]byte, head), make([]byte, head+749), make([]byte, head+751), tagged, make([]byte, head+1509), make([]byte, 13),
		}}
		clk := clock.NewVirtual()
		d, err := New(clk, b, Config{Info: info})
		if err != nil {
			t.Fatal(err)
		}
		above := read(clk, d)
		r := d.Counters().Received
		if ethernet {
			same(t, above, 1514, 14, 763, 765, 1522)
			if r.Drops[link.TooLong] != 3 || r.Drops[link.Malformed] != 1 || r.Dropped() != 4 {
				t.Errorf("received %+v", r)
			}
			continue
		}
		same(t, above, 1500, 0, 749, 751, 13)
		if r.Drops[link.TooLong] != 4 || r.Dropped() != 4 {
			t.Errorf("received %+v", r)
		}
	}
}

// Reading goes on after what passes, and ends with what does not.
func TestReadErrors(t *testing.T) {
	clk := clock.NewVirtual()
	b := &fake{errors: []error{ErrDown, ErrEmpty, errBroken, ErrDown}}
	d := newFake(t, clk, b, nil)
	read(clk, d)
	if err := d.Err(); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), `fake interface "fake0"`) {
		t.Errorf("Err = %v, want the one that stays", err)
	}
	<-d.Failed()
	if len(b.errors) != 1 {
		t.Error("something was read behind the error that stays")
	}
}

// TestPoll looks for frames on the clock's goroutine: all that there are, and no more often
// than it was told. A failure ends it, and Close does.
func TestPoll(t *testing.T) {
	clk := clock.NewVirtual()
	b := &fake{frames: blank(40, 60)}
	d, err := New(clk, b, Config{Info: link.Info{MTU: 1500}, Poll: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	clk.RunUntil(999)
	if len(above.Records) != 0 {
		t.Errorf("%d arrived before the first look", len(above.Records))
	}
	clk.RunUntil(1000)
	if len(above.Records) != 40 || above.Batches[0] > pollBurst {
		t.Errorf("%d arrived, in batches of %v", len(above.Records), above.Batches)
	}
	b.frames, b.errors = blank(1, 60), []error{ErrDown}
	clk.RunUntil(1999)
	if len(above.Records) != 40 {
		t.Error("it looked too early")
	}
	clk.RunUntil(3000)
	if len(above.Records) != 41 {
		t.Errorf("%d arrived", len(above.Records))
	}
	b.frames, b.errors = nil, []error{ErrDown, ErrDown, errBroken}
	clk.RunUntil(5500)
	if len(b.errors) != 1 {
		t.Errorf("it looked %d times in two intervals while the interface was down", 3-len(b.errors))
	}
	clk.RunUntil(6000)
	if !errors.Is(d.Err(), errBroken) {
		t.Errorf("Err = %v", d.Err())
	}
	b.frames = blank(1, 60)
	clk.RunUntil(10_000)
	if len(above.Records) != 41 {
		t.Error("it looked after it had failed")
	}
	d.Close()
	for clk.Step() {
	}
}

// A device that polls has no goroutine, and does not look any more when it is closed.
func TestPollClose(t *testing.T) {
	clk := clock.NewVirtual()
	b := &fake{}
	d, err := New(clk, b, Config{Info: link.Info{MTU: 1500}, Poll: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	d.Attach(&linktest.Collector{Clock: clk})
	clk.RunUntil(5000)
	d.Close()
	for clk.Step() {
	}
	if clk.Now() != 5000 || d.done != nil || d.Err() != nil {
		t.Errorf("at %v, %v", clk.Now(), d.Err())
	}
}

// keeper keeps the frames that arrive.
type keeper struct{ frames []*link.Frame }

func (k *keeper) Ready()                       {}
func (k *keeper) Receive(frames []*link.Frame) { k.frames = append(k.frames, frames...) }

// TestBuffer has a long frame handed on in the memory that it was read into, and a short one
// in memory of its own.
func TestBuffer(t *testing.T) {
	clk := clock.NewVirtual()
	d := newFake(t, clk, &fake{}, nil)
	var above keeper
	d.Attach(&above)
	<-d.done
	read := func(n int) bool {
		b := d.in.Buffer()
		d.in.Took(n)
		for clk.Step() {
		}
		f := above.frames[len(above.frames)-1]
		if f.Len() != n {
			t.Errorf("%d bytes of %d", f.Len(), n)
		}
		return &f.Memory()[link.HeadRoom] == &b[0]
	}
	for n, want := range map[int]bool{1500: true, 751: true, 750: false, 1: false} {
		if got := read(n); got != want {
			t.Errorf("%d bytes: in the same memory: %v", n, got)
		}
	}
}

// TestNoGarbage gives the memory back of what is dropped, and of short frames where the
// longest are long.
func TestNoGarbage(t *testing.T) {
	clk := clock.NewVirtual()
	d, err := New(clk, &fake{}, Config{Info: link.Info{MTU: 9000}})
	if err != nil {
		t.Fatal(err)
	}
	d.Attach(&linktest.Null{})
	<-d.done
	if testing.AllocsPerRun(100, func() { d.in.pool.Frame(64).Free() }) > 0 {
		t.Log("not tested: the race detector makes sync.Pool forget at random")
		return
	}
	d.config.Info.MTU = 1000
	dropped := testing.AllocsPerRun(1000, func() { d.in.Put(d.in.pool.Frame(1001)) })
	d.config.Info.MTU = 9000
	short := testing.AllocsPerRun(1000, func() {
		d.in.Buffer()
		d.in.Took(100)
		for clk.Step() {
		}
	})
	if dropped != 0 || short != 0 {
		t.Errorf("%v allocations a frame that is dropped, %v one that is short", dropped, short)
	}
}

// TestCut cuts a super-segment, as far as there is room.
func TestCut(t *testing.T) {
	clk := clock.NewVirtual()
	b := new(cutter)
	d := newFake(t, clk, b, nil)
	above := read(clk, d)
	want := make([]int, maxArrived)
	for i := range want {
		want[i] = 41
	}
	same(t, above, want...)
	if r := d.Counters().Received; r.Frames != maxArrived || r.Drops[link.QueueFull] != 5000-maxArrived || r.Dropped() != 5000-maxArrived {
		t.Errorf("received %+v", r)
	}
}

// A cutter hands over a super-segment of 5000 frames of a byte.
type cutter struct{ fake }

func (b *cutter) Read(to *Receiver, _ bool) error {
	segment := make([]byte, 40+5000)
	segment[0], segment[9], segment[32] = 0x45, 6, 0x50
	var s link.Super
	if !s.Set(segment, 0, 20, 6, 1) {
		return errBroken
	}
	to.Cut(&s)
	return (&b.fake).Read(to, true)
}
