package nic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A rig is a Line in virtual time, above a write that takes 200 ns and ends as it is told.
type rig struct {
	clk  *clock.Virtual
	line *nic.Line
	err  error
	told []string
	origin
}

// origin notes what it is told of a frame.
type origin struct {
	sent  clock.Optional
	call  time.Duration
	times int
}

func (o *origin) Departed(f *link.Frame) {
	o.times++
	o.sent, o.call = f.Sent, f.Call
}

func newRig() *rig {
	r := &rig{clk: clock.NewVirtual()}
	write := func([]byte) error {
		if r.times > 0 {
			panic("the Origin was told before the write")
		}
		r.clk.RunUntil(r.clk.Now() + 200)
		return r.err
	}
	r.line = nic.NewLine(r.clk, link.Info{Name: "fake", MTU: 1500}, write, func(err error) { r.told = append(r.told, err.Error()) })
	return r
}

// send sends a frame and reports whether there was room for it.
func (r *rig) send(size int, err error) bool {
	r.err, r.origin = err, origin{}
	f := link.NewFrame(size)
	f.Origin = &r.origin
	ok := r.line.Send(f)
	if !ok {
		f.Free()
	}
	return ok
}

// TestStamp has a frame stamped directly before the write and its Origin told after it; of
// one that did not leave, that it was dropped.
func TestStamp(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		size int
		err  error
		room bool
		want string // cause, or "" where it leaves
	}{
		{100, nil, true, ""},
		{1500, nil, true, ""},
		{1501, nil, true, "too long"},
		{100, nic.ErrTooLong, true, "too long"},
		{100, nic.ErrDown, true, "link down"},
		{100, nic.ErrGone, true, "link error"},
		{100, broken, true, "link error"},
		{100, nic.ErrNoRoom, false, ""},
	} {
		r := newRig()
		r.clk.RunUntil(1000)
		room := r.send(c.size, c.err)
		want := origin{times: 1}
		if c.want == "" && c.room {
			want = origin{times: 1, sent: clock.At(1000), call: 200}
		}
		if room != c.room || r.origin != want {
			t.Errorf("%d bytes, write ends with %v: room %v, Origin %+v, want %+v", c.size, c.err, room, r.origin, want)
		}
		s := r.line.Stats()
		for why := range link.NumCauses {
			if n := s.Drops[why]; (n == 1) != (why.String() == c.want) || n > 1 {
				t.Errorf("write ends with %v: %d dropped for %v", c.err, n, why)
			}
		}
		if (s.Frames == 1) != want.sent.IsSet() {
			t.Errorf("write ends with %v: %+v", c.err, s)
		}
		if gone := c.err == nic.ErrGone; (r.line.Err() != nil) != gone {
			t.Errorf("write ends with %v: the device has %v", c.err, r.line.Err())
		}
	}
}

// TestTagged sends frames as long as VLAN tags make them (link.Info.Fits).
func TestTagged(t *testing.T) {
	info := link.Info{Name: "fake", MTU: 1500, Address: []byte{2, 0, 0, 0, 0, 1}}
	wrote := 0
	line := nic.NewLine(clock.NewVirtual(), info, func(b []byte) error { wrote = len(b); return nil }, nil)
	for _, c := range []struct {
		size int
		tags string // from the EtherType on
		fits bool
	}{
		{1514, "\x08\x00", true},
		{1515, "\x08\x00", false},
		{1518, "\x81\x00\x00\x05\x08\x00", true},
		{1519, "\x81\x00\x00\x05\x08\x00", false},
		{1522, "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", true},
	} {
		wrote = 0
		f := link.NewFrame(c.size)
		clear(f.Bytes())
		copy(f.Bytes()[12:], c.tags)
		line.Send(f)
		if (wrote == c.size) != c.fits {
			t.Errorf("%d bytes, % x: %d were written", c.size, c.tags, wrote)
		}
	}
	if s := line.Stats(); s.Frames != 3 || s.Drops[link.TooLong] != 2 {
		t.Errorf("sent %+v", s)
	}
}

// TestErrorsThatLast ends the device after a second of nothing but errors, and not before.
func TestErrorsThatLast(t *testing.T) {
	r := newRig()
	broken := errors.New("broken")
	step := func(d time.Duration, err error) {
		r.clk.RunUntil(r.clk.Now().Add(d))
		r.send(100, err)
	}
	for range 5 { // errors for a while, and then it works again
		for range 9 {
			step(100*time.Millisecond, broken)
		}
		step(100*time.Millisecond, nil)
	}
	if err := r.line.Err(); err != nil {
		t.Fatalf("it has failed: %v", err)
	}
	for range 12 {
		step(100*time.Millisecond, broken)
	}
	select {
	case <-r.line.Failed():
	default:
		t.Fatal("it has not failed")
	}
	if err := r.line.Err(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "1s") {
		t.Errorf("it has %v", err)
	}
}

// TestChanges counts and tells what becomes of the interface.
func TestChanges(t *testing.T) {
	r := newRig()
	up := nic.State{Up: true, Carrier: true, MTU: 1500}
	at := func(ms int, s nic.State) {
		r.clk.RunUntil(clock.Time(ms) * 1e6)
		r.line.Changed(s)
	}
	at(0, up) // how it is at first
	if len(r.told) != 0 || r.line.Changes() != (nic.Changes{}) {
		t.Fatalf("%q, %+v", r.told, r.line.Changes())
	}
	at(10, nic.State{Carrier: true, MTU: 1500})
	at(11, nic.State{MTU: 1500}) // nothing more than that it is down
	at(30, nic.State{Up: true, MTU: 1500})
	if c := r.line.Changes(); c.Downs != 1 || c.Down != 20*time.Millisecond {
		t.Errorf("%+v", c)
	}
	at(40, up)
	at(50, nic.State{Up: true, MTU: 1500})
	if !r.send(100, nic.ErrNoRoom) || r.line.Stats().Drops[link.LinkDown] != 1 {
		t.Error("without a carrier a frame waits for room")
	}
	at(55, up)
	at(60, nic.State{Up: true, Carrier: true, MTU: 9000})
	at(61, nic.State{Up: true, Carrier: true, MTU: 1000})
	at(62, up)
	if c := r.line.Changes(); c.Downs != 2 || c.Down != 35*time.Millisecond || c.MTUs != 3 {
		t.Errorf("%+v", c)
	}
	want := []string{"taken down", "up again, after 30ms", "no carrier", "up again, after 5ms", "MTU is 1000 now", "MTU is 1500 again"}
	if len(r.told) != len(want) {
		t.Fatalf("told %q", r.told)
	}
	for i, w := range want {
		if !strings.Contains(r.told[i], w) {
			t.Errorf("told %q, want %q", r.told[i], w)
		}
	}
	for i := range 1000 { // it flaps
		at(100+2*i, nic.State{})
		at(101+2*i, up)
	}
	if n := len(r.told); n != 10 || !strings.Contains(r.told[n-1], "not told") {
		t.Errorf("told %d times: %q", n, r.told[n-1])
	}
	if c := fmt.Sprint(r.line.Changes()); c != "{1002 1.035s 3}" {
		t.Errorf("%s", c)
	}
	if r.line.Err() != nil {
		t.Errorf("it has failed: %v", r.line.Err())
	}
	r.line.Changed(nic.State{Gone: true})
	if !errors.Is(r.line.Err(), nic.ErrGone) {
		t.Errorf("it was removed, and has %v", r.line.Err())
	}
}
