package link

import (
	"errors"
	"net"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// HoldConfig sets up a Hold.
type HoldConfig struct {
	// Horizon is how long before its departure a paced frame is handed to a device
	// that paces. It is 0 above every other device: there, Hold is the software pacer.
	Horizon time.Duration

	// Guard is how long a frame without a departure time may be kept off the wire by
	// frames that have one; 0 means 100 ms.
	Guard time.Duration
}

// Hold keeps frames until their departure is near and hands them on in order of
// departure. It plans the wire: of the frames that it has handed on it knows when they
// end, and so when the next one can start. That instant is written to Frame.Sched.
//
// A frame that nobody paces is handed on when the wire is free, but only if it ends before
// the next paced frame starts: the guard band of IEEE 802.1Qbv. So a pure ACK or a
// handshake never shifts a departure that was asked for as long as a frame of full size
// before. Where paced frames leave no hole for longer than HoldConfig.Guard, it goes all
// the same, and the paced frame behind it is late by contention.
//
// Of frames for the same instant the one that came first leaves first.
type Hold struct {
	clk     clock.Clock
	below   Device
	above   Handler
	info    Info
	horizon time.Duration
	guard   time.Duration

	paced   frameHeap
	asap    frameRing
	free    clock.Time // when the wire is free of what was handed on
	timer   clock.Timer
	stuck   *Frame // what below had no room for
	full    bool   // below has no room
	closed  bool
	pumping bool
	one     [1]*Frame

	// Stats counts the frames that were handed on, and those dropped by Close.
	Stats Stats
}

// NewHold returns a Hold above below. A nil config means the zero one.
func NewHold(below Device, clk clock.Clock, config *HoldConfig) *Hold {
	if config == nil {
		config = &HoldConfig{}
	}
	h := &Hold{clk: clk, below: below, info: below.Info(), guard: config.Guard}
	if h.info.Paces {
		h.horizon = config.Horizon
	}
	if h.guard == 0 {
		h.guard = 100 * time.Millisecond
	}
	// A timer can only be made running.
	h.timer = clk.AfterFunc(time.Duration(clock.Never), h.pump)
	h.timer.Stop()
	below.Attach(h)
	return h
}

// Info returns what is below, with departure times honoured.
func (h *Hold) Info() Info {
	i := h.info
	i.Paces = true
	return i
}

// Attach implements Device.
func (h *Hold) Attach(above Handler) { h.above = above }

// Waiting returns how many frames are held.
func (h *Hold) Waiting() int {
	n := h.paced.len() + h.asap.len()
	if h.stuck != nil {
		n++
	}
	return n
}

// Transmit implements Device. It takes every frame: what waits is bounded above, flow by
// flow, where a refusal reaches the one who caused it.
func (h *Hold) Transmit(frames []*Frame) (int, error) {
	if h.closed {
		return 0, net.ErrClosed
	}
	for _, f := range frames {
		if f.Paced {
			h.paced.push(f)
		} else {
			h.asap.push(f)
		}
	}
	h.pump()
	return len(frames), nil
}

// pump hands on what is near enough and sets the timer for the rest. What is sent from
// within, by somebody who hears of a departure, waits for its turn.
func (h *Hold) pump() {
	if h.pumping {
		return
	}
	h.pumping = true
	defer func() { h.pumping = false }()
	for !h.full && !h.closed {
		now := h.clk.Now()
		f, start, paced := h.next(now)
		if f == nil {
			return
		}
		near := start
		if paced {
			near = start.Add(-h.horizon)
		}
		if near > now {
			h.timer.ResetAt(near)
			return
		}
		h.take(paced)
		f.Sched, f.Handed = start, now
		size, wire := f.Len(), f.Size.Wire
		h.one[0] = f
		n, err := h.below.Transmit(h.one[:])
		h.one[0] = nil
		switch {
		case n == 1:
		case errors.Is(err, ErrFull):
			h.stuck, h.full = f, true
			return
		case errors.Is(err, net.ErrClosed):
			h.Stats.Drop(f, Closed)
			continue
		default:
			h.Stats.Drop(f, LinkError)
			continue
		}
		h.free = h.tick(max(start, now)).Add(WireTime(wire, h.info.Speed))
		h.Stats.Frames++
		h.Stats.Bytes += uint64(size)
	}
}

// next returns the frame that leaves next, without taking it out, and when it can start.
func (h *Hold) next(now clock.Time) (f *Frame, start clock.Time, paced bool) {
	if f := h.stuck; f != nil {
		return f, max(h.free, f.Depart), f.Paced
	}
	p, a := h.paced.first(), h.asap.first()
	free := max(h.free, now)
	if a != nil {
		end := h.tick(free).Add(WireTime(a.Size.Wire, h.info.Speed))
		if p == nil || end <= p.Depart || now.Sub(a.Depart) > h.guard {
			return a, max(h.free, a.Depart), false
		}
	}
	if p != nil {
		return p, max(h.free, p.Depart), true
	}
	return nil, 0, false
}

// take takes out the frame that next returned.
func (h *Hold) take(paced bool) {
	switch {
	case h.stuck != nil:
		h.stuck = nil
	case paced:
		h.paced.pop()
	default:
		h.asap.pop()
	}
}

// tick rounds t up to the next tick of the device below.
func (h *Hold) tick(t clock.Time) clock.Time {
	tick := clock.Time(h.info.Tick)
	if tick <= 1 {
		return t
	}
	return (t + tick - 1) / tick * tick
}

// Receive passes on what arrives.
func (h *Hold) Receive(frames []*Frame) { h.above.Receive(frames) }

// Ready implements Handler: there is room below again.
func (h *Hold) Ready() {
	h.full = false
	h.pump()
}

// Close drops what waits and closes the devices below.
func (h *Hold) Close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	h.timer.Stop()
	if f := h.stuck; f != nil {
		h.stuck = nil
		h.Stats.Drop(f, Closed)
	}
	for f := h.paced.first(); f != nil; f = h.paced.first() {
		h.paced.pop()
		h.Stats.Drop(f, Closed)
	}
	for f := h.asap.first(); f != nil; f = h.asap.first() {
		h.asap.pop()
		h.Stats.Drop(f, Closed)
	}
	return h.below.Close()
}
