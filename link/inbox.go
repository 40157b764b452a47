package link

import (
	"sync"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// An Inbox takes frames from a goroutine that reads an interface to the clock's, where a
// Handler gets them: a bounded queue, and the account of what arrived. One goroutine calls
// Put. Attach and Close are the clock's. Lose and Stats may be called from any.
type Inbox struct {
	clk     clock.Clock
	handler Handler
	wake    clock.Timer
	batch   []*Frame // what is being handed to the handler
	room    int

	mu      sync.Mutex
	waiting []*Frame
	stats   Stats
}

// What may wait in an Inbox: so many frames, and of large ones so many that they hold no
// more than 16 MiB.
const (
	maxInbox      = 4096
	maxInboxBytes = 16 << 20
)

// NewInbox returns an Inbox for frames of up to mtu bytes of IP.
func NewInbox(clk clock.Clock, mtu int) *Inbox {
	q := &Inbox{clk: clk, room: min(maxInbox, maxInboxBytes/mtu)}
	// A timer can only be made running.
	q.wake = clk.AfterFunc(time.Duration(clock.Never), q.deliver)
	q.wake.Stop()
	return q
}

// Attach says who gets what arrives. It comes before the first Put.
func (q *Inbox) Attach(h Handler) { q.handler = h }

// Put takes a frame over that has come in now, and wakes the clock's goroutine. Without
// room it is dropped.
func (q *Inbox) Put(f *Frame) {
	f.Arrived = clock.At(q.clk.Now())
	q.mu.Lock()
	first := len(q.waiting) == 0
	if len(q.waiting) < q.room {
		q.waiting = append(q.waiting, f)
	} else {
		q.stats.Drop(f, QueueFull)
	}
	q.mu.Unlock()
	if first {
		q.wake.Reset(0)
	}
}

// Lose counts frames that arrived and went no further.
func (q *Inbox) Lose(why Cause, frames int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Drops[why] += uint64(frames)
}

// deliver hands all that has arrived to the handler, on the clock's goroutine.
func (q *Inbox) deliver() {
	q.mu.Lock()
	batch := q.waiting
	q.waiting = q.batch[:0]
	q.stats.Frames += uint64(len(batch))
	for _, f := range batch {
		q.stats.Bytes += uint64(f.Len())
	}
	q.mu.Unlock()
	if len(batch) > 0 {
		q.handler.Receive(batch)
	}
	clear(batch)
	q.batch = batch
}

// Stats returns what arrived, and what of it went no further.
func (q *Inbox) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}

// Close drops what waits. The goroutine that reads has ended.
func (q *Inbox) Close() {
	q.wake.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range q.waiting {
		q.stats.Drop(f, Closed)
	}
	q.waiting = nil
}
