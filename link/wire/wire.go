// Package wire is an emulated wire between two devices, and with a rate and a bounded
// queue the bottleneck of a path.
//
// New makes both ends. What one end sends takes this way, and the files' functions stand
// in its order:
//
//	End.Transmit -> the queue -> the line, for its wire time -> Delay -> the other end's Handler
//
// # Rules
//
// A frame that finds the line free starts at once. Else it waits in the queue, and is
// dropped if the queue is full: a wire never returns link.ErrFull. The Origin of a frame
// is told when its first bit goes onto the line, so that a sender that is charged for
// what it has in the queue is held back by it.
//
// Times are exact: what a frame's wire time has beyond whole nanoseconds is carried to
// the next one, and what is reported is rounded up. After any number of frames sent back
// to back the line is off by less than one nanosecond.
//
// # Limitations
//
// There are no bit errors and no reordering: see link.Fault. The delay does not change.
package wire

import (
	"net"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config is one end of a wire, and the direction that it sends in.
type Config struct {
	// Name of the end. "" stands for near or far.
	Name string
	// Address is the end's Ethernet address. Without one, frames are IP packets.
	Address net.HardwareAddr
	// MTU is the largest IP packet, in bytes. 0 stands for 1500. Longer frames are
	// dropped.
	MTU int

	// Rate is the line speed in bit/s. 0 says that frames take no time.
	Rate int64
	// Delay is the propagation delay: from a frame's last bit at this end to its last
	// bit at the other one.
	Delay time.Duration

	// QueueFrames and QueueBytes bound what waits for the line, in frames and in bytes
	// without FCS; the frame on the line is not counted. 0 is no bound, but if both
	// are 0 the queue holds 1000 frames.
	QueueFrames, QueueBytes int
}

// Defaults of a Config.
const (
	defaultMTU         = 1500
	defaultQueueFrames = 1000
)

// An End is one end of a wire, a link.Device.
type End struct {
	info     link.Info
	line     line // to the other end
	handler  link.Handler
	received link.Stats
	closed   bool
}

// Queue is how full the queue of a direction is and has been.
type Queue struct {
	Frames, Bytes       int
	MaxFrames, MaxBytes int
}

// New returns the two ends of a wire. A nil Config is an infinitely fast wire.
func New(clk clock.Clock, near, far *Config) (*End, *End) {
	a, b := new(End), new(End)
	a.init(clk, near, "near", b)
	b.init(clk, far, "far", a)
	return a, b
}

func (e *End) init(clk clock.Clock, c *Config, name string, to *End) {
	if c == nil {
		c = new(Config)
	}
	e.info = link.Info{Name: c.Name, MTU: c.MTU, Address: c.Address, Speed: max(0, c.Rate)}
	if e.info.Name == "" {
		e.info.Name = name
	}
	if e.info.MTU == 0 {
		e.info.MTU = defaultMTU
	}
	e.line = line{
		clk: clk, to: to,
		rate:      e.info.Speed,
		delay:     max(0, c.Delay),
		header:    e.info.Header(),
		maxLen:    e.info.Header() + e.info.MTU,
		maxFrames: c.QueueFrames,
		maxBytes:  c.QueueBytes,
		slots:     make([]slot, 64),
		armed:     clock.Never,
	}
	if c.QueueFrames <= 0 && c.QueueBytes <= 0 {
		e.line.maxFrames = defaultQueueFrames
	}
	// A timer can only be made running.
	e.line.timer = clk.AfterFunc(time.Duration(clock.Never), e.line.run)
	e.line.timer.Stop()
}

// Info implements link.Device.
func (e *End) Info() link.Info { return e.info }

// Attach implements link.Device.
func (e *End) Attach(h link.Handler) { e.handler = h }

// Transmit implements link.Device. It takes all frames: those without room in the queue
// are dropped and counted.
func (e *End) Transmit(frames []*link.Frame) (int, error) {
	if e.closed {
		return 0, net.ErrClosed
	}
	now := e.line.clk.Now()
	for _, f := range frames {
		e.line.send(f, now)
	}
	e.line.arm()
	return len(frames), nil
}

// receive takes what the other end sent.
func (e *End) receive(frames []*link.Frame) {
	if e.closed || e.handler == nil {
		for _, f := range frames {
			e.received.Drop(f, link.Closed)
		}
		return
	}
	e.received.Frames += uint64(len(frames))
	for _, f := range frames {
		e.received.Bytes += uint64(f.Len())
	}
	e.handler.Receive(frames)
}

// SetRate changes the rate in bit/s of what this end sends; 0 says that frames take no
// time. The frame that is on the line keeps its rate, all others get the new one. Info
// keeps the rate that the wire began with.
func (e *End) SetRate(rate int64) { e.line.setRate(max(0, rate)) }

// Stats returns what this end sent, counted when a frame goes onto the line, and what it
// received.
func (e *End) Stats() (sent, received link.Stats) { return e.line.sent, e.received }

// Queue returns how full the queue before the line is.
func (e *End) Queue() Queue { return e.line.queue }

// Close implements link.Device. The other end stays open. What waits for the line is
// dropped; what is on its way already arrives. What the other end still sends is dropped
// when it arrives here.
func (e *End) Close() error {
	e.closed = true
	e.line.clear()
	return nil
}
