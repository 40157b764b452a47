package netthreads

import "math/bits"

// follow finds the slope of what the instruction i of thread n is about to do, and notes
// in failed where it does not grow evenly.
func (f *forward) follow(m *Machine, n int, i instruction) {
	t, slopes := &m.threads[n], &f.threads[n].followed
	s, v := t.r[i.s], t.r[i.t]
	ss, sv := slopes[i.s], slopes[i.t]
	var d uint32
	even := true
	switch i.op {
	case opADDU:
		d = ss + sv
	case opSUBU:
		d = ss - sv
	case opADDIU:
		d = ss
	case opSLL:
		d = sv << i.imm
	case opSLLV:
		d, even = sv<<(s&31), ss == 0
	case opOR, opXOR:
		// One of the two is often register 0: the instruction copies the other.
		switch {
		case v == 0 && sv == 0:
			d = ss
		case s == 0 && ss == 0:
			d = sv
		default:
			even = ss == 0 && sv == 0
		}
	case opLUI, opJ, opJAL:
	case opBEQ, opBNE:
		f.bound(equal(s-v, ss-sv))
	case opSLTU:
		f.bound(ordered(s, ss, v, sv))
	case opSLTIU:
		f.bound(ordered(s, ss, i.imm, 0))
	case opSLT:
		f.bound(ordered(s^sign, ss, v^sign, sv))
	case opSLTI:
		f.bound(ordered(s^sign, ss, i.imm^sign, 0))
	case opBLTZ, opBGEZ:
		f.bound(ordered(s^sign, ss, 0^sign, 0))
	case opBLEZ, opBGTZ:
		f.bound(ordered(s^sign, ss, 1^sign, 0))
	case opLB, opLBU, opLH, opLHU, opLW:
		d, even = f.followLoad(m, i.op, s+i.imm)
		even = even && ss == 0
	case opSB, opSH, opSW:
		even = ss == 0 && f.followStore(m, i.op, s+i.imm, sv)
	case opAND:
		switch {
		case sv == 0:
			even = f.masked(s, ss, v)
		default:
			even = ss == 0 && f.masked(v, sv, s)
		}
	case opANDI:
		even = f.masked(s, ss, i.imm)
	case opSRL, opSRA:
		even = f.masked(v, sv, ^uint32(0)<<i.imm)
	case opNOR:
		switch {
		case v == 0 && sv == 0:
			d = -ss
		case s == 0 && ss == 0:
			d = -sv
		default:
			even = ss == 0 && sv == 0
		}
	case opORI, opXORI, opJR, opJALR:
		even = ss == 0
	default:
		even = ss == 0 && sv == 0
	}
	if !even || d != 0 && i.d == regSP {
		f.failed = true
	}
	slopes[i.d] = d
}

// followLoad returns the slope of what is read from addr, and whether there is one.
func (f *forward) followLoad(m *Machine, o op, addr uint32) (uint32, bool) {
	switch addr {
	case commonTime:
		return uint32(f.period), true
	case headerFlush:
		return 0, m.input.ready.n == 0
	case sendOut:
		return 0, false
	}
	if w, ok := f.index[addr&^3]; ok {
		slope := f.words[w].followed
		return slope, o == opLW || slope == 0
	}
	return 0, true
}

// followStore notes that a value of the given slope is written to addr, and reports
// whether that can be done over and over.
func (f *forward) followStore(m *Machine, o op, addr, slope uint32) bool {
	if addr == getLock || addr == unLock {
		return slope == 0
	}
	w, ok := f.index[addr&^3]
	if !ok {
		return false
	}
	p := &f.words[w]
	if o != opSW {
		return slope == 0 && p.followed == 0
	}
	p.followed = slope
	return true
}

// bound notes that a comparison has the same result in n periods.
func (f *forward) bound(n uint64) { f.valid = min(f.valid, n) }

// masked notes that the bits of a value that are set in a mask stay the same for some
// periods, and reports false where they change in each.
func (f *forward) masked(v, slope, mask uint32) bool {
	n := frozen(v, slope, mask)
	if n == 0 {
		// In so many periods it grows beyond the mask.
		f.factor = max(f.factor, 1<<max(0, bits.Len32(mask)-bits.TrailingZeros32(slope)))
		return false
	}
	f.bound(n)
	return true
}

// frozen returns for how many periods, this one included, the bits in mask of a value that
// grows by slope stay the same, and 0 if the lowest of them can change in each.
func frozen(v, slope, mask uint32) uint64 {
	if mask == 0 || slope<<(32-bits.Len32(mask)) == 0 {
		return never // it grows beyond the mask
	}
	unit := uint64(1) << bits.TrailingZeros32(mask)
	below := uint64(v) & (unit - 1)
	switch s := int64(int32(slope)); {
	case s > 0 && uint64(s) < unit:
		return ratio(unit-below, uint64(s))
	case s < 0 && uint64(-s) < unit:
		return ratio(below+1, uint64(-s))
	}
	return 0
}

// sign turns the order of signed values into that of unsigned ones.
const sign = 1 << 31

// equal returns for how many periods, this one included, a difference that grows by slope
// stays zero, or stays not zero.
func equal(difference, slope uint32) uint64 {
	switch {
	case slope == 0:
		return never
	case difference == 0:
		return 1
	}
	// It is not zero before it has gone all the way, up or down.
	return max(ratio(1<<32-uint64(difference), uint64(slope)), ratio(uint64(difference), 1<<32-uint64(slope)))
}

// ordered returns for how many periods, this one included, a < b stays what it is, if a
// and b grow by their slopes. It does not look beyond where one of them wraps.
func ordered(a, sa, b, sb uint32) uint64 {
	n := min(unwrapped(a, sa), unwrapped(b, sb))
	ahead, grows := int64(a)-int64(b), int64(int32(sa))-int64(int32(sb))
	switch {
	case ahead < 0 && grows > 0:
		n = min(n, ratio(uint64(-ahead), uint64(grows)))
	case ahead >= 0 && grows < 0:
		n = min(n, ratio(uint64(ahead)+1, uint64(-grows)))
	}
	return n
}

// unwrapped returns for how many periods a value does not wrap.
func unwrapped(v, slope uint32) uint64 {
	switch s := int64(int32(slope)); {
	case s > 0:
		return ratio(1<<32-uint64(v), uint64(s))
	case s < 0:
		return ratio(uint64(v)+1, uint64(-s))
	}
	return never
}

// ratio returns a/b, rounded up.
func ratio(a, b uint64) uint64 { return (a + b - 1) / b }
