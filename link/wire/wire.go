// Package wire is an emulated wire between two devices, and with a rate and a bounded
// queue the bottleneck of a path.
//
// New makes both ends. What one end sends takes this way, and the files' functions stand
// in its order:
//
//	End.Transmit -> the queue -> the line, for its wire time -> Delay -> the other end's Handler
//
// With Config.Line a faster port is before the bottleneck, as where a switch goes from
// 1 Gbit/s to 100 Mbit/s: End.Transmit -> the port, for the wire time at Line -> the queue.
//
// # Rules
//
// A frame that finds the line free starts at once. Else it waits in the queue, and is
// dropped if the queue is full: a wire never returns link.ErrFull. The Origin of a frame
// is told when its first bit goes onto the line, so that a sender that is charged for
// what it has in the queue is held back by it. With a port that is when it leaves the
// port: the sender does not see what becomes of it in the queue.
//
// Times are exact: what a frame's wire time has beyond whole nanoseconds is carried to
// the next one, and what is reported is rounded up. After any number of frames sent back
// to back the line is off by less than one nanosecond. A port carries its own remainder:
// a frame is in the queue at the end of its line time, rounded up.
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
	// Line is the speed in bit/s of a port that sends into the queue; it is what Info
	// reports, and does not change with SetRate. A frame is in the queue with its last
	// bit. Up to 1000 frames wait for the port itself, and more are dropped. 0 stands for
	// no port but the line itself.
	Line int64
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
	line     line  // to the other end
	port     line  // into the line's queue
	first    *line // of the two: the line where there is no port
	handler  link.Handler
	received link.Stats
	closed   bool
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
		rate:      e.info.Speed,
		delay:     max(0, c.Delay),
		to:        to.receive,
		maxFrames: c.QueueFrames,
		maxBytes:  c.QueueBytes,
	}
	if c.QueueFrames <= 0 && c.QueueBytes <= 0 {
		e.line.maxFrames = defaultQueueFrames
	}
	e.first = &e.line
	if c.Line > 0 {
		e.info.Speed = c.Line
		e.port = line{rate: c.Line, to: e.enqueue, maxFrames: defaultQueueFrames}
		e.port.init(clk, e.info)
		e.first, e.line.after = &e.port, true
	}
	e.line.init(clk, e.info)
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
	e.first.sendAll(frames)
	return len(frames), nil
}

// enqueue takes what leaves the port.
func (e *End) enqueue(frames []*link.Frame) { e.line.sendAll(frames) }

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
// time. The frame that is on the line keeps its rate, also one that starts at this very
// instant; all others get the new one. Info keeps the rate that the wire began with.
func (e *End) SetRate(rate int64) { e.line.setRate(max(0, rate)) }

// Below implements link.Device.
func (e *End) Below() link.Device { return nil }

// Counters implements link.Device. A frame is sent when it goes onto the line, and waits
// before that, in the queue or at the port before it. Of the queue, without the frame on the
// line, there are queue_frames, how many wait now; queue_frames_peak and queue_bytes_peak, the
// most that waited; and queue_frame_us, in frames times microseconds: divided by a time in microseconds, how many
// frames waited on average.
func (e *End) Counters() link.Counters {
	sent := e.line.sent
	sent.Drops.Add(&e.port.sent)
	return link.Counters{
		Kind: "wire", Name: e.info.Name, Sent: sent, Received: e.received,
		Waiting: e.line.queue.frames + e.port.slots.Len(),
		More:    e.line.queue.counters(e.line.clk.Now()),
	}
}

// Close implements link.Device. The other end stays open. What waits for the line is
// dropped, and so is what has not left the port; what is on its way already arrives. What
// the other end still sends is dropped when it arrives here.
func (e *End) Close() error {
	e.closed = true
	if e.first == &e.port {
		e.port.clear(true)
	}
	e.line.clear(false)
	return nil
}
