package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netcaliper/caliper/pacer/clock"
)

// World is a number of hosts in virtual time, with the processes that use them. It
// belongs to the goroutine that calls Run, and meanwhile to its processes: from any other
// goroutine a host is used with ErrOutside.
type World struct {
	// Patience is for how long on the world's clock Run lets its process wait while no
	// process gets anything that it waits for, but only goes on after a Sleep or a
	// deadline: then it returns ErrDeadlock. 0 means an hour.
	Patience time.Duration

	// StallLimit is for how long on the machine's clock a process may wait for something
	// that is not of the world, as for a Go channel, while all stands still: then the
	// program ends with a panic that says where. 0 means a minute, less than 0 for ever.
	StallLimit time.Duration

	clk      *clock.Virtual
	seed     uint64
	made     uint64 // random sources
	hosts    []*Host
	dirty    *Host // was touched, and may not be at rest
	resting  resting
	current  *process
	live     int // processes that have not ended
	order    []*process
	watching []*watched
	parents  []*worldContext // whose children hear of their end
	closed   bool

	caller   atomic.Int64 // the goroutine that may use the hosts; 0 means any
	outside  atomic.Pointer[error]
	progress atomic.Int64  // when a process last got what it waited for
	switches atomic.Uint64 // to processes
	onStall  func(report string)
}

// NewWorld returns an empty world at time 0. Of two worlds with one seed, in which the
// same is done, all frames are the same.
func NewWorld(seed uint64) *World {
	return &World{clk: clock.NewVirtual(), seed: seed, onStall: func(report string) { panic(report) }}
}

// Clock returns the world's clock, for its devices.
func (w *World) Clock() *clock.Virtual { return w.clk }

// NewHost adds a host. Its devices run on the world's clock.
func (w *World) NewHost(config Config) (*Host, error) {
	h, err := newHost(&Host{clk: w.clk, world: w}, config)
	if err != nil {
		return nil, err
	}
	w.hosts = append(w.hosts, h)
	return h, nil
}

// ErrDeadlock is the error of Run when no event is left that could wake a process, or none
// has got what it waits for since Patience. The error's text says who waits for what.
var ErrDeadlock = errors.New("stack: every process of the world waits, and nothing is left to happen")

// Run runs main as a process, and all the world with it, until main has returned.
func (w *World) Run(main func()) error {
	p := w.start(main)
	defer w.watchStalls()()
	defer w.begin()()
	w.got()
	for !p.done {
		if !w.step() || w.hopeless(p) {
			return w.deadlock()
		}
		if err := w.intruded(); err != nil {
			return err
		}
	}
	return nil
}

// begin gives the world to the goroutine that calls, until end is called. What was done to
// it before is brought to rest.
func (w *World) begin() (end func()) {
	w.settle()
	owner := w.caller.Load()
	w.take(goroutineID())
	return func() { w.take(owner) }
}

// step runs the next event and what follows from it at once, and reports whether there
// was one.
func (w *World) step() bool {
	if !w.clk.Step() {
		return false
	}
	w.settle()
	w.lookAtContexts()
	return true
}

// deadlock says who waits.
func (w *World) deadlock() error {
	who := w.whoWaits()
	// Asked after that: an intruder may have ended since, and is not found any more.
	if err := w.intruded(); err != nil {
		return err
	}
	return fmt.Errorf("%w, at %v:%s", ErrDeadlock, w.clk.Now(), who)
}

// RunFor lets the world go on for d, without a process to wait for.
func (w *World) RunFor(d time.Duration) {
	defer w.begin()()
	end := w.clk.Now().Add(d)
	for w.clk.Next() <= end {
		w.step()
	}
	w.clk.RunUntil(end)
}

// Close ends the processes that still wait, as if their goroutine had exited, and closes
// the hosts.
func (w *World) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	defer w.begin()()
	for _, p := range slices.Clone(w.order) { // which the end of a process changes
		p.kill()
	}
	var errs []error
	for _, h := range w.hosts {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// touch notes that h is about to be used, which may set its TCP goroutine to work. One
// host at a time is not at rest, and for one thing: what is done next, even with the same
// host, might send something while the goroutine does.
func (w *World) touch(h *Host) {
	w.settle()
	w.dirty = h
}

// settle brings the host that was touched to rest.
func (w *World) settle() {
	if h := w.dirty; h != nil {
		w.dirty = nil
		h.rest()
	}
}

func (h *Host) touch() {
	if h.world != nil && !h.ended {
		h.world.touch(h)
	}
}

// use is touch for what runs on the caller's goroutine alone: reading and writing set
// netstack's goroutine to work only where TCP segments go to the host itself.
func (s *socket) use() {
	w := s.host.world
	if w == nil {
		return
	}
	w.settle()
	if s.toSelf {
		s.host.touch()
	}
}

// source returns the next random source of the world.
func (w *World) source() *randv2.ChaCha8 {
	var seed [32]byte
	w.made++
	binary.LittleEndian.PutUint64(seed[0:], w.seed)
	binary.LittleEndian.PutUint64(seed[8:], w.made)
	return randv2.NewChaCha8(seed)
}

// lockedSource is a rand.Source for several goroutines, as netstack wants it.
type lockedSource struct {
	mu     sync.Mutex
	source rand.Source
}

func (s *lockedSource) Int63() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Int63()
}

func (s *lockedSource) Seed(seed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source.Seed(seed)
}

// worldClock is the world's clock as netstack wants it.
type worldClock struct{ host *Host }

// beforeStart keeps netstack away from time 0, which it takes for "never" in places.
const beforeStart = time.Hour

func (c *worldClock) Now() time.Time {
	return time.Unix(0, int64(c.host.clk.Now().Add(beforeStart)))
}

func (c *worldClock) NowMonotonic() tcpip.MonotonicTime {
	var zero tcpip.MonotonicTime
	return zero.Add(beforeStart + time.Duration(c.host.clk.Now()))
}

func (c *worldClock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	h := c.host
	return worldTimer{h.clk.AfterFunc(d, func() {
		h.touch()
		f()
	})}
}

type worldTimer struct{ clock.Timer }

func (t worldTimer) Reset(d time.Duration) { t.Timer.Reset(d) }
