package endpoint

import (
	"sync"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// doorSize is how many packets wait at the door at most. Sockets stop long before, but for
// what nobody waits for: answers to what a peer sends.
const doorSize = 1 << 16

// door is where the packets come in that netstack writes, and what else other goroutines
// have for the clock's: a bounded queue that put fills from any goroutine, and take empties
// on the clock's. The zero door is open and empty.
type door struct {
	mu     sync.Mutex
	queue  []written
	lost   int      // packets that there was no room for
	before []func() // to be run on the clock's goroutine, before the queue is sent
	after  []func() // and behind it
	closed bool

	accounts accounts

	// The other halves, of the clock's goroutine.
	taken []written
	ops   []func()
}

// written is a packet that the stack has written.
type written struct {
	pkt    *gstack.PacketBuffer
	parcel parcel
}

// put takes a reference of each packet, and takes it into its account. It reports whether
// somebody has to come and take, and whether the door is open.
func (d *door) put(pkts []*gstack.PacketBuffer, header int) (wake, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, false
	}
	wake = len(d.queue) == 0 && d.lost == 0
	for _, pkt := range pkts {
		p := d.accounts.parcel(pkt, header)
		if len(d.queue) == doorSize {
			d.lost++
			p.refused()
			continue
		}
		d.queue = append(d.queue, written{pkt.IncRef(), p})
	}
	return wake, true
}

// take returns what waits, which is the caller's until the next call, and how many packets
// had no room.
func (d *door) take() (packets []written, lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken, d.queue = d.queue, d.taken[:0]
	lost, d.lost = d.lost, 0
	return d.taken, lost
}

// ask has f run with the others of one of the door's lists.
func (d *door) ask(list *[]func(), f func()) {
	d.mu.Lock()
	*list = append(*list, f)
	d.mu.Unlock()
}

// run runs what was asked for. What it asks for in turn comes at the next run.
func (d *door) run(list *[]func()) {
	d.mu.Lock()
	if len(*list) == 0 {
		d.mu.Unlock()
		return
	}
	ops := *list
	*list = d.ops[:0]
	d.mu.Unlock()
	for i, f := range ops {
		ops[i] = nil
		f()
	}
	d.ops = ops[:0]
}

// close lets nothing more in.
func (d *door) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
}
