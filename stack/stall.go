package stack

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

const (
	patience   = time.Hour
	stallLimit = time.Minute
)

// hopeless reports whether main waits for something that does not come: for longer than
// Patience it has not run, and no process has got what it waited for, sleep alone
// excepted; and neither main sleeps nor who it waits for.
func (w *World) hopeless(main *process) bool {
	limit := w.Patience
	if limit == 0 {
		limit = patience
	}
	since := max(main.ran, clock.Time(w.progress.Load()))
	if main.done || w.clk.Now().Sub(since) <= limit {
		return false
	}
	p := main
	for range w.live { // they may wait for each other
		if p.asleep {
			return false
		}
		if p.waitsFor == nil {
			break
		}
		p = p.waitsFor
	}
	return true
}

func (h *Host) got() {
	if h.world != nil {
		h.world.got()
	}
}

// got notes that a process got what it waited for.
func (w *World) got() { w.progress.Store(int64(w.clk.Now())) }

// A watchdog looks, on the machine's clock, whether a process keeps the world from going on.
// It only reads: what happens in a world does not depend on it.
type watchdog struct {
	world    *World
	limit    time.Duration
	switches uint64

	mu    sync.Mutex
	timer *time.Timer // nil when it has been stopped
}

// watchStalls starts a watchdog, for as long as Run runs.
func (w *World) watchStalls() (stop func()) {
	d := &watchdog{world: w, limit: w.StallLimit, switches: w.switches.Load()}
	if d.limit == 0 {
		d.limit = stallLimit
	}
	if d.limit < 0 {
		return func() {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(d.limit, d.look)
	return d.stop
}

// stop ends the looking, also that which is under way.
func (d *watchdog) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer.Stop()
	d.timer = nil
}

func (d *watchdog) look() {
	w := d.world
	switches, id := w.switches.Load(), w.caller.Load()
	if switches == d.switches && id != 0 {
		g := goroutines()[id]
		if call, by := site(g.frames); blocked(g.state) && w.switches.Load() == switches {
			if call != "" {
				call = " in " + call
			}
			w.onStall(fmt.Sprintf("stack: a process of the World has been waiting outside of it for more than %v [%s]%s, at %v: "+
				"a process waits in the sockets of its hosts, in Sleep and in what Go returns; "+
				"a Go channel, a mutex or the machine's clock stops the world. World.StallLimit says how long that may be",
				d.limit, g.state, call, by))
			return
		}
	}
	d.switches = switches
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Reset(d.limit)
	}
}

// blocked tells the states of a goroutine that waits for another one or for a time.
func blocked(state string) bool {
	for _, s := range []string{"chan ", "select", "sync.", "semacquire", "sleep"} {
		if strings.HasPrefix(state, s) {
			return true
		}
	}
	return false
}
