package netthreads

import "encoding/binary"

// How long, in cycles, nothing must have happened before a period is looked for, and how
// long that may become where nothing is found; how long a period may be; and how many
// words of memory it may change.
const (
	minQuiet  = 1 << 9
	maxQuiet  = 1 << 15
	maxWait   = 1 << 20
	maxPeriod = 1 << 16
	maxWords  = 1 << 12
)

// forward skips periods in which nothing happens. It works in three steps.
//
// It notes the state of the machine, and searches for the next cycle in which all threads
// are at the same instructions and all locks are as they were. What differs between the
// two states, a register or a word of memory, is taken to grow by as much in each period:
// that is its slope. The time register has the period itself as its slope.
//
// Then it proves that by following the next period: for each instruction the slope of
// the result comes from those of its operands, and an instruction with an operand that
// grows must be one whose result grows evenly, such as an addition. For a comparison it
// finds how many periods must pass before the result can be another. If at the end of the
// period each value has grown by its slope, and has the slope with which it began, then
// what holds for this period holds for the next one, up to the first comparison that can
// change.
//
// So many periods are then skipped: each value is advanced by its slope, times that.
type forward struct {
	searching, proving bool
	next               uint64 // cycle in which to search again
	quiet              uint64 // what next is put off by when something happens
	wait               uint64 // and when nothing is found
	tried              bool   // a search has begun since something happened, and nothing was skipped
	effects            uint64 // those of the machine when it was last looked at
	least              uint64 // shorter periods have been tried
	window             uint64 // how long the noted state is searched for; then another is noted
	until              uint64 // nothing happens before this cycle, if nothing has since it was found
	idle               bool   // the period that was found can never end by itself

	start   uint64 // cycle of the noted state
	threads []state
	locks   [Locks]lock
	words   []word
	index   map[uint32]int // of words, by address

	period   uint64
	factor   uint64 // of the period, that the one to try next must have; 0: any
	valid    uint64 // the comparisons are known for so many periods, the followed one included
	failed   bool
	skipped  uint64   // cycles, since the start
	unissued uint64   // instructions in these
	path     []uint32 // what the profile counted in the followed period
}

// state is the noted state of a thread, and the slopes of its registers: as found, and as
// followed.
type state struct {
	r        [32]uint32
	slope    [32]uint32
	followed [64]uint32
	pc, next uint32
	top      uint32
	until    uint64
	wait     cause
	counts   counts
}

// word is a word of memory that is written in the period.
type word struct {
	addr, value     uint32 // value is that in the noted state
	slope, followed uint32
}

func (f *forward) init(m *Machine) {
	f.threads = make([]state, len(m.threads))
	f.index = make(map[uint32]int)
	f.quiet, f.wait, f.next = minQuiet, minQuiet, minQuiet
}

// Idle reports whether nothing will happen any more unless a packet arrives: all threads
// spin or wait, and time alone changes nothing. It is found out some time after it begins,
// and never with Config.Plain, Config.Memory or Config.Trace.
func (m *Machine) Idle() bool { return m.forward.idle && m.forward.effects == m.effects }

// Skipped returns how many of the instructions that Profile counts were skipped, and not
// executed one by one.
func (m *Machine) Skipped() uint64 { return m.forward.unissued }

// Quiet returns the cycle up to which it is known that nothing will happen unless a packet
// arrives: no launch, nothing printed, no slot freed. It is found out as Idle is, and is in
// the past where it is not known.
func (m *Machine) Quiet() uint64 {
	if m.forward.effects != m.effects {
		return 0
	}
	return m.forward.until
}

// skip executes cycles up to limit at most, some of them by skipping whole periods.
func (m *Machine) skip(limit uint64) {
	f := &m.forward
	if f.effects != m.effects {
		f.leave(m)
		if f.tried {
			f.quiet = min(2*f.quiet, maxQuiet)
		}
		f.effects, f.idle, f.tried = m.effects, false, false
		f.until = 0
		f.least, f.wait = 0, minQuiet
		f.next = m.cycle + f.quiet
	}
	switch {
	case f.proving:
		m.run(min(limit, f.start+f.period))
		if f.failed || m.effects != f.effects || m.fault != nil {
			f.refute(m)
		} else if m.cycle == f.start+f.period {
			if f.proved(m) {
				f.jump(m, limit)
			} else {
				f.refute(m)
			}
		}
	case f.searching:
		f.run(m, limit)
		switch since := m.cycle - f.start; {
		case m.effects != f.effects || m.fault != nil:
			f.leave(m)
		case f.failed || f.window > maxPeriod:
			f.leave(m)
			f.next = m.cycle + f.wait
			f.wait = min(2*f.wait, maxWait)
			f.least = 0
		case since > f.window:
			// The noted state was perhaps before all of the spinning had begun.
			f.window *= 2
			f.search(m)
		case since%uint64(m.perCPU) == 0 && since >= f.least && f.again(m):
			f.prove(m)
		}
	case m.cycle < f.next:
		m.run(min(limit, f.next))
	default:
		f.window = 64 + 2*f.least
		f.search(m)
	}
}

// run executes the cycles up to one in which the noted state may have come again.
func (f *forward) run(m *Machine, limit uint64) {
	step := uint64(m.perCPU)
	pc := f.threads[0].pc
	for end := m.cycle + step - (m.cycle-f.start)%step; ; end += step {
		m.run(min(limit, end))
		if m.threads[0].pc == pc || m.cycle >= limit || m.cycle-f.start > f.window ||
			f.failed || m.effects != f.effects || m.fault != nil {
			return
		}
	}
}

// leave ends a search or a proof.
func (f *forward) leave(m *Machine) {
	f.searching, f.proving, f.failed = false, false, false
	m.memoryChanges, m.hooked = false, m.observed()
}

// refute ends a proof that failed: a longer period may do.
func (f *forward) refute(m *Machine) {
	f.leave(m)
	f.least = f.period + 1
	if f.factor > 1 && f.period*f.factor <= maxPeriod/4 {
		f.least = f.period * f.factor
	}
	f.next = m.cycle + 4*f.period
}

// search notes the state, and begins to look for the next one like it.
func (f *forward) search(m *Machine) {
	f.searching, f.tried, f.start = true, true, m.cycle
	f.words = f.words[:0]
	clear(f.index)
	m.memoryChanges = true
	f.save(m)
}

// save notes the state of the threads and the locks.
func (f *forward) save(m *Machine) {
	f.locks = m.locks
	for n := range m.threads {
		t, s := &m.threads[n], &f.threads[n]
		copy(s.r[:], t.r[:])
		s.pc, s.next, s.top, s.wait, s.counts = t.pc, t.next, t.top, t.wait, t.counts
		s.until = t.until
		if t.until <= m.cycle {
			s.until = 0
		}
	}
}

// again reports whether the threads are where they were in the noted state.
func (f *forward) again(m *Machine) bool {
	for n := range m.threads {
		t, s := &m.threads[n], &f.threads[n]
		until := t.until
		if until <= m.cycle {
			until = 0
		}
		if t.pc != s.pc || t.next != s.next || t.top != s.top || t.wait != s.wait || until != s.until {
			return false
		}
	}
	return f.locks == m.locks
}

// note is told of the word of memory at addr before it is written.
func (f *forward) note(m *Machine, addr uint32) {
	if _, ok := f.index[addr]; ok {
		return
	}
	if f.proving || len(f.words) == maxWords {
		f.failed = true
		return
	}
	f.index[addr] = len(f.words)
	f.words = append(f.words, word{addr: addr, value: m.word(addr)})
}

func (m *Machine) word(addr uint32) uint32 { return binary.BigEndian.Uint32(m.ram(addr)) }

// prove takes the difference to the noted state for the slopes, and begins to follow.
func (f *forward) prove(m *Machine) {
	f.searching, f.proving = false, true
	f.period, f.start = m.cycle-f.start, m.cycle
	f.valid, f.factor = never, 0
	f.path = f.path[:0]
	for n := range m.threads {
		t, s := &m.threads[n], &f.threads[n]
		for r := range s.r {
			s.slope[r] = t.r[r] - s.r[r]
		}
		copy(s.followed[:], s.slope[:])
	}
	for i := range f.words {
		w := &f.words[i]
		now := m.word(w.addr)
		w.slope = now - w.value
		w.value, w.followed = now, w.slope
	}
	f.save(m)
	m.hooked = true
}

// proved reports whether the followed period began and ended as it must.
func (f *forward) proved(m *Machine) bool {
	if !f.again(m) {
		return false
	}
	for n := range m.threads {
		t, s := &m.threads[n], &f.threads[n]
		for r := range s.r {
			if t.r[r] != s.r[r]+s.slope[r] || s.followed[r] != s.slope[r] {
				return false
			}
		}
	}
	for i := range f.words {
		if w := &f.words[i]; m.word(w.addr) != w.value+w.slope || w.followed != w.slope {
			return false
		}
	}
	return true
}

// jump skips as many periods as are known, and end by limit and before a thread that
// waits for a cycle goes on.
func (f *forward) jump(m *Machine, limit uint64) {
	event := uint64(never)
	for n := range m.threads {
		if t := &m.threads[n]; t.until > m.cycle {
			event = min(event, t.until)
		}
	}
	// The first of the periods that are known is the one that was followed.
	k := min(f.valid-1, (min(event, limit)-m.cycle)/f.period)
	f.idle = f.valid == never && event == never
	if f.until = event; f.valid != never {
		f.until = min(event, m.cycle+(f.valid-1)*f.period)
	}

	for n := range m.threads {
		t, s := &m.threads[n], &f.threads[n]
		for r := range s.r {
			t.r[r] += uint32(k) * s.slope[r]
		}
		if t.wait != none && t.since >= f.start {
			t.since += k * f.period
		}
		each := t.counts.issued - s.counts.issued
		t.repeat(each, k)
		t.poll.issued += k * each
		f.unissued += k * each
		t.counts.skip(&s.counts, k)
	}
	for i := range f.words {
		w := &f.words[i]
		binary.BigEndian.PutUint32(m.ram(w.addr), m.word(w.addr)+uint32(k)*w.slope)
	}
	for _, place := range f.path {
		m.profile[place] += k
	}
	m.cycle += k * f.period
	f.skipped += k * f.period

	f.leave(m)
	f.least, f.wait = 0, minQuiet
	if k > 0 {
		f.quiet, f.tried = minQuiet, false
	}
	if f.next = m.cycle; k == 0 && limit-m.cycle >= f.period {
		// A comparison is about to change.
		f.next += min(minQuiet, 4*f.period)
	}
}

// repeat makes recent what it is when the last n instructions are executed k times more.
func (t *thread) repeat(n, k uint64) {
	if n == 0 {
		return
	}
	before := t.recent
	for back := uint64(0); back < uint64(len(before)); back++ {
		from := back % n
		if back/n > k {
			from = back - k*n
		}
		t.recent[(t.at-1-uint8(back))&15] = before[(t.at-1-uint8(from))&15]
	}
}

// skip adds to c k times what it has grown by since before.
func (c *counts) skip(before *counts, k uint64) {
	c.issued += k * (c.issued - before.issued)
	c.spun += k * (c.spun - before.spun)
	for i := range c.stalls {
		c.stalls[i] += k * (c.stalls[i] - before.stalls[i])
	}
}
