package clock

// timer is an entry of a queue; index is its place in the heap, -1 if it has none.
type timer struct {
	at    Time
	seq   uint64
	f     func()
	index int
}

// queue is a heap of timers by (time, sequence): the earliest first, and of those for
// the same time the one that was asked for first. A four-way heap, as it moves less
// memory than a two-way one.
type queue struct {
	timers []*timer
	seq    uint64
}

// first returns the earliest timer, or nil.
func (q *queue) first() *timer {
	if len(q.timers) == 0 {
		return nil
	}
	return q.timers[0]
}

// next returns the time of the earliest timer, or Never.
func (q *queue) next() Time {
	if len(q.timers) == 0 {
		return Never
	}
	return q.timers[0].at
}

// set puts t into the queue at a new time, behind all others of that time, or takes it
// out if that is Never, and reports whether it was there before.
func (q *queue) set(t *timer, at Time) bool {
	if at == Never {
		return q.remove(t)
	}
	q.seq++
	t.at, t.seq = at, q.seq
	if t.index < 0 {
		t.index = len(q.timers)
		q.timers = append(q.timers, t)
		q.up(t)
		return false
	}
	q.up(t)
	q.down(t)
	return true
}

// remove takes t out of the queue and reports whether it was there.
func (q *queue) remove(t *timer) bool {
	i := t.index
	if i < 0 {
		return false
	}
	n := len(q.timers) - 1
	last := q.timers[n]
	q.timers[n] = nil
	q.timers = q.timers[:n]
	t.index = -1
	if last != t {
		last.index = i
		q.timers[i] = last
		q.up(last)
		q.down(last)
	}
	return true
}

// pop takes out the earliest timer if it is due at now, else returns nil.
func (q *queue) pop(now Time) *timer {
	if len(q.timers) == 0 || q.timers[0].at > now {
		return nil
	}
	t := q.timers[0]
	q.remove(t)
	return t
}

func (t *timer) before(u *timer) bool {
	return t.at < u.at || t.at == u.at && t.seq < u.seq
}

func (q *queue) up(t *timer) {
	i := t.index
	for i > 0 {
		parent := (i - 1) / 4
		p := q.timers[parent]
		if !t.before(p) {
			break
		}
		q.timers[i], p.index = p, i
		i = parent
	}
	q.timers[i], t.index = t, i
}

func (q *queue) down(t *timer) {
	i := t.index
	for {
		first := 4*i + 1
		if first >= len(q.timers) {
			break
		}
		least := first
		for c := first + 1; c < len(q.timers) && c < first+4; c++ {
			if q.timers[c].before(q.timers[least]) {
				least = c
			}
		}
		c := q.timers[least]
		if !c.before(t) {
			break
		}
		q.timers[i], c.index = c, i
		i = least
	}
	q.timers[i], t.index = t, i
}
