package link

import (
	"slices"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Frame is a packet on its way, with the times of its departure. One part of the chain
// owns it at a time: Transmit and Receive hand it over. Whoever is last calls Free.
//
// The bytes are one piece with room before and behind them, so that headers are put on
// and taken off without copying. The one copy, out of the stack's scattered buffers, is
// made when the frame is filled, or cut off its Super: at 1500 bytes it takes some 40 ns, and
// in exchange every device below reads and writes a plain slice.
type Frame struct {
	Flow pacer.Flow
	Size pacer.Size
	Tag  pacer.Tag

	// Paced tells that a pacer asked for Depart. Otherwise Depart is when the frame
	// was ready, and the frame leaves when the wire has room for it.
	Paced bool
	// Depart is when the first bit shall leave; what has passed, as 0 always has, asks
	// for no more than that it leaves at once.
	Depart clock.Time
	// Each of the other times is set by the device it names, and is not set before.
	Sched    clock.Optional // scheduled: the asked time, moved behind what the port sends before it
	Enqueued clock.Optional // when software handed it, or would have, to the device that sends it
	Sent     clock.Optional // actual: when the first bit left, by the device that knows
	// Call is how long the send call took that began at Sent, where the device reads the
	// clock on both sides of one: the bit left during it.
	Call time.Duration
	// Arrived is when the frame came in, by the goroutine that read it from an interface. In
	// virtual time that is when it is received, and nobody says so.
	Arrived clock.Optional
	// Missed is how much later than its flow's schedule the pacer was asked for the frame, as
	// it was not there: the schedule moved up by that. What Stop says kept it away.
	Missed time.Duration
	Stop   Stop
	// Full is how long the frame waited for room in the device below.
	Full time.Duration
	// Reserved tells that the frame is held to Sched, the place on the wire that was
	// reserved for it, and not to Depart.
	Reserved bool

	// Super is the super-segment that the frame is, nil if it is none: one is for devices whose
	// Info says so, and is cut where the frames get their departures.
	Super *Super

	// Origin is told once that the frame has left or was dropped. It may be nil.
	Origin Origin
	// Cookie belongs to the Origin.
	Cookie any

	// Next belongs to whoever owns the frame, to keep it in a list. It is nil when the
	// frame is handed over.
	Next *Frame

	witnesses  []Witness
	buf        []byte
	start, end int
	owner      Owner // of buf; nil for the garbage collector
}

// A Witness is told that a frame has left, after it has, by a device that stamps (see
// Info.Stamps), with its times and bytes. It must keep neither, and must not transmit.
type Witness interface {
	Left(f *Frame)
}

// An Origin made a frame and keeps account of it until it has left.
type Origin interface {
	// Departed is called on the clock's goroutine when the frame has left, at f.Sent, or
	// has been dropped, without one. It must not keep f, and must not transmit.
	Departed(f *Frame)
}

// Room in a new frame: before the bytes, for the headers that devices put on, and in
// all, for the largest frame of a 1500-byte MTU with them.
const (
	HeadRoom  = 64
	pooledCap = 2048
)

// MaxFrame is the largest frame that there is, in bytes.
const MaxFrame = 1<<16 + HeadRoom

// NewFrame returns a frame of n bytes, whose content is undefined, with HeadRoom before
// them. Nobody owns its memory: a device that makes many takes them from its Pool. n must be
// at most MaxFrame.
func NewFrame(n int) *Frame {
	if n < 0 || n > MaxFrame {
		panic("link: a frame of that size cannot be")
	}
	return &Frame{buf: make([]byte, HeadRoom+n), start: HeadRoom, end: HeadRoom + n}
}

// FrameOver returns a frame whose bytes are buf[start:end], with room before and behind them,
// in memory that is the owner's until it is released.
func FrameOver(buf []byte, start, end int, owner Owner) *Frame {
	return &Frame{buf: buf, start: start, end: end, owner: owner}
}

// Free ends the frame's life: it tells the Origin, if nobody did, and gives the memory
// back to its owner. What was not cut of a super-segment ends with it.
func (f *Frame) Free() {
	if f.Super != nil {
		for c := f.Cut(); c != nil; c = f.Cut() {
			c.Free()
		}
	}
	f.depart()
	if o := f.owner; o != nil {
		clear(f.witnesses)
		*f = Frame{buf: f.buf, witnesses: f.witnesses[:0], Super: f.Super}
		o.Release(f)
	}
}

// Memory returns all of the memory that the frame's bytes are in, for its Owner.
func (f *Frame) Memory() []byte { return f.buf }

// Left notes that the frame's first bit left at t, and tells the Origin.
func (f *Frame) Left(t clock.Time) {
	f.Sent = clock.At(t)
	f.depart()
}

// LeftDuring notes that the frame left during a send call that began at begin and returned
// at end. It tells the Origin, and then the witnesses.
func (f *Frame) LeftDuring(begin, end clock.Time) {
	f.Call = end.Sub(begin)
	f.Left(begin)
	for _, w := range f.witnesses {
		w.Left(f)
	}
	f.witnesses = f.witnesses[:0]
}

// Watch has w told when the frame leaves. What is watched by w already stays so.
func (f *Frame) Watch(w Witness) {
	if !slices.Contains(f.witnesses, w) {
		f.witnesses = append(f.witnesses, w)
	}
}

func (f *Frame) depart() {
	if o := f.Origin; o != nil {
		f.Origin = nil
		o.Departed(f)
		f.Cookie = nil
	}
}

// Measure reads Flow, Size and what the bytes tell of Tag from the frame's bytes, which
// start with a link header of the given length: that of Ethernet, or 0 for an IP packet.
// Behind Ethernet's the IP packet is found as FindIP does.
func (f *Frame) Measure(header int) {
	if f.Len() < header {
		header = f.Len()
	}
	ip := f.Bytes()[header:]
	if header == EthernetHeader {
		at, ok := FindIPInFrame(f.Bytes())
		if !ok {
			at = f.Len()
		}
		ip = f.Bytes()[at:]
	}
	f.Flow, f.Size = pacer.Parse(ip)
	f.Tag.DSCP, f.Tag.Label = pacer.ParseTag(ip)
	f.Size.Wire = WireBytes(f.Len() - header + EthernetHeader)
}

// Bytes returns the frame's bytes, without FCS. They may be changed in place by the owner.
func (f *Frame) Bytes() []byte { return f.buf[f.start:f.end] }

// Touch reads from every cache line of 64 bytes that the frame lies in, without its bytes, so
// that the processor has them when they are wanted. What it returns makes the compiler keep
// the reads, and means nothing.
func (f *Frame) Touch() clock.Time {
	sum := clock.Time(f.Flow.Src[0]) + clock.Time(f.Size.Payload) + clock.Time(f.Missed) +
		clock.Time(len(f.witnesses)) + clock.Time(f.Len())
	if f.Enqueued.IsSet() {
		sum++
	}
	if f.Reserved {
		sum++
	}
	return sum
}

// Len returns the number of bytes, without FCS.
func (f *Frame) Len() int { return f.end - f.start }

// Push puts n bytes before the frame and returns them to be filled. It panics if there
// is no room for them.
func (f *Frame) Push(n int) []byte {
	f.start -= n
	return f.buf[f.start : f.start+n]
}

// Pull takes n bytes off the frame's head and returns them, or nil if there are fewer.
func (f *Frame) Pull(n int) []byte {
	if n > f.Len() {
		return nil
	}
	b := f.buf[f.start : f.start+n]
	f.start += n
	return b
}

// Put adds n bytes behind the frame and returns them to be filled, or nil if there is
// no room for them.
func (f *Frame) Put(n int) []byte {
	if f.end+n > len(f.buf) {
		return nil
	}
	b := f.buf[f.end : f.end+n]
	f.end += n
	return b
}

// Trim cuts the frame down to its first n bytes, if it has more.
func (f *Frame) Trim(n int) {
	if n < f.Len() {
		f.end = f.start + n
	}
}

// Clone returns a copy with the same bytes and times and without the Origin.
func (f *Frame) Clone() *Frame {
	c := NewFrame(f.Len())
	copy(c.Bytes(), f.Bytes())
	c.Flow, c.Size, c.Tag, c.Paced = f.Flow, f.Size, f.Tag, f.Paced
	c.Depart, c.Sched, c.Enqueued, c.Sent = f.Depart, f.Sched, f.Enqueued, f.Sent
	c.Arrived = f.Arrived
	c.Reserved, c.Missed, c.Stop, c.Full = f.Reserved, f.Missed, f.Stop, f.Full
	return c
}
