package netthreads

import "encoding/binary"

// run executes cycles until end, a fault, or one that asks for a halt. It is the inner
// loop: what is rare is done elsewhere, in functions that report whether the instruction
// is done. One that is not is tried again when the thread goes on.
func (m *Machine) run(end uint64) {
	text, memory, threads := m.text, m.memory, m.threads
	delay, hooked := m.config.DelaySlots, m.hooked
	step := m.perCPU
	phase := int(m.cycle % uint64(step))
	m.halt = false
	for c := m.cycle; c < end; c++ {
		m.cycle = c
		for n := phase; n < len(threads); n += step {
			t := &threads[n]
			if c < t.until {
				continue
			}
			pc := t.pc
			if int(pc) >= len(text) {
				if !m.fail(n, "fetch outside of the program") {
					return
				}
				// What is there is 0, a nop.
				if t.pc = (pc + 1) & fetchMask; delay {
					t.pc, t.next = t.next&fetchMask, t.next&fetchMask+1
				}
				t.recent[t.at&15] = uint16(pc)
				t.at++
				t.counts.issued++
				continue
			}
			if t.wait != 0 {
				m.wake(t)
			}
			if hooked && !m.before(n, pc) {
				continue
			}
			i := text[pc]
			next := pc + 1
			if delay {
				next = t.next + 1
			}
			s, v := t.r[i.s&63], t.r[i.t&63]
			d := &t.r[i.d&63]
			switch i.op {
			case opSLL:
				*d = v << (i.imm & 31)
			case opSRL:
				*d = v >> (i.imm & 31)
			case opSRA:
				*d = uint32(int32(v) >> (i.imm & 31))
			case opSLLV:
				*d = v << (s & 31)
			case opSRLV:
				*d = v >> (s & 31)
			case opSRAV:
				*d = uint32(int32(v) >> (s & 31))
			case opADDU:
				*d = s + v
			case opSUBU:
				*d = s - v
			case opAND:
				*d = s & v
			case opOR:
				*d = s | v
			case opXOR:
				*d = s ^ v
			case opNOR:
				*d = ^(s | v)
			case opSLT:
				*d = truth(int32(s) < int32(v))
			case opSLTU:
				*d = truth(s < v)
			case opADDIU:
				*d = s + i.imm
			case opSLTI:
				*d = truth(int32(s) < int32(i.imm))
			case opSLTIU:
				*d = truth(s < i.imm)
			case opANDI:
				*d = s & i.imm
			case opORI:
				*d = s | i.imm
			case opXORI:
				*d = s ^ i.imm
			case opLUI:
				*d = i.imm

			case opBEQ:
				if s == v {
					next = i.imm
				}
			case opBNE:
				if s != v {
					next = i.imm
				}
			case opBLEZ:
				if int32(s) <= 0 {
					next = i.imm
				}
			case opBGTZ:
				if int32(s) > 0 {
					next = i.imm
				}
			case opBLTZ:
				if int32(s) < 0 {
					next = i.imm
				}
			case opBGEZ:
				if int32(s) >= 0 {
					next = i.imm
				}
			case opJ:
				next = i.imm
			case opJAL:
				*d = address(next)
				next = i.imm
			case opJR, opJALR:
				if !fetchable(s) && !m.fail(n, "jump to 0x%08x, which is not in the instruction memory", s) {
					return
				}
				if i.op == opJALR {
					*d = address(next)
				}
				next = s >> 2 & fetchMask

			case opLW:
				a := s + i.imm
				if o := a - memoryBase; o < uint32(len(memory)-3) && a&3 == 0 {
					*d = binary.BigEndian.Uint32(memory[o:])
				} else if m.load(n, i, a) {
					memory = m.memory
				} else if m.fault != nil {
					return
				} else {
					continue
				}
			case opLB, opLH, opLBU, opLHU:
				if !m.load(n, i, s+i.imm) {
					return
				}
				memory = m.memory
			case opSW:
				a := s + i.imm
				if o := a - memoryBase; o < uint32(len(memory)-3) && a&3 == 0 && !m.memoryChanges {
					binary.BigEndian.PutUint32(memory[o:], v)
				} else if m.store(n, i, a, v) {
					memory = m.memory
				} else if m.fault != nil {
					return
				} else {
					continue
				}
			case opSB, opSH:
				if !m.store(n, i, s+i.imm, v) {
					return
				}
				memory = m.memory

			case opADDIUSP:
				if !m.stack(n, s+i.imm, opADDIU) {
					return
				}
			case opSetSP:
				if !m.setSP(n, &next) {
					if m.fault != nil {
						return
					}
					continue
				}
				memory = m.memory
			default:
				if !m.fail(n, "unknown instruction") {
					return
				}
			}

			t.recent[t.at&15] = uint16(pc)
			t.at++
			t.counts.issued++
			if hooked {
				m.after(n, pc)
			}
			if !delay {
				t.pc = next
				continue
			}
			if t.next != pc+1 && i.op.branch() && !m.fail(n, "a branch in the delay slot of another") {
				return
			}
			t.pc, t.next = t.next, next
		}
		if phase++; phase == step {
			phase = 0
		}
		if m.halt {
			m.cycle = c + 1
			return
		}
		if m.waiting == len(threads) {
			// Nothing can happen before the first of them goes on.
			wake := m.wakes()
			if wake == never {
				m.deadlock()
				return
			}
			c = max(c+1, min(wake, end)) - 1
			phase = int((c + 1) % uint64(step))
		}
	}
	m.cycle = max(m.cycle, end)
}

// fetchable reports whether there can be an instruction at addr.
func fetchable(addr uint32) bool {
	return addr&3 == 0 && (addr-TextBase < MaxText || addr < MaxText)
}

// setSP executes the instruction of thread n that has the stack pointer as its result,
// and reports whether it is done.
func (m *Machine) setSP(n int, next *uint32) bool {
	t := &m.threads[n]
	i := m.plain[t.pc]
	s, v := t.r[i.s], t.r[i.t]
	i.d = sink
	switch {
	case i.op.load():
		if !m.load(n, i, s+i.imm) {
			return false
		}
	case i.op == opJALR:
		if !fetchable(s) && !m.fail(n, "jump to 0x%08x, which is not in the instruction memory", s) {
			return false
		}
		t.r[sink] = address(*next)
		*next = s >> 2 & fetchMask
	default:
		t.r[sink] = compute(i, s, v)
	}
	return m.stack(n, t.r[sink], i.op)
}

// stack moves the stack pointer of thread n to sp, and reports whether it may be there.
// by is what moves it: addiu adds no more than an offset to where it was, and lui begins an
// address that another instruction completes.
func (m *Machine) stack(n int, sp uint32, by op) bool {
	t := &m.threads[n]
	if moved := sp - t.r[regSP]; sp > t.top || by != opADDIU && moved >= StackBytes && -moved >= StackBytes {
		if by != opLUI {
			if other := m.stackAt(n, sp); other >= 0 && !m.config.IgnoreFaults {
				return m.fail(n, "stack overflow: the stack pointer goes to 0x%08x, into the stack of thread %d", sp, other)
			}
		}
		t.top = sp
	}
	limit := t.top - min(t.top, StackBytes)
	if m.dataEnd <= t.top {
		limit = max(limit, m.dataEnd)
	}
	if sp < limit && !m.config.IgnoreFaults {
		return m.fail(n, "stack overflow: the stack pointer goes to 0x%08x, and the stack of this thread is 0x%08x to 0x%08x", sp, limit, t.top)
	}
	t.r[regSP] = sp
	return true
}

// stackAt returns which thread other than n has sp within its stack, or -1. What lui alone
// has put a stack pointer to is no stack yet.
func (m *Machine) stackAt(n int, sp uint32) int {
	for other := range m.threads {
		t := &m.threads[other]
		begun := t.top&0xffff == 0 && t.r[regSP] == t.top
		if below := t.top - sp; other != n && !begun && sp < t.top && below < StackBytes {
			return other
		}
	}
	return -1
}
