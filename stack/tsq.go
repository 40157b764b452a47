package stack

import "sync"

// tsq asks connections of a host in real time for more to send. It does so on a
// goroutine of its own, as it must wait for locks that applications hold, and the clock's
// goroutine must not.
type tsq struct {
	mu      sync.Mutex
	wake    sync.Cond
	waiting []*control
	closed  bool
	done    chan struct{}
}

func newTSQ() *tsq {
	k := &tsq{done: make(chan struct{})}
	k.wake.L = &k.mu
	go k.run()
	return k
}

func (k *tsq) add(c *control) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = append(k.waiting, c)
	k.wake.Signal()
}

func (k *tsq) run() {
	defer close(k.done)
	var taken []*control
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		for len(k.waiting) == 0 && !k.closed {
			k.wake.Wait()
		}
		if k.closed {
			return
		}
		taken, k.waiting = k.waiting, taken[:0]
		k.mu.Unlock()
		for i, c := range taken {
			taken[i] = nil
			c.runPush()
		}
		k.mu.Lock()
	}
}

// close ends the goroutine. What waits is not asked for any more.
func (k *tsq) close() {
	k.mu.Lock()
	k.closed = true
	k.wake.Signal()
	k.mu.Unlock()
	<-k.done
}

// kick has netstack asked for more of c, as soon as its lock can be taken. It is called on
// the clock's goroutine; in a world, it is when the event that runs now is over, and the
// host at rest.
func (h *Host) kick(c *control) {
	if h.tsq != nil {
		h.tsq.add(c)
		return
	}
	h.ep.Before(c.push)
}
