// Package hold is the packet scheduler: it keeps frames until their departure is near, and
// asks their flows' pacers only then.
//
// # The way of a frame
//
//	Transmit   its flow is found, or made: first rule that matches, class, policy
//	enqueue    behind the others of its flow; bounds, and the one place that drops
//	queue      of a flow only the head waits, in a wheel by what its pacer would say now
//	pump       the wire's plan: who is next, when can it start, is that near?
//	take       flow, class and port are charged; Frame.Depart is what they ask for
//	plan       Frame.Sched is when the wire is free for it
//	flush      the device below has it, with all others for this instant if it likes batches
//
// A super-segment waits whole. When it is the oldest of its flow the next frame is cut off it,
// and that frame is the flow's head.
//
// As nobody is asked before that, a rate that changes counts for all that waits:
// from the command to the first departure at the new gap it takes at most the lead and
// one gap.
//
// # The plan of the wire
//
// Of what was handed on Hold knows when it ends, and so when the next frame can start.
// That instant is written to Frame.Sched. The reports tell it from what was asked for.
//
// A frame is handed on before its start by the lead of the device below (link.Info.Lead),
// and exactly then to one that does not pace. Frames for the same instant leave one behind the
// other, and inside a class in the order in which they came. Where more is due than the wire or
// the rate of the port takes, classes share by weight; what one of them does not use
// goes to the others (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996).
//
// A frame that nobody paces is handed on when the wire is free, but only if it ends before
// the next paced frame starts: the guard band of IEEE 802.1Qbv. So a pure ACK or a
// handshake never shifts a departure that was asked for as long as a frame of full size
// before. Where paced frames leave no hole for longer than Config.Guard, it goes all the
// same, and the paced frame behind it is late by contention. A pacer is asked for a
// departure at the earliest one full frame's wire time after the frame came: by then the
// wire is free of whatever nobody paces, and what is paced is not late from its first
// frame on.
//
// Frames that have their departure when they come (Frame.Paced) keep it. They belong to
// no class, and their maker sees to their rate and order.
//
// # Flows
//
// A flow costs some 200 bytes with a pacer.Rate. A frame takes the same steps whether there
// are a thousand flows or a million, but a million are not in the processor's caches: what
// the next departures need is read ahead, for many flows in one go. Flows that nobody set a
// pacer for are forgotten when they have been idle; memory that they had is used again, and
// not given back.
//
// # Limits
//
// A flow is classified by its first frame, and again by the frame that waits when the
// classes change; a mark that changes in between goes unnoticed. A Hold is not safe for
// concurrent use: the clock's goroutine owns it.
package hold

import (
	"net"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Hold is the packet scheduler as a link.Device.
type Hold struct {
	clk       clock.Clock
	below     link.Device
	above     link.Handler
	info      link.Info
	config    Config
	lead      time.Duration // how long before its departure a frame is handed on
	fullFrame time.Duration // one full frame's wire time

	flows   table
	hand    uint32        // of the sweep over flows
	classes []*class      // the default class, and then in the order of their rules
	port    pacer.Rate    // aggregate of all classes
	stamped stampedFrames // frames that came with their departure
	waiting int           // frames
	bytes   int           // and theirs
	active  [2]int        // flows that have frames, by rank

	free    clock.Time // when the wire is free of what was handed on
	virtual [2]uint64  // start tag of the frame handed on last, by rank
	timer   clock.Timer
	wake    clock.Time     // what it is set to
	soon    bool           // something has come that may go before that
	stuck   []choice       // what below had no room for, the oldest first
	full    bool           // below has no room
	refused clock.Optional // since when there was none for the first that is stuck
	room    clock.Time     // when it had some again
	closed  bool
	pumping bool

	most   int           // frames that below takes well in one call
	batch  []choice      // those of this one
	frames []*link.Frame // the same

	feedback pacer.Feedback // that a pacer follows

	counters counters
}

// New returns a Hold above below. A nil config means the zero one. New panics if
// config.Check returns an error.
func New(below link.Device, clk clock.Clock, config *Config) *Hold {
	cfg := config.complete()
	if err := cfg.Check(); err != nil {
		panic(err)
	}
	info := below.Info()
	h := &Hold{
		clk: clk, below: below, info: info, config: cfg, flows: newTable(), wake: clock.Never,
		fullFrame: link.WireTime(link.WireBytes(link.EthernetHeader+info.MTU), info.Speed),
		port:      pacer.Rate{BitsPerSecond: cfg.Rate, Unit: cfg.Unit},
	}
	h.most = max(1, info.Batch)
	if info.Paces {
		h.lead = info.Lead
	}
	h.setClasses()
	// A timer can only be made running.
	h.timer = clk.AfterFunc(time.Duration(clock.Never), h.pump)
	h.timer.Stop()
	return h
}

// Info returns what is below, with departure times honoured and super-segments taken.
func (h *Hold) Info() link.Info {
	i := h.info
	i.Paces, i.Super = true, link.MaxSuper
	return i
}

// Attach implements link.Device.
func (h *Hold) Attach(above link.Handler) {
	h.above = above
	h.below.Attach(h)
}

// Waiting returns how many frames are held.
func (h *Hold) Waiting() int { return h.waiting }

// Transmit implements link.Device. It takes every frame and drops those beyond the bounds
// of their flow, so that a flow that is stopped does not stop the others. Frame.Depart
// says when a frame is ready.
func (h *Hold) Transmit(frames []*link.Frame) (int, error) {
	if h.closed {
		return 0, net.ErrClosed
	}
	now := h.clk.Now()
	for _, f := range frames {
		h.enqueue(f, now)
	}
	if h.soon {
		h.pump()
	}
	return len(frames), nil
}

// enqueue puts a frame behind those of its flow.
func (h *Hold) enqueue(f *link.Frame, now clock.Time) {
	size := f.Total()
	if f.Super != nil && (f.Paced || h.bytes+size > h.config.Bytes) {
		h.enqueueCut(f, now)
		return
	}
	if h.bytes+size > h.config.Bytes {
		h.drop(f, nil, link.QueueFull)
		return
	}
	if f.Paced {
		h.stamped.push(f)
		h.keep(f)
		h.soon = true
		return
	}
	h.sweep(now)
	i, fl := h.flow(f)
	if f.Super != nil && h.crowded(fl, size) {
		h.enqueueCut(f, now)
		return
	}
	if fl.state&shared != 0 {
		h.counters.shared += uint64(f.Frames())
	}
	if fl.tail != nil && h.crowded(fl, size) {
		h.drop(f, h.classes[fl.class], link.FlowFull)
		return
	}
	h.keep(f)
	if fl.pacer != nil {
		f.Depart = max(f.Depart, now)
	}
	h.append(i, fl, f)
}

// crowded reports whether too much of a flow waits for one more frame of the given size.
func (h *Hold) crowded(fl *flow, size int) bool {
	bytes := int(fl.bytes) + size
	if bytes > h.config.FlowBytes {
		return true
	}
	if h.config.FlowTime == 0 {
		return false
	}
	rate := fl.rate()
	return rate > 0 && uint64(bytes)*8*uint64(time.Second)/uint64(rate) > uint64(h.config.FlowTime)
}

// append adds a frame to a flow, which enters its queue if it is the first.
func (h *Hold) append(i uint32, fl *flow, f *link.Frame) {
	first := fl.tail == nil
	fl.push(f)
	if first {
		fl.at = h.due(fl)
		h.enter(i, fl)
	}
}

// enqueueCut puts a super-segment frame by frame behind those of its flow: of one that does
// not fit as a whole, a part may.
func (h *Hold) enqueueCut(super *link.Frame, now clock.Time) {
	for f := super.Cut(); f != nil; f = super.Cut() {
		h.enqueue(f, now)
	}
	super.Free()
}

func (h *Hold) keep(f *link.Frame) {
	h.waiting += f.Frames()
	h.bytes += f.Total()
}

// Below implements link.Device.
func (h *Hold) Below() link.Device { return h.below }

// Receive passes on what arrives.
func (h *Hold) Receive(frames []*link.Frame) { h.above.Receive(frames) }

// Ready implements link.Handler: there is room below again.
func (h *Hold) Ready() {
	h.full = false
	h.room = h.clk.Now()
	h.pump()
}

// Close drops what waits and closes the devices below.
func (h *Hold) Close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	h.timer.Stop()
	for i := range h.stuck {
		h.drop(h.stuck[i].frame, h.stuck[i].class, link.Closed)
	}
	for f := h.stamped.first(); f != nil; f = h.stamped.first() {
		h.stamped.pop()
		h.drop(f, nil, link.Closed)
	}
	for i := range h.flows.all() {
		fl := h.flows.at(i)
		for fl.tail != nil {
			h.drop(fl.pop(), h.classes[fl.class], link.Closed)
		}
	}
	h.stuck, h.waiting, h.bytes = nil, 0, 0
	return h.below.Close()
}
