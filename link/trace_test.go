package link_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestTraceConformance(t *testing.T) {
	linktest.RunOver(t, func(clk *clock.Virtual, below link.Device) link.Device {
		return link.NewTrace(below, clk, new(link.Recorder))
	})
}

func TestTraceNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	trace := link.NewTrace(&linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, clk, new(link.Recorder))
	linktest.NoAllocs(t, clk, trace)
}

// step is one frame of a hand-made run.
type step struct {
	at       clock.Time
	received bool
	bytes    string
}

// play runs the steps through a trace above a device of that name.
func play(name string, steps []step) string {
	clk := clock.NewVirtual()
	rec := new(link.Recorder)
	sink := linktest.NewSink(clk, link.Info{Name: name})
	trace := link.NewTrace(sink, clk, rec)
	trace.Attach(&linktest.Collector{Clock: clk})
	for _, s := range steps {
		clk.RunUntil(s.at)
		if s.received {
			sink.Arrive([]byte(s.bytes))
		} else {
			trace.Transmit([]*link.Frame{linktest.FrameOf([]byte(s.bytes))})
		}
	}
	return rec.Hash()
}

func TestRecorderTellsRunsApart(t *testing.T) {
	run := []step{{100, false, "one"}, {100, false, "two"}, {250, true, "three"}, {300, false, ""}}
	first := play("near", run)

	// The fingerprint is the same on every machine, so it can be written down.
	if want := "9a5debcdd95d78c2"; first != want {
		t.Errorf("the run has the fingerprint %s, want %s", first, want)
	}
	if again := play("near", run); again != first {
		t.Errorf("the same run again has %s, want %s", again, first)
	}

	seen := map[string]string{first: "the run", new(link.Recorder).Hash(): "no run"}
	differs := func(what, hash string) {
		t.Helper()
		if other, same := seen[hash]; same {
			t.Errorf("%s has the fingerprint of %s", what, other)
		}
		seen[hash] = what
	}
	differs("another device", play("far", run))
	for i := range run {
		change := func(what string, f func(*step)) {
			changed := append([]step(nil), run...)
			f(&changed[i])
			differs(fmt.Sprintf("frame %d, %s", i, what), play("near", changed))
		}
		change("a nanosecond later", func(s *step) { s.at++ })
		change("the other way", func(s *step) { s.received = !s.received })
		change("a byte more", func(s *step) { s.bytes += "\x00" })
		if run[i].bytes != "" {
			change("another byte", func(s *step) { s.bytes = "\x01" + s.bytes[1:] })
		}
		if i > 0 {
			differs(fmt.Sprintf("up to frame %d", i), play("near", run[:i]))
		}
	}
	differs("two frames in another order", play("near", []step{run[1], run[0], run[2], run[3]}))
}

// A trace whose device is full: what is refused leaves no mark, and counts when it leaves.
func TestTraceCountsOnceWhatIsRefused(t *testing.T) {
	clk := clock.NewVirtual()
	rec := new(link.Recorder)
	sink := linktest.NewSink(clk, link.Info{Name: "sink"})
	sink.Room, sink.Every = 2, 10*time.Microsecond
	trace := link.NewTrace(sink, clk, rec)

	var waiting []*link.Frame
	for i := range 5 {
		f := linktest.FrameOf([]byte{byte(i)})
		f.Paced, f.Depart, f.Enqueued = true, 0, clock.At(0)
		waiting = append(waiting, f)
	}
	send := func() {
		n, err := trace.Transmit(waiting)
		if len(waiting) > n && !errors.Is(err, link.ErrFull) {
			t.Fatalf("%d of %d frames were taken: %v", n, len(waiting), err)
		}
		waiting = waiting[n:]
		for i, f := range waiting {
			if f.Sent.IsSet() {
				t.Errorf("frame %d of those that were refused has left at %v", i, f.Sent)
			}
		}
	}
	trace.Attach(&linktest.Collector{Clock: clk, OnReady: send})
	send()
	if got := trace.Departures.Report().Packets; got != 2 {
		t.Errorf("%d packets counted, want the 2 that were taken", got)
	}
	clk.RunUntil(clock.Never)

	r := trace.Departures.Report()
	if r.Packets != 5 || r.Paced != 5 || r.Late != 3 || r.Lateness.Max != 20_000 {
		t.Errorf("got %+v, want 5 packets, 3 of them late, the last by 20 us", r)
	}
	for i, left := range sink.Records {
		if want := clock.Time(i / 2 * 10_000); left.At != want {
			t.Errorf("frame %d left at %v, want %v", i, left.At, want)
		}
	}
	if got, want := rec.Hash(), play("sink", []step{{0, false, "\x00"}, {0, false, "\x01"}, {10_000, false, "\x02"},
		{10_000, false, "\x03"}, {20_000, false, "\x04"}}); got != want {
		t.Errorf("the fingerprint is %s, that of the frames one by one is %s", got, want)
	}
}

// echo is a device that answers each frame before Transmit returns.
type echo struct {
	link.Bottom
	*linktest.Null
	above link.Handler
}

func (e *echo) Attach(h link.Handler) { e.above = h }

func (e *echo) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		e.above.Receive([]*link.Frame{f})
	}
	return len(frames), nil
}

// again is a handler that sends on what it gets until it has one byte.
type again struct{ dev link.Device }

func (a again) Ready() {}
func (a again) Receive(frames []*link.Frame) {
	for _, f := range frames {
		if f.Trim(f.Len() - 1); f.Len() == 0 {
			f.Free()
			continue
		}
		f.Flow.DstPort = uint16(f.Len())
		a.dev.Transmit([]*link.Frame{f})
	}
}

func TestTraceIsEnteredAgain(t *testing.T) {
	clk := clock.NewVirtual()
	trace := link.NewTrace(&echo{Null: new(linktest.Null)}, clk, nil)
	trace.Attach(again{trace})
	a, b := linktest.FrameOf(make([]byte, 5)), linktest.FrameOf(make([]byte, 3))
	trace.Transmit([]*link.Frame{a, b})
	if got := trace.Departures.Report().Packets; got != 8 {
		t.Errorf("%d packets, want 5 sizes of one frame and 3 of another", got)
	}
}

func BenchmarkTrace(b *testing.B) {
	for _, bench := range []struct {
		name string
		size int
		rec  *link.Recorder
	}{
		{"1514 bytes", 1514, new(link.Recorder)},
		{"64 bytes", 64, new(link.Recorder)},
		{"no hash", 1514, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			clk := new(handClock)
			trace := link.NewTrace(new(keep), clk, bench.rec)
			batch := []*link.Frame{linktest.FrameOf(make([]byte, bench.size))}
			f := batch[0]
			f.Paced = true
			b.SetBytes(int64(bench.size))
			b.ReportAllocs()
			for b.Loop() {
				f.Depart += 12_951
				clk.now = (f.Depart + 7) / 8 * 8
				trace.Transmit(batch)
			}
		})
	}
}

// keep takes frames and leaves them to the benchmark, to be sent again.
type keep struct{ linktest.Null }

func (k *keep) Transmit(frames []*link.Frame) (int, error) { return len(frames), nil }

// handClock is a clock that shows what it is set to.
type handClock struct {
	clock.Clock
	now clock.Time
}

func (c *handClock) Now() clock.Time { return c.now }
