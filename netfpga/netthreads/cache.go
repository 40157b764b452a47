package netthreads

import "fmt"

// Memory is the timing of main memory and of the instruction fetch: an instruction cache
// for each CPU, a data cache for all, write-back, and one bus to the memory behind them.
// Input memory, output memory and registers stay as fast as the CPU.
//
// A thread that misses waits until its line is there, and the other threads go on. The
// bus serves one line at a time, in the order of the misses; a changed line that makes
// room is written first. The data cache serves one CPU a cycle: the others try again in
// their next slot, and come first then.
//
// The sizes are the original's (tech doc section 4). Its lines and the latency of its
// memory are not known: the defaults are assumptions.
type Memory struct {
	Instructions int // bytes of each instruction cache; 0: 16 KB
	Data         int // bytes of the data cache; 0: 16 KB
	Line         int // bytes of a line, a power of two from 8 on; 0: 32
	Latency      int // cycles from a request to its first word; 0: 20
}

// cache is the state of Memory. Both kinds of cache have one line for each place.
type cache struct {
	config       Memory
	instructions [][]uint32 // of each CPU, by place: the number of the line + 1
	data         []uint32
	dirty        []bool
	bus          uint64 // it is free from this cycle on
	served       uint64 // the last cycle in which the data cache served, + 1
}

func newCache(config *Memory, cpus int) (*cache, error) {
	c := &cache{config: *config}
	for _, f := range []struct {
		v    *int
		zero int
	}{{&c.config.Instructions, 16 << 10}, {&c.config.Data, 16 << 10}, {&c.config.Line, 32}, {&c.config.Latency, 20}} {
		if *f.v == 0 {
			*f.v = f.zero
		}
	}
	line := c.config.Line
	if line < 8 || line&(line-1) != 0 || line > 4096 {
		return nil, fmt.Errorf("cache lines of %d bytes: ask for a power of two from 8 to 4096", line)
	}
	for _, size := range []int{c.config.Instructions, c.config.Data} {
		if size < line || size%line != 0 || size > memorySize {
			return nil, fmt.Errorf("a cache of %d bytes: ask for whole lines of %d bytes", size, line)
		}
	}
	if c.config.Latency < 0 || c.config.Latency > 1<<20 {
		return nil, fmt.Errorf("a memory latency of %d cycles: ask for at most %d", c.config.Latency, 1<<20)
	}
	for range cpus {
		c.instructions = append(c.instructions, make([]uint32, c.config.Instructions/line))
	}
	c.data = make([]uint32, c.config.Data/line)
	c.dirty = make([]bool, len(c.data))
	return c, nil
}

// fill returns when a line that is asked for in cycle now is there.
func (c *cache) fill(now uint64, write bool) uint64 {
	transfer := uint64(c.config.Line / 8)
	start := max(now, c.bus)
	if write {
		start += transfer
	}
	c.bus = start + uint64(c.config.Latency) + transfer
	return c.bus
}

// cached reports whether the instruction at pc of thread n, and the data that it uses,
// are in the caches, and has the thread wait if they are not.
func (m *Machine) cached(n int, pc uint32) bool {
	c, t := m.cache, &m.threads[n]
	line := pc*4/uint32(c.config.Line) + 1
	lines := c.instructions[n/m.perCPU]
	if place := line % uint32(len(lines)); lines[place] != line && !t.fetched {
		lines[place], t.fetched = line, true
		m.suspend(t, c.fill(m.cycle, false), forFetch)
		return false
	}

	i := m.plain[pc]
	a := t.r[i.s] + i.imm
	if !i.op.load() && !i.op.store() || a-memoryBase >= memorySize {
		t.fetched = false
		return true
	}
	if m.contended(n) {
		t.lost = true
		m.suspend(t, m.cycle+1, forData)
		return false
	}
	line = (a-memoryBase)/uint32(c.config.Line) + 1
	place := line % uint32(len(c.data))
	if c.data[place] != line && !t.filled {
		until := c.fill(m.cycle, c.dirty[place])
		c.data[place], c.dirty[place] = line, false
		t.filled = true
		m.suspend(t, until, forData)
		return false
	}
	if i.op.store() && c.data[place] == line {
		c.dirty[place] = true
	}
	t.fetched, t.filled = false, false
	return true
}

// contended reports whether the data cache is not for thread n in this cycle, and takes
// it otherwise.
func (m *Machine) contended(n int) bool {
	c, t := m.cache, &m.threads[n]
	if c.served == m.cycle+1 {
		return true
	}
	if !t.lost {
		// Those of the other CPUs that lost it before come first.
		for o := n + m.perCPU; o < len(m.threads); o += m.perCPU {
			if other := &m.threads[o]; other.lost && other.until <= m.cycle {
				return true
			}
		}
	}
	t.lost = false
	c.served = m.cycle + 1
	return false
}
