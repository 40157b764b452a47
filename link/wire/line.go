package wire

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// A line is one direction of a wire, or the port before it. Its frames stand in one ring,
// in the order in which they came, which is also that in which they start and arrive: the
// first ones fly, the others wait for the line.
//
// One timer stands for whatever is the earliest, the next start or the next arrival.
type line struct {
	clk   clock.Clock
	timer clock.Timer
	armed clock.Time // what the timer is set to, or Never
	to    func([]*link.Frame)
	after bool // behind a port, which noted when the frames left

	rate      int64
	delay     time.Duration
	info      link.Info
	maxFrames int // of the queue; 0 is no bound
	maxBytes  int

	// The line is free from exactly free + part/rate nanoseconds on.
	free clock.Time
	part int64

	slots  queue.Ring[slot]
	flying int // of the slots, the first ones: they have started

	batch []*link.Frame // what is being delivered
	sent  link.Stats
	queue backlog
}

type slot struct {
	f      *link.Frame
	wire   int        // byte times that it holds the line
	arrive clock.Time // at the other end; set when it starts
}

// init makes a line ready that has its rate, bounds and where it leads.
func (l *line) init(clk clock.Clock, info link.Info) {
	l.clk = clk
	l.info = info
	l.armed = clock.Never
	l.queue.at = clk.Now()
	// A timer can only be made running.
	l.timer = clk.AfterFunc(time.Duration(clock.Never), l.run)
	l.timer.Stop()
}

// freeAt is when the line is free, rounded up.
func (l *line) freeAt() clock.Time {
	if l.part > 0 {
		return l.free + 1
	}
	return l.free
}

// sendAll puts frames on the line, into the queue, or away.
func (l *line) sendAll(frames []*link.Frame) {
	now := l.clk.Now()
	for _, f := range frames {
		l.send(f, now)
	}
	l.arm()
}

// send puts a frame on the line, into the queue, or away.
func (l *line) send(f *link.Frame, now clock.Time) {
	n := f.Len()
	if !l.info.Fits(f.Bytes()) {
		l.sent.Drop(f, link.TooLong)
		return
	}
	// Frames due to start at this instant make room before the new one asks for it,
	// whichever event the clock runs first.
	l.start(now)
	if !l.waits() && l.freeAt() <= now {
		l.free, l.part = now, 0
	} else if l.maxFrames > 0 && l.queue.frames >= l.maxFrames || l.maxBytes > 0 && l.queue.bytes+n > l.maxBytes {
		l.sent.Drop(f, link.QueueFull)
		return
	}
	wire := f.Size.Wire
	if wire == 0 {
		wire = link.WireBytes(n - l.info.Header() + link.EthernetHeader)
	}
	l.slots.Push(slot{f: f, wire: wire})
	l.queue.change(now, 1, n)
	l.start(now)
	l.queue.peak()
}

// waits reports whether a frame waits for the line.
func (l *line) waits() bool { return l.flying < l.slots.Len() }

// start puts frames on the line whose turn has come. Each one's Origin is told last, as
// it may send the next frame.
func (l *line) start(now clock.Time) {
	for l.waits() && l.freeAt() <= now {
		begin := l.freeAt()
		s := l.slots.At(l.flying)
		f := s.f
		if l.rate > 0 {
			bits := l.part + int64(s.wire)*8*int64(time.Second)
			l.free += clock.Time(bits / l.rate)
			l.part = bits % l.rate
		}
		s.arrive = l.freeAt().Add(l.delay)
		l.flying++
		l.queue.change(begin, -1, -f.Len())
		l.sent.Frames++
		l.sent.Bytes += uint64(f.Len())
		if !l.after {
			f.Left(begin)
		}
	}
}

// deliver hands over the frames that have arrived.
func (l *line) deliver(now clock.Time) {
	batch := l.batch[:0]
	for l.flying > 0 && l.slots.At(0).arrive <= now {
		batch = append(batch, l.slots.Pop().f)
		l.flying--
	}
	if len(batch) > 0 {
		l.to(batch)
	}
	clear(batch)
	l.batch = batch
}

// run is called at the next start or arrival.
func (l *line) run() {
	l.armed = clock.Never
	now := l.clk.Now()
	l.start(now)
	l.deliver(now)
	l.arm()
}

// arm sets the timer to the next start or arrival.
func (l *line) arm() {
	next := clock.Never
	if l.flying > 0 {
		next = l.slots.At(0).arrive
	}
	if l.waits() {
		next = min(next, l.freeAt())
	}
	if next == l.armed {
		return
	}
	l.armed = next
	l.timer.ResetAt(next) // Never stops it
}

// setRate lets the frame that is on the line keep its rate, also one that starts at this
// instant. When the line is free is rounded up to whole nanoseconds, as the remainder is
// counted in the old rate.
func (l *line) setRate(rate int64) {
	l.start(l.clk.Now())
	l.free, l.part = l.freeAt(), 0
	l.rate = rate
	l.arm()
}

// clear drops what waits for the line, and what is on it if all is true.
func (l *line) clear(all bool) {
	now := l.clk.Now()
	l.start(now)
	if all {
		l.flying = 0
	}
	for i := l.flying; i < l.slots.Len(); i++ {
		l.sent.Drop(l.slots.At(i).f, link.Closed)
	}
	l.slots.Cut(l.flying)
	l.queue.change(now, -l.queue.frames, -l.queue.bytes)
	l.arm()
}
