package netthreads

import "encoding/binary"

// The memories, beside that of the instructions.
const (
	memoryBase = 0x04000000
	memorySize = 64 << 20
	outputBase = 1 << 27
	outputSize = 16 << 10
	inputBase  = 1 << 28
	inputSize  = 16 << 10
)

// width returns how many bytes a load or a store is for.
func width(o op) uint32 {
	switch o {
	case opLB, opLBU, opSB:
		return 1
	case opLH, opLHU, opSH:
		return 2
	}
	return 4
}

// grow makes the main memory reach over addr, which is in it. It begins small, as most
// programs need a hundredth of it.
func (m *Machine) grow(addr uint32) {
	size := max(uint32(len(m.memory)), 1<<20)
	for size <= addr-memoryBase {
		size *= 2
	}
	memory := make([]byte, size)
	copy(memory, m.memory)
	m.memory = memory
}

// ram returns the memory from addr on, nil if there is none.
func (m *Machine) ram(addr uint32) []byte {
	switch {
	case addr-memoryBase < memorySize:
		if addr-memoryBase >= uint32(len(m.memory)) {
			m.grow(addr)
		}
		return m.memory[addr-memoryBase:]
	case addr-outputBase < outputSize:
		return m.outputs[addr-outputBase:]
	case addr-inputBase < inputSize:
		return m.inputs[addr-inputBase:]
	}
	return nil
}

// load executes the load i of thread n from address a, and reports whether it is done.
func (m *Machine) load(n int, i instruction, a uint32) bool {
	d := &m.threads[n].r[i.d]
	if low := a & (width(i.op) - 1); low != 0 {
		if !m.fail(n, "unaligned load from 0x%08x", a) {
			return false
		}
		a -= low
	}
	p := m.ram(a)
	if p == nil {
		return m.loadRegister(n, i, a, d)
	}
	switch i.op {
	case opLB:
		*d = uint32(int32(int8(p[0])))
	case opLBU:
		*d = uint32(p[0])
	case opLH:
		*d = uint32(int32(int16(binary.BigEndian.Uint16(p))))
	case opLHU:
		*d = uint32(binary.BigEndian.Uint16(p))
	default:
		*d = binary.BigEndian.Uint32(p)
	}
	return true
}

// store executes the store i of v by thread n to address a, and reports whether it is
// done.
func (m *Machine) store(n int, i instruction, a, v uint32) bool {
	if low := a & (width(i.op) - 1); low != 0 {
		if !m.fail(n, "unaligned store to 0x%08x", a) {
			return false
		}
		a -= low
	}
	p := m.ram(a)
	switch {
	case p == nil:
		return m.storeRegister(n, i, a, v)
	case a-inputBase < inputSize:
		return m.fail(n, "store to 0x%08x in the input memory, which is read only", a)
	}
	if m.memoryChanges {
		m.forward.note(m, a&^3)
	}
	switch i.op {
	case opSB:
		p[0] = byte(v)
	case opSH:
		binary.BigEndian.PutUint16(p, uint16(v))
	default:
		binary.BigEndian.PutUint32(p, v)
	}
	return true
}
