package link_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/clock"
)

// stamping is the device of a real interface: it reads the clock on both sides of a send
// call, which takes time, and refuses or drops what it is told to.
type stamping struct {
	linktest.Null
	clk     *handClock
	room    int // frames, then it is full; negative: without an end
	drops   int // of these, so many it cannot send
	sending func(*link.Frame)
}

func (s *stamping) Transmit(frames []*link.Frame) (int, error) {
	for i, f := range frames {
		if s.room == 0 {
			return i, link.ErrFull
		}
		s.room--
		s.clk.now += 50 // what it takes to come here
		if s.drops > 0 {
			s.drops--
			f.Free()
			continue
		}
		begin := s.clk.now
		s.sending(f)
		s.clk.now += 400
		f.LeftDuring(begin, s.clk.now)
		f.Free()
	}
	return len(frames), nil
}

// order is the Origin of the frames.
type order struct{ told func(*link.Frame) }

func (o order) Departed(f *link.Frame) { o.told(f) }

// TestStampedByTheDevice has the device that sends say when, and everybody else work after
// that: what the send call did to the frame is in the fingerprint and in the capture.
func TestStampedByTheDevice(t *testing.T) {
	clk := &handClock{Clock: clock.NewVirtual(), now: 1000}
	dev := &stamping{Null: linktest.Null{Is: link.Info{Name: "sink", MTU: 1500, Stamps: true}}, clk: clk, room: -1}
	name := filepath.Join(t.TempDir(), "a.pcapng")
	file := createCapture(t, name)
	rec := new(link.Recorder)
	trace := link.NewTrace(pcap.NewCapture(dev, clk, file), clk, rec)
	trace.Attach(&linktest.Collector{Clock: clk})

	told := 0
	dev.sending = func(f *link.Frame) {
		if told != 0 || rec.Hash() != new(link.Recorder).Hash() || trace.Departures.Report().Packets != 0 {
			t.Error("there is work before the frame has left")
		}
		f.Bytes()[0] = 'X'
	}
	f := linktest.FrameOf([]byte("a frame"))
	f.Paced, f.Depart, f.Enqueued = true, 1000, clock.At(1000)
	f.Origin = order{func(f *link.Frame) {
		told++
		if f.Sent != clock.At(1050) || f.Call != 400 {
			t.Errorf("the Origin hears of %v and %v", f.Sent, f.Call)
		}
	}}
	if n, err := trace.Transmit([]*link.Frame{f}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	r := trace.Departures.Report()
	if told != 1 || r.Packets != 1 || r.Lateness.Max != 50 || r.SendCall.Max != 400 {
		t.Errorf("told %d times: %+v", told, r)
	}
	if want := play("sink", []step{{1050, false, "X frame"}}); rec.Hash() != want {
		t.Errorf("the fingerprint is %s, want %s", rec.Hash(), want)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.Contains(b, []byte("X frame")) {
		t.Errorf("the capture has not the frame as it left: %v\n%x", err, b)
	}
}

// TestStampedOnce has a device that is full and one that cannot send: only what left counts,
// and once, however often it was offered.
func TestStampedOnce(t *testing.T) {
	clk := &handClock{Clock: clock.NewVirtual()}
	dev := &stamping{Null: linktest.Null{Is: link.Info{Name: "sink", MTU: 1500, Stamps: true}}, clk: clk, drops: 1, sending: func(*link.Frame) {}}
	trace := link.NewTrace(dev, clk, nil)
	trace.Attach(&linktest.Collector{Clock: clk})
	var left, dropped int
	var frames []*link.Frame
	for range 3 {
		f := linktest.FrameOf([]byte("a frame"))
		f.Origin = order{func(f *link.Frame) {
			if !f.Sent.IsSet() {
				dropped++
			} else {
				left++
			}
		}}
		frames = append(frames, f)
	}
	for len(frames) > 0 {
		n, err := trace.Transmit(frames)
		if err != nil && err != link.ErrFull {
			t.Fatal(err)
		}
		frames = frames[n:]
		dev.room = 1
	}
	if n := trace.Departures.Report().Packets; n != 2 || left != 2 || dropped != 1 {
		t.Errorf("%d packets; Origins: %d left, %d dropped", n, left, dropped)
	}
}

// BenchmarkToTheCall is what lies between the departure that a frame was handed on for and
// the send call, and what the whole frame takes, with and without what may be asked for.
func BenchmarkToTheCall(b *testing.B) {
	for _, bench := range []struct {
		name          string
		hash, capture bool
		stamps        bool
	}{
		{"after the call", false, false, true},
		{"after the call, hash", true, false, true},
		{"after the call, hash and capture", true, true, true},
		{"before the call, hash", true, false, false},
		{"before the call, hash and capture", true, true, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			clk := clock.NewReal()
			defer clk.Close()
			dev := &called{Null: linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Stamps: bench.stamps}}, clk: clk}
			var below link.Device = dev
			if bench.capture {
				below = pcap.NewCapture(below, clk, createCapture(b, os.DevNull))
			}
			var rec *link.Recorder
			if bench.hash {
				rec = new(link.Recorder)
			}
			trace := link.NewTrace(below, clk, rec)
			frames := make([]*link.Frame, 1)
			var before time.Duration
			for b.Loop() {
				frames[0] = link.NewFrame(1514)
				begin := clk.Now()
				trace.Transmit(frames)
				before += dev.at.Sub(begin)
			}
			b.ReportMetric(float64(before)/float64(b.N), "ns-before-the-call")
		})
	}
}

// called notes when its send call would have been.
type called struct {
	linktest.Null
	clk *clock.Real
	at  clock.Time
}

func (c *called) Transmit(frames []*link.Frame) (int, error) {
	c.at = c.clk.Now()
	if c.Is.Stamps {
		frames[0].LeftDuring(c.at, c.clk.Now())
	}
	frames[0].Free()
	return 1, nil
}

func createCapture(t testing.TB, name string) *pcap.Output {
	t.Helper()
	file, err := pcap.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}
