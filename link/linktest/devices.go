package linktest

import (
	"net"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Record is a frame that passed, and when.
type Record struct {
	At    clock.Time
	Bytes []byte
}

// A Sink is a device for the bottom of a chain. It takes frames, which leave at once,
// and keeps a record of them.
type Sink struct {
	// Records are the frames that left, the oldest first.
	Records []Record

	// Room is how many frames it takes before it is full, for the time of Every. 0
	// says that it always has room.
	Room  int
	Every time.Duration

	clk     clock.Clock
	info    link.Info
	handler link.Handler
	sent    link.Stats
	taken   int  // since there was room again
	full    bool // ErrFull was returned, and Ready is owed
	closed  bool
}

// NewSink returns a sink that says of itself what info says.
func NewSink(clk clock.Clock, info link.Info) *Sink { return &Sink{clk: clk, info: info} }

// Info implements link.Device.
func (s *Sink) Info() link.Info { return s.info }

// Attach implements link.Device.
func (s *Sink) Attach(h link.Handler) { s.handler = h }

// Transmit implements link.Device.
func (s *Sink) Transmit(frames []*link.Frame) (int, error) {
	if s.closed {
		return 0, net.ErrClosed
	}
	for n, f := range frames {
		if s.Room > 0 && s.taken == s.Room {
			s.full = true
			return n, link.ErrFull
		}
		if s.Room > 0 && s.taken == 0 {
			s.clk.AfterFunc(s.Every, s.empty)
		}
		s.taken++
		now := s.clk.Now()
		s.Records = append(s.Records, Record{now, append([]byte(nil), f.Bytes()...)})
		s.sent.Frames++
		s.sent.Bytes += uint64(f.Len())
		f.Left(now)
		f.Free()
	}
	return len(frames), nil
}

func (s *Sink) empty() {
	s.taken = 0
	if s.full && !s.closed {
		s.full = false
		s.handler.Ready()
	}
}

// Arrive passes a frame of these bytes up, as if it came from the wire.
func (s *Sink) Arrive(b []byte) {
	if !s.closed {
		s.handler.Receive([]*link.Frame{FrameOf(b)})
	}
}

// Left returns the bytes of all frames that left.
func (s *Sink) Left() [][]byte {
	left := make([][]byte, len(s.Records))
	for i, r := range s.Records {
		left[i] = r.Bytes
	}
	return left
}

// Below implements link.Device.
func (s *Sink) Below() link.Device { return nil }

// Counters implements link.Device.
func (s *Sink) Counters() link.Counters { return link.Counters{Kind: "sink", Sent: s.sent} }

// Close implements link.Device.
func (s *Sink) Close() error {
	s.closed = true
	return nil
}

// Null is a device for the bottom of a chain, and a handler for its top, that counts
// frames and frees them. It does not allocate, for benchmarks.
type Null struct {
	link.Bottom
	Is     link.Info // what Info returns
	Frames int
	Bytes  int // without FCS
}

// Info implements link.Device.
func (n *Null) Info() link.Info { return n.Is }

// Attach implements link.Device.
func (n *Null) Attach(link.Handler) {}

// Close implements link.Device.
func (n *Null) Close() error { return nil }

// Ready implements link.Handler.
func (n *Null) Ready() {}

// Transmit implements link.Device.
func (n *Null) Transmit(frames []*link.Frame) (int, error) {
	n.Receive(frames)
	return len(frames), nil
}

// Receive implements link.Handler.
func (n *Null) Receive(frames []*link.Frame) {
	n.Frames += len(frames)
	for _, f := range frames {
		n.Bytes += f.Len()
		f.Free()
	}
}

// A Collector is a handler that keeps a record of what arrives.
type Collector struct {
	Clock   clock.Clock
	Records []Record
	Batches []int  // how many frames each call of Receive brought
	OnReady func() // called by Ready, if it is not nil
}

// Receive implements link.Handler.
func (c *Collector) Receive(frames []*link.Frame) {
	c.Batches = append(c.Batches, len(frames))
	for _, f := range frames {
		c.Records = append(c.Records, Record{c.Clock.Now(), append([]byte(nil), f.Bytes()...)})
		f.Free()
	}
}

// Ready implements link.Handler.
func (c *Collector) Ready() {
	if c.OnReady != nil {
		c.OnReady()
	}
}
