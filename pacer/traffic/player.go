package traffic

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Player gives a device the frames of a capture, each with its departure. The file is
// read ahead, on a goroutine of its own, so that a slow disk delays no departure for as
// long as what was read lasts.
//
//	script.next -> frames -> feed -> the device, at most ahead of them before they leave
type Player struct {
	clk      clock.Clock
	below    link.Device
	counters *Counters
	until    time.Duration  // after which nothing is sent; 0 is no bound
	wait     bool           // for a slow disk
	start    clock.Optional // when the capture's time 0 is
	timer    clock.Timer
	called   bool // the timer is set
	one      [1]*link.Frame

	frames  chan *link.Frame // that were read
	starved atomic.Bool      // the clock's goroutine waits for more of them
	quit    chan struct{}
	lead    time.Duration

	// The reading goroutine owns these until frames is closed.
	script script
	err    error
}

// How many frames are read ahead, and how many the device has at most.
const (
	readAhead = 1 << 10
	ahead     = 1 << 9
)

// NewPlayer returns a Player of the capture into below, and begins to read. The card under
// it counts what leaves in counters. Close must be called.
//
// In virtual time a slow disk is waited for.
func NewPlayer(clk clock.Clock, below link.Device, c *pcap.File, replay Replay, counters *Counters) *Player {
	p := &Player{
		clk: clk, below: below, counters: counters, until: replay.Duration,
		frames: make(chan *link.Frame, readAhead),
		quit:   make(chan struct{}),
		script: newScript(c, replay),
	}
	_, p.wait = clk.(*clock.Virtual)
	p.timer = clk.AfterFunc(time.Duration(clock.Never), p.feed)
	p.timer.Stop()
	go p.read()
	return p
}

// Start begins: the first packet leaves when lead has passed, or that much after it was
// read.
func (p *Player) Start(lead time.Duration) {
	p.lead = lead
	p.feed()
}

// Stop ends the replay. What the device has already still leaves.
func (p *Player) Stop() { p.counters.End(nil) }

// Close ends the reading and closes the file. It may be called from any goroutine, when
// the clock calls no more. Then Replayed is complete.
func (p *Player) Close() error {
	close(p.quit)
	err := p.script.capture.Close() // which ends a read that is under way
	for f := range p.frames {
		f.Free()
	}
	return err
}

// Replayed returns what became of the packets. It is called after Close.
func (p *Player) Replayed() Replayed { return p.script.done }

// read fills frames.
func (p *Player) read() {
	defer p.rouse()
	defer close(p.frames)
	for {
		f, err := p.script.next()
		if err != nil {
			p.err = err
			return
		}
		select {
		case p.frames <- f:
		case <-p.quit:
			f.Free()
			return
		}
		p.rouse()
	}
}

// rouse tells the clock's goroutine that there is something to read, if it waits for it.
func (p *Player) rouse() {
	if p.starved.Load() && p.starved.Swap(false) {
		p.clk.AfterFunc(0, p.feed)
	}
}

// feed gives the device frames, as many as it may have.
func (p *Player) feed() {
	p.called = false
	for !p.counters.ended && p.counters.waiting() < ahead {
		f, more, ok := p.next()
		switch {
		case !more && p.err != io.EOF:
			p.counters.End(p.err)
			return
		case !more:
			p.counters.End(nil)
			return
		case !ok:
			return
		}
		now := p.clk.Now()
		start := p.start.Or(now.Add(p.lead))
		p.start = clock.At(start)
		if p.until > 0 && now.Sub(start) >= p.until {
			f.Free()
			p.counters.End(nil)
			return
		}
		f.Depart = start.Add(time.Duration(f.Depart))
		f.Origin = p
		p.one[0] = f
		p.counters.Give()
		if n, err := p.below.Transmit(p.one[:]); n == 0 {
			f.Free()
			p.counters.End(err)
			return
		}
	}
}

// next returns the next frame that was read: more tells whether there can be one, and ok
// whether it is there.
func (p *Player) next() (f *link.Frame, more, ok bool) {
	if p.wait {
		f, more = <-p.frames
		return f, more, more
	}
	for range 2 {
		select {
		case f, more = <-p.frames:
			p.starved.Store(false)
			return f, more, more
		default:
			// Look again: one may have come before starved was set.
			p.starved.Store(true)
		}
	}
	return nil, true, false
}

// Departed implements link.Origin. When half of what the device may have is gone it gets
// more, from the clock, as it must not from here.
func (p *Player) Departed(f *link.Frame) {
	if m, ok := f.Cookie.(*Monitor); ok && !f.Sent.IsSet() {
		m.dropped()
	} else if !f.Sent.IsSet() { // above the Monitor
		p.counters.Drop()
	}
	if p.counters.waiting() <= ahead/2 && !p.counters.ended && !p.called {
		p.called = true
		p.timer.Reset(0)
	}
}
