package netthreads

import "sort"

// counts is what a thread did. All of it is in issue slots of the thread: one every
// fourth cycle.
type counts struct {
	issued uint64 // instructions executed
	stalls [causes]uint64
	spun   uint64
}

// poll tells when a thread spins: it reads the same register at the same place again,
// and has stored nothing since.
type poll struct {
	pc      uint32
	issued  uint64
	polling bool
}

// Profile says where the cycles went.
type Profile struct {
	Cycles    uint64
	Threads   []ThreadProfile
	Functions []FunctionProfile // by Issued, the greatest first; nil without Config.Profile
}

// ThreadProfile counts the issue slots of a thread, of which it has one in as many cycles
// as its CPU has threads. Issued and those it waited for add up to all of them.
type ThreadProfile struct {
	Issued uint64 // instructions executed
	Lock   uint64 // waited for a lock
	Engine uint64 // waited for the packet before to leave the output memory
	Fetch  uint64 // waited for the instruction cache
	Data   uint64 // waited for the data cache

	// Spin is the part of Issued that went by between a read of the time or the input
	// register and the next one at the same place, without a store between them. It is
	// counted with Config.Profile only.
	Spin uint64
}

// FunctionProfile counts the instructions of a function.
type FunctionProfile struct {
	Name   string // "" is what no symbol names
	Issued uint64
	Thread []uint64 // Issued by thread
}

// Profile returns what was counted since the start.
func (m *Machine) Profile() Profile {
	p := Profile{Cycles: m.cycle}
	for n := range m.threads {
		t := &m.threads[n]
		s := t.counts.stalls
		if t.wait != none {
			s[t.wait] += ratio(m.cycle-t.since, uint64(m.perCPU))
		}
		p.Threads = append(p.Threads, ThreadProfile{
			Issued: t.counts.issued,
			Lock:   s[forLock], Engine: s[forEngine], Fetch: s[forFetch], Data: s[forData],
			Spin: t.counts.spun,
		})
	}
	if m.profile == nil {
		return p
	}
	byName := map[string]*FunctionProfile{}
	for w := range m.text {
		words := m.profile[w*len(m.threads) : (w+1)*len(m.threads)]
		name := ""
		if s := m.image.Lookup(address(uint32(w))); s != nil {
			name = s.Name
		}
		f := byName[name]
		if f == nil {
			f = &FunctionProfile{Name: name, Thread: make([]uint64, len(m.threads))}
			byName[name] = f
		}
		for n, c := range words {
			f.Thread[n] += c
			f.Issued += c
		}
	}
	for _, f := range byName {
		if f.Issued > 0 {
			p.Functions = append(p.Functions, *f)
		}
	}
	sort.Slice(p.Functions, func(i, j int) bool {
		a, b := &p.Functions[i], &p.Functions[j]
		return a.Issued > b.Issued || a.Issued == b.Issued && a.Name < b.Name
	})
	return p
}

// before is called for the instruction at pc of thread n where more is wanted than its
// result, and reports whether it can be executed now.
func (m *Machine) before(n int, pc uint32) bool {
	if m.cache != nil && !m.cached(n, pc) {
		return false
	}
	i := m.plain[pc]
	t := &m.threads[n]
	if m.forward.proving {
		m.forward.follow(m, n, i)
	}
	if m.profile == nil {
		return true
	}
	switch {
	case i.op.store():
		t.poll.polling = false
	case i.op == opLW:
		if a := t.r[i.s] + i.imm; a == commonTime || a == headerFlush {
			if t.poll.polling && t.poll.pc == pc {
				t.counts.spun += t.counts.issued - t.poll.issued
			}
			t.poll = poll{pc: pc, issued: t.counts.issued, polling: true}
		}
	}
	return true
}

// after is called where before was, when the instruction has been executed.
func (m *Machine) after(n int, pc uint32) {
	if m.config.Trace != nil {
		w, _ := m.image.Word(address(pc))
		m.config.Trace(Step{Thread: n, Cycle: m.cycle, PC: address(pc), Word: w})
	}
	if m.profile != nil {
		place := int(pc)*len(m.threads) + n
		m.profile[place]++
		if m.forward.proving {
			m.forward.path = append(m.forward.path, uint32(place))
		}
	}
}
