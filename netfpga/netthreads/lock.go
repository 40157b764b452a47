package netthreads

// cause is why a thread waits.
type cause uint8

const (
	none      cause = iota
	forLock         // until it is its turn to own the lock
	forEngine       // until the packet before has left the output memory
	forFetch        // until a line is in the instruction cache
	forData         // until a line is in the data cache, or another CPU has used that
	causes
)

// never is a cycle that does not come.
const never = 1<<64 - 1

// lock is a mutex. Threads that wait for it are queued.
type lock struct {
	owner   int8 // the thread, from 1 on; 0: it is free
	granted bool // the owner waited for it, and has not gone on since
	queue   [MaxThreads]int8
	n       int
}

// lock gives lock number v to thread n, or has it wait.
func (m *Machine) lock(n int, v uint32) bool {
	l := &m.locks[v%Locks]
	t := &m.threads[n]
	if self := int8(n + 1); l.owner == 0 || l.granted && l.owner == self {
		l.owner, l.granted = self, false
		return true
	}
	l.queue[l.n] = int8(n + 1)
	l.n++
	m.suspend(t, never, forLock)
	return false
}

// unlock frees lock number v, and gives it to the first thread that waits. One that was
// given it and has not gone on since loses it, and asks again.
func (m *Machine) unlock(v uint32) bool {
	l := &m.locks[v%Locks]
	l.owner, l.granted = 0, false
	if l.n == 0 {
		return true
	}
	l.owner = l.queue[0]
	copy(l.queue[:], l.queue[1:l.n])
	l.n--
	l.queue[l.n] = 0
	l.granted = true
	m.threads[l.owner-1].until = m.cycle + 1
	return true
}

// suspend has a thread issue nothing before a cycle.
func (m *Machine) suspend(t *thread, until uint64, why cause) {
	t.until, t.wait, t.since = until, why, m.cycle
	m.waiting++
}

// wake has a thread go on that was suspended, and counts the instructions that it could
// have issued meanwhile.
func (m *Machine) wake(t *thread) {
	t.counts.stalls[t.wait] += (m.cycle - t.since) / uint64(m.perCPU)
	t.wait = none
	m.waiting--
}

// wakes returns the first cycle in which one of the threads, which all wait, can go on.
func (m *Machine) wakes() uint64 {
	first := uint64(never)
	for n := range m.threads {
		first = min(first, m.threads[n].until)
	}
	return first
}
