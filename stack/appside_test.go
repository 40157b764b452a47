package stack

import (
	"testing"

	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A writer that has no room is marked as one to be woken, and who finds room wakes the others.
func TestRoom(t *testing.T) {
	l, _ := alone(5, 10_000)
	l.words.lead.Store(10_000)
	woken := 0
	var queue waiter.Queue
	entry := waiter.NewFunctionEntry(waiter.WritableEvents, func(waiter.EventMask) { woken++ })
	queue.EventRegister(&entry)
	a := &appSide{shared: l.shared, writers: &queue}
	check := func(what string, n, want int, full bool, wakes int) {
		t.Helper()
		if got := a.room(n); got != want || l.words.full.Load() != full || woken != wakes {
			t.Errorf("%s: %d, full %v, %d woken", what, got, l.words.full.Load(), woken)
		}
	}
	leave := func(from, to pacer.Seq) { l.Departed(5+from, 5+to, clock.At(1), 1) }
	check("nothing to write", 0, 0, false, 0)
	check("no room", 3000, 0, true, 0)
	check("no room, again", 3000, 0, true, 0)
	leave(0, 4500)
	check("too little has left", 3000, 0, true, 0)
	leave(4500, 5000)
	check("half has", 3000, 0, true, 0)
	if l.asked() != 0 {
		t.Error("the link's side wakes too early")
	}
	// # a writer that is there before the link's side wakes it, and another waits
	l.words.left.Store(5 + 6000)
	check("more than half", 3000, 3000, false, 1)
	a.wrote(3000)
	check("part of a block", 9000, 3000, false, 1)
	a.wrote(2500)
	check("less than a segment", 9000, 0, true, 1)
}
