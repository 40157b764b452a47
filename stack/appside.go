package stack

import (
	"gvisor.dev/gvisor/pkg/waiter"
)

// appSide is the application's side of a loop: how much may be written. netstack alone takes
// what its send buffer has room for, and wakes a writer when half of it is free. What is not
// acknowledged is in there, and so with a buffer of two windows nothing would be left to send
// while a loss is repaired. Here the buffer is large, and what counts is what has not left
// (TCP_NOTSENT_LOWAT on Linux).
type appSide struct {
	*shared
	writers *waiter.Queue // those who wait
}

// room returns how many of n bytes may be written now; with 0 of them the writer has to wait
// until more has left.
func (a *appSide) room(n int) int {
	w := &a.words
	for {
		waits := w.full.Load()
		ahead := a.writtenTo().From(w.left.Load())
		if room := mayWrite(n, ahead, w.mayLead(), int(w.mss.Load()), waits); room > 0 || n == 0 {
			if waits && w.full.CompareAndSwap(true, false) {
				a.wake() // others who wait
			}
			return room
		}
		if waits {
			return 0
		}
		// What leaves from now on wakes the writer. What has left just now may not have.
		w.full.Store(true)
	}
}

// wrote notes that n bytes were given to netstack.
func (a *appSide) wrote(n int) { a.words.written.Add(int64(n)) }

// wake wakes the writers that wait.
func (a *appSide) wake() { a.writers.Notify(waiter.WritableEvents) }
