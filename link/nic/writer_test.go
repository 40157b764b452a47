package nic

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

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

// TestStamp has a frame stamped directly before the write and its Origin told after it; of
// one that did not leave, that it was dropped.
func TestStamp(t *testing.T) {
	for _, c := range []struct {
		size int
		err  error
		room bool
		want string // cause, or "" where it leaves
	}{
		{100, nil, true, ""},
		{1500, nil, true, ""},
		{1501, nil, true, "too long"},
		{100, ErrTooLong, true, "too long"},
		{100, ErrDown, true, "link down"},
		{100, ErrGone, true, "link error"},
		{100, errBroken, true, "link error"},
		{100, ErrNoRoom, false, ""},
	} {
		clk := clock.NewVirtual()
		var got origin
		b := &fake{onWrite: func([]byte) error {
			if got.times > 0 {
				t.Error("the Origin was told before the write")
			}
			clk.RunUntil(clk.Now() + 200)
			return c.err
		}}
		d := newFake(t, clk, b, nil)
		clk.RunUntil(1000)
		f := link.NewFrame(c.size)
		f.Origin = &got
		n, err := d.Transmit([]*link.Frame{f})
		want := origin{times: 1}
		switch {
		case !c.room:
			want = origin{}
		case c.want == "":
			want = origin{times: 1, sent: clock.At(1000), call: 200}
		}
		if (n == 1) != c.room || (err == link.ErrFull) == c.room || got != want {
			t.Errorf("%d bytes, write ends with %v: Transmit = %d, %v, Origin %+v, want %+v", c.size, c.err, n, err, got, want)
		}
		s := d.Counters().Sent
		for why := range link.NumCauses {
			if n := s.Drops[why]; (n == 1) != (why.String() == c.want) || n > 1 {
				t.Errorf("write ends with %v: %d dropped for %v", c.err, n, why)
			}
		}
		if left := want.sent.IsSet(); (s.Frames == 1) != left || (s.Bytes == uint64(c.size)) != left {
			t.Errorf("write ends with %v: %+v", c.err, s)
		}
		if gone := c.err == ErrGone; errors.Is(d.Err(), ErrGone) != gone {
			t.Errorf("write ends with %v: the device has %v", c.err, d.Err())
		}
	}
}

// TestTagged sends frames as long as VLAN tags make them (link.Info.Fits), and what is no
// frame.
func TestTagged(t *testing.T) {
	info := link.Info{Name: "fake0", MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	wrote := 0
	d, err := New(clock.NewVirtual(), &fake{onWrite: func(b []byte) error { wrote = len(b); return nil }}, Config{Info: info})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size int
		tags string // from the EtherType on
		fits bool
	}{
		{13, "", false},
		{14, "", true},
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
		d.Transmit([]*link.Frame{f})
		if (wrote == c.size) != c.fits {
			t.Errorf("%d bytes, % x: %d were written", c.size, c.tags, wrote)
		}
	}
	if s := d.Counters().Sent; s.Frames != 4 || s.Drops[link.TooLong] != 2 || s.Drops[link.Malformed] != 1 {
		t.Errorf("sent %+v", s)
	}
}

// An interface without room makes the device full, and soon it looks again, once.
func TestFull(t *testing.T) {
	clk := clock.NewVirtual()
	var err error
	d := newFake(t, clk, &fake{onWrite: func([]byte) error { return err }}, nil)
	frames := []*link.Frame{link.NewFrame(100), link.NewFrame(100)}
	err = ErrNoRoom
	one(d, 100)
	clk.RunUntil(clock.Time(retryAfter)) // nobody is attached who could be told
	begin := clk.Now()
	err = nil
	one(d, 100)
	err = ErrNoRoom
	ready := 0
	d.Attach(&linktest.Collector{Clock: clk, OnReady: func() { ready++ }})
	if n, err := d.Transmit(frames); n != 0 || err != link.ErrFull {
		t.Fatalf("Transmit = %d, %v", n, err)
	}
	for clk.Step() {
	}
	if ready != 1 || clk.Now() != begin.Add(retryAfter) {
		t.Errorf("ready %d times, at %v", ready, clk.Now())
	}
	err = nil
	if n, err := d.Transmit(frames); n != 2 || err != nil {
		t.Errorf("Transmit = %d, %v", n, err)
	}
	err = ErrNoRoom
	one(d, 100)
	d.Close()
	for clk.Step() {
	}
	if sent := d.Counters().Sent; ready != 1 || sent.Frames != 3 || sent.Dropped() != 0 {
		t.Errorf("ready %d times, sent %+v", ready, sent)
	}
}

// An interface that stays without room is looked at ever less often.
func TestBackOff(t *testing.T) {
	clk := clock.NewVirtual()
	err := ErrNoRoom
	d := newFake(t, clk, &fake{onWrite: func([]byte) error { return err }}, nil)
	frames := []*link.Frame{link.NewFrame(100)}
	looks := 0
	d.Attach(&linktest.Collector{Clock: clk, OnReady: func() {
		looks++
		d.Transmit(frames)
	}})
	d.Transmit(frames)
	clk.RunUntil(clock.Time(time.Second))
	if most := int(time.Second/retryMost) + 10; looks > most || looks < most/2 {
		t.Errorf("it looked %d times in a second, want up to %d", looks, most)
	}
	err = nil
	clk.RunUntil(clk.Now().Add(retryMost))
	err = ErrNoRoom
	before, now := looks, clk.Now()
	frames[0] = link.NewFrame(100)
	d.Transmit(frames)
	clk.RunUntil(now.Add(retryAfter))
	if sent := d.Counters().Sent; sent.Frames != 1 || looks != before+1 {
		t.Errorf("sent %+v; %d looks", sent, looks-before)
	}
	frames[0].Free()
	d.Close()
}

// TestErrorsThatLast ends the device after a second in which it was tried again and again and
// nothing but errors came of it, and not before.
func TestErrorsThatLast(t *testing.T) {
	const ms = time.Millisecond
	steady := func(n int, every time.Duration) (at []time.Duration) {
		for i := range n {
			at = append(at, time.Duration(i)*every)
		}
		return at
	}
	for _, c := range []struct {
		what  string
		at    []time.Duration // when a write fails
		works time.Duration   // when one does not, if it is not 0
		fails string          // for so long nothing could be sent
	}{
		{"every 100 ms for 0.9 s", steady(10, 100*ms), 0, ""},
		{"every 100 ms", steady(30, 100*ms), 0, "1.2s"}, // in steps of no less than 250 ms
		{"every ms", steady(2000, ms), 0, "1s"},
		{"every second", steady(5, time.Second), 0, "4s"},
		{"every second, too few", steady(4, time.Second), 0, ""},
		{"two bursts, far apart", []time.Duration{0, ms, 2 * ms, 1500 * ms, 1501 * ms, 1502 * ms}, 0, ""},
		{"two, far apart", []time.Duration{0, time.Hour}, 0, ""},
		{"one of them works", steady(1500, ms), 900*ms + 500, ""},
	} {
		clk := clock.NewVirtual()
		var err error
		d := newFake(t, clk, &fake{onWrite: func([]byte) error { return err }}, nil)
		try := func(at time.Duration, with error) {
			clk.RunUntil(clock.Time(time.Hour + at))
			err = with
			one(d, 100)
		}
		for i, at := range c.at {
			if i > 0 && c.at[i-1] < c.works && c.works < at {
				try(c.works, nil)
			}
			try(at, errBroken)
		}
		select {
		case <-d.Failed():
			if c.fails == "" || !errors.Is(d.Err(), errBroken) || !strings.Contains(d.Err().Error(), "for "+c.fails+":") {
				t.Errorf("errors %s: it has %v", c.what, d.Err())
			}
		default:
			if c.fails != "" || d.Err() != nil {
				t.Errorf("errors %s: it has not failed, with %v", c.what, d.Err())
			}
		}
	}
}

// A batcher sends what was written when it is flushed, and has room for so many frames.
type batcher struct {
	fake
	clk     *clock.Virtual
	room    int
	written int
	flushed []int // how many frames each call sent
	err     error
}

func (b *batcher) Write(p []byte) error {
	switch {
	case b.written == b.room:
		return ErrNoRoom
	case p[0] == 1:
		return ErrTooLong
	}
	b.written++
	return nil
}

func (b *batcher) Flush() error {
	b.flushed = append(b.flushed, b.written)
	b.written = 0
	b.clk.RunUntil(b.clk.Now() + 300)
	return b.err
}

// TestBatch has what was written in a call flushed once, at its end, and stamped with that.
func TestBatch(t *testing.T) {
	clk := clock.NewVirtual()
	b := &batcher{clk: clk, room: 5}
	d := newFake(t, clk, b, nil)
	var origins []*origin
	send := func(n int) (int, error) {
		var frames []*link.Frame
		origins = nil
		for range n {
			f, o := link.NewFrame(100), new(origin)
			f.Bytes()[0] = 0
			f.Origin = o
			frames, origins = append(frames, f), append(origins, o)
		}
		if n > 1 {
			frames[1].Bytes()[0] = 1
		}
		return d.Transmit(frames)
	}
	left := origin{sent: clock.At(1000), call: 300, times: 1}
	clk.RunUntil(1000)
	if n, err := send(4); n != 4 || err != nil {
		t.Errorf("Transmit = %d, %v", n, err)
	}
	for i, o := range origins {
		if want := (origin{times: 1}); i == 1 && *o != want || i != 1 && *o != left {
			t.Errorf("frame %d: %+v", i, *o)
		}
	}
	if n, err := send(9); n != 6 || err != link.ErrFull || origins[6].times != 0 {
		t.Errorf("Transmit = %d, %v, Origin of what there was no room for: %+v", n, err, *origins[6])
	}
	send(0)
	b.err = errBroken
	if n, err := send(3); n != 3 || err != nil {
		t.Errorf("Transmit = %d, %v", n, err)
	}
	b.err = ErrNoRoom
	send(1)
	s := d.Counters().Sent
	if s.Frames != 3+5 || s.Drops[link.TooLong] != 3 || s.Drops[link.LinkError] != 2 || s.Drops[link.QueueFull] != 1 || s.Dropped() != 6 {
		t.Errorf("sent %+v", s)
	}
	if !slices.Equal(b.flushed, []int{3, 5, 2, 1}) {
		t.Errorf("flushed %v", b.flushed)
	}
}

// A gatherer takes all that it is given.
type gatherer struct{ fake }

func (*gatherer) Flush() error { return nil }

// TestNoAllocs sends without an allocation.
func TestNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	linktest.NoAllocs(t, clk, newFake(t, clk, &fake{}, nil))
	linktest.NoAllocs(t, clk, newFake(t, clk, &gatherer{}, nil))
}
