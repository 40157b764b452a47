package stack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// WithTimeout returns a context that ends when d has passed on the world's clock, when
// cancel is called, or when parent has ended. context.WithTimeout is wrong in a world: its
// timer is the machine's, and so whether it fires before a call returns depends on how
// fast the machine is, and its date is decades after the world's.
func (w *World) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return w.WithDeadline(parent, w.clk.Wall(w.clk.Now().Add(d)))
}

// WithDeadline is WithTimeout with a date of the world: Host.Now and later.
func (w *World) WithDeadline(parent context.Context, t time.Time) (context.Context, context.CancelFunc) {
	if p, ok := parent.Deadline(); ok && p.Before(t) {
		t = p
	}
	c := &worldContext{world: w, parent: parent, deadline: t, done: make(chan struct{})}
	c.timer = w.clk.AfterFunc(t.Sub(w.clk.Wall(w.clk.Now())), func() { c.end(context.DeadlineExceeded) })
	if !t.After(w.clk.Wall(w.clk.Now())) {
		c.end(context.DeadlineExceeded)
	}
	return c, func() { c.end(context.Canceled) }
}

// worldContext is a context on a world's clock. It starts no goroutine to hear of its
// parent's end, as the order would be by chance: it looks when it is asked, and after every
// event while it has children.
type worldContext struct {
	world    *World
	parent   context.Context
	deadline time.Time
	timer    clock.Timer
	done     chan struct{}

	mu       sync.Mutex
	err      error
	children []*func()
	listed   bool // among World.parents
}

// Deadline implements context.Context.
func (c *worldContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Value implements context.Context.
func (c *worldContext) Value(key any) any { return c.parent.Value(key) }

// Done implements context.Context. A process that waits for it stops the world.
func (c *worldContext) Done() <-chan struct{} {
	c.Err()
	return c.done
}

// Err implements context.Context.
func (c *worldContext) Err() error {
	if err := c.parent.Err(); err != nil {
		c.end(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *worldContext) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	children := c.children
	c.children = nil
	close(c.done)
	c.mu.Unlock()
	c.timer.Stop()
	for _, f := range children {
		(*f)()
	}
}

// AfterFunc is how package context has its own contexts end with one that it does not
// know.
func (c *worldContext) AfterFunc(f func()) (stop func() bool) {
	child := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if !c.listed && c.parent.Done() != nil {
		c.listed = true
		c.world.parents = append(c.world.parents, c)
	}
	c.children = append(c.children, child)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.children, child)
		if i < 0 {
			return false
		}
		c.children = slices.Delete(c.children, i, i+1)
		return true
	}
}

// watched is a context whose end wakes those who wait at a socket.
type watched struct {
	ctx  context.Context
	wait *side
}

// watch has the world look after every event whether ctx has ended.
func (w *World) watch(ctx context.Context, d *side) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	watch := &watched{ctx, d}
	w.watching = append(w.watching, watch)
	return func() {
		i := slices.Index(w.watching, watch)
		w.watching = slices.Delete(w.watching, i, i+1)
	}
}

// isParent looks whether c has ended, and reports whether others still depend on it.
func (c *worldContext) isParent() bool {
	c.Err()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = len(c.children) > 0
	return c.listed
}

func (w *World) lookAtContexts() {
	w.parents = slices.DeleteFunc(w.parents, func(c *worldContext) bool { return !c.isParent() })
	for _, c := range w.watching {
		if c.ctx.Err() != nil {
			c.wait.wake()
		}
	}
}

// farthest is how far from a world's date a deadline may be. A world begins in 1970, and
// the machine's date is more than fifty years later.
const farthest = 20 * 365 * 24 * time.Hour

var errWallClock = errors.New("the deadline is a date of the machine's clock, and this host is in a World, where it is 1970: " +
	"take Host.Now().Add(d) for a deadline, and World.WithTimeout for a context")

// checkDate refuses, in a world, a deadline that was made with time.Now: one that carries a
// reading of the machine's monotonic clock, which no date of a world does, or one
// that is decades away.
func (h *Host) checkDate(t time.Time) error {
	if h.world == nil || t.IsZero() {
		return nil
	}
	if t != t.Round(0) || t.Sub(h.Now()) > farthest {
		return errWallClock
	}
	return nil
}
