package stack

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/pacer/clock"
)

// ErrWouldBlock is returned in a World by what would block where nobody can wait: outside
// of its processes. Notify tells when to try again.
var ErrWouldBlock = errors.New("stack: operation would block, and no process of the world runs that could wait")

// parker is somebody who waits: a process of a world, or a goroutine.
type parker interface {
	park()
	wake() // from any goroutine; does not block
}

// routine is a goroutine that waits.
type routine chan struct{}

func (r routine) park() { <-r }

func (r routine) wake() {
	select {
	case r <- struct{}{}:
	default:
	}
}

var routines = sync.Pool{New: func() any { return make(routine, 1) }}

// side is one direction of a socket: who waits for it, and for how long at most.
type side struct {
	mu      sync.Mutex
	waiting []parker
	timer   clock.Timer
	set     uint64 // counts the calls of deadline, so that an old timer can be told
	passed  bool   // the deadline
}

// deadline sets the deadline to t on h's clock; the zero time means none.
func (d *side) deadline(h *Host, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.passed = false
	if t.IsZero() {
		return
	}
	left := t.Sub(h.Now())
	if left <= 0 {
		d.pass()
		return
	}
	set := d.set
	expired := &task{run: func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.set == set {
			d.pass()
		}
	}}
	d.timer = h.clk.AfterFunc(left, func() { h.softirq.raise(expired) })
}

// pass notes, with mu held, that the deadline is over.
func (d *side) pass() {
	d.passed = true
	d.wakeLocked()
}

func (d *side) wakeLocked() {
	for _, p := range d.waiting {
		p.wake()
	}
}

func (d *side) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wakeLocked()
}

func (d *side) add(p parker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, p)
}

func (d *side) remove(p parker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.waiting, p)
	d.waiting = slices.Delete(d.waiting, i, i+1)
}

func (d *side) hasPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// socket is what all kinds of sockets have in common.
type socket struct {
	host   *Host
	ep     tcpip.Endpoint
	queue  *waiter.Queue
	closed atomic.Bool
	toSelf bool // the peer is on the same host
	read   side
	write  side

	drained side // of those who wait until all has left
}

func (s *socket) init(h *Host, ep tcpip.Endpoint, queue *waiter.Queue) {
	s.host, s.ep, s.queue = h, ep, queue
	entry := waiter.NewFunctionEntry(allEvents, func(e waiter.EventMask) {
		if e&^waiter.WritableEvents != 0 {
			s.read.wake()
		}
		if e&^waiter.ReadableEvents != 0 {
			s.write.wake()
			s.drained.wake()
		}
	})
	queue.EventRegister(&entry)
}

const allEvents = waiter.ReadableEvents | waiter.WritableEvents | waiter.EventErr | waiter.EventHUp

// block calls try until it does not say that it would block, the socket is closed, or
// the deadline has passed: be on the list, try again, then wait.
func (s *socket) block(d *side, try func() tcpip.Error) error {
	if err := s.state(d); err != nil {
		return err
	}
	if err := s.host.inside(); err != nil {
		return err
	}
	s.use()
	err := try()
	if !wouldBlock(err) {
		return s.failure(err)
	}
	p := s.host.parker()
	if p == nil {
		return ErrWouldBlock
	}
	if r, ok := p.(routine); ok {
		defer routines.Put(r)
	}
	d.add(p)
	defer d.remove(p)
	for {
		if err := s.state(d); err != nil {
			return err
		}
		s.use()
		if err := try(); !wouldBlock(err) {
			s.host.got()
			return s.failure(err)
		}
		p.park()
	}
}

// parker returns what waits when the caller blocks, or nil if nothing can.
func (h *Host) parker() parker {
	if h.world == nil {
		r := routines.Get().(routine)
		select {
		case <-r: // a wake-up that was too late for its last user
		default:
		}
		return r
	}
	if p := h.world.current; p != nil {
		return p
	}
	return nil
}

func (s *socket) state(d *side) error {
	if s.isClosed() {
		return net.ErrClosed
	}
	if d.hasPassed() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// isClosed reports whether the socket, or its host, has been closed.
func (s *socket) isClosed() bool { return s.closed.Load() || s.host.closed.Load() }

// shut marks the socket as closed, and wakes whoever waits. It returns an error if the
// socket was closed before.
func (s *socket) shut() error {
	if err := s.host.inside(); err != nil {
		return err
	}
	if !s.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	for _, d := range []*side{&s.read, &s.write, &s.drained} {
		d.mu.Lock()
		d.wakeLocked()
		if d.timer != nil {
			d.timer.Stop()
		}
		d.mu.Unlock()
	}
	return nil
}

// SetDeadline sets both deadlines, as times of Host.Now. In a world it refuses a date that
// was made with time.Now.
func (s *socket) SetDeadline(t time.Time) error { return s.setDeadline(t, &s.read, &s.write) }

// SetReadDeadline sets the deadline of reading and accepting.
func (s *socket) SetReadDeadline(t time.Time) error { return s.setDeadline(t, &s.read) }

// SetWriteDeadline sets the deadline of writing.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.setDeadline(t, &s.write) }

func (s *socket) setDeadline(t time.Time, sides ...*side) error {
	err := s.host.checkDate(t)
	if err == nil {
		err = s.usable()
	}
	if err != nil {
		return &net.OpError{Op: "set", Net: s.network(), Err: err}
	}
	for _, d := range sides {
		d.deadline(s.host, t)
	}
	return nil
}

// usable returns an error if the socket has been closed, or the caller is outside of its
// world.
func (s *socket) usable() error {
	if s.isClosed() {
		return net.ErrClosed
	}
	return s.host.inside()
}

func (s *socket) network() string {
	if _, ok := s.ep.(*tcp.Endpoint); ok {
		return "tcp"
	}
	return "udp"
}

// Notify has f called each time the socket may have become readable or writable, or has
// failed. f must not use the socket itself: netstack holds locks. In a world, let f set a
// clock's timer to do the work.
func (s *socket) Notify(f func()) (stop func()) {
	entry := waiter.NewFunctionEntry(allEvents, func(waiter.EventMask) { f() })
	s.queue.EventRegister(&entry)
	return func() { s.queue.EventUnregister(&entry) }
}
