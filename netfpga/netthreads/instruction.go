package netthreads

// op is what an instruction does, after decoding.
type op uint8

const (
	opUnknown op = iota
	opSLL
	opSRL
	opSRA
	opSLLV
	opSRLV
	opSRAV
	opADDU
	opSUBU
	opAND
	opOR
	opXOR
	opNOR
	opSLT
	opSLTU
	opADDIU
	opSLTI
	opSLTIU
	opANDI
	opORI
	opXORI
	opLUI
	opJR
	opJALR
	opJ
	opJAL
	opBLTZ
	opBGEZ
	opBEQ
	opBNE
	opBLEZ
	opBGTZ
	opLB
	opLH
	opLW
	opLBU
	opLHU
	opSB
	opSH
	opSW

	// Writes to the stack pointer are watched: opADDIUSP is addiu $29,$29,n, and
	// opSetSP any other instruction whose result goes there.
	opADDIUSP
	opSetSP
)

// names of the instructions, as an assembler knows them.
var names = [...]string{
	opSLL: "sll", opSRL: "srl", opSRA: "sra", opSLLV: "sllv", opSRLV: "srlv", opSRAV: "srav",
	opADDU: "addu", opSUBU: "subu", opAND: "and", opOR: "or", opXOR: "xor", opNOR: "nor",
	opSLT: "slt", opSLTU: "sltu", opADDIU: "addiu", opSLTI: "slti", opSLTIU: "sltiu",
	opANDI: "andi", opORI: "ori", opXORI: "xori", opLUI: "lui", opJR: "jr", opJALR: "jalr",
	opJ: "j", opJAL: "jal", opBLTZ: "bltz", opBGEZ: "bgez", opBEQ: "beq", opBNE: "bne",
	opBLEZ: "blez", opBGTZ: "bgtz", opLB: "lb", opLH: "lh", opLW: "lw", opLBU: "lbu",
	opLHU: "lhu", opSB: "sb", opSH: "sh", opSW: "sw",
}

func (o op) branch() bool { return o >= opJR && o <= opBGTZ }
func (o op) load() bool   { return o >= opLB && o <= opLHU }
func (o op) store() bool  { return o >= opSB && o <= opSW }

// The registers with a meaning. The sink takes what is written to register 0.
const (
	regSP = 29
	regRA = 31
	sink  = 32
)

// instruction is a decoded word. s and t are the registers that it reads, d the one that
// it writes. imm is the constant, extended to 32 bits; the shift; or where a branch goes,
// as the number of a word.
type instruction struct {
	op      op
	s, t, d uint8
	imm     uint32
}

// fetchMask is what the fetch keeps of the number of a word: 18 bits of address.
const fetchMask = 1<<16 - 1

// special are the instructions of opcode 0 by their function, and which of their fields
// are in use.
var special = [64]struct {
	op         op
	s, t, d, a bool
}{
	0x00: {op: opSLL, t: true, d: true, a: true},
	0x02: {op: opSRL, t: true, d: true, a: true},
	0x03: {op: opSRA, t: true, d: true, a: true},
	0x04: {op: opSLLV, s: true, t: true, d: true},
	0x06: {op: opSRLV, s: true, t: true, d: true},
	0x07: {op: opSRAV, s: true, t: true, d: true},
	0x08: {op: opJR, s: true},
	0x09: {op: opJALR, s: true, d: true},
	0x21: {op: opADDU, s: true, t: true, d: true},
	0x23: {op: opSUBU, s: true, t: true, d: true},
	0x24: {op: opAND, s: true, t: true, d: true},
	0x25: {op: opOR, s: true, t: true, d: true},
	0x26: {op: opXOR, s: true, t: true, d: true},
	0x27: {op: opNOR, s: true, t: true, d: true},
	0x2a: {op: opSLT, s: true, t: true, d: true},
	0x2b: {op: opSLTU, s: true, t: true, d: true},
}

// immediate are the instructions with a constant of 16 bits, by opcode.
var immediate = [64]op{
	0x04: opBEQ, 0x05: opBNE, 0x06: opBLEZ, 0x07: opBGTZ,
	0x09: opADDIU, 0x0a: opSLTI, 0x0b: opSLTIU, 0x0c: opANDI, 0x0d: opORI, 0x0e: opXORI, 0x0f: opLUI,
	0x20: opLB, 0x21: opLH, 0x23: opLW, 0x24: opLBU, 0x25: opLHU, 0x28: opSB, 0x29: opSH, 0x2b: opSW,
}

// decode returns the instruction of word w, which is the program's word number at. A word
// that sets fields which its instruction does not have is unknown: on later processors
// it means something else.
func decode(w, at uint32) instruction {
	opcode, s, t, d, a := w>>26, uint8(w>>21&31), uint8(w>>16&31), uint8(w>>11&31), w>>6&31
	signed := uint32(int32(int16(w)))
	switch opcode {
	case 0:
		f := special[w&63]
		if !f.s && s != 0 || !f.t && t != 0 || !f.d && d != 0 || !f.a && a != 0 {
			return instruction{}
		}
		return instruction{op: f.op, s: s, t: t, d: written(d), imm: a}
	case 1:
		switch t {
		case 0:
			return instruction{op: opBLTZ, s: s, d: sink, imm: (at + 1 + signed) & fetchMask}
		case 1:
			return instruction{op: opBGEZ, s: s, d: sink, imm: (at + 1 + signed) & fetchMask}
		}
		return instruction{}
	case 2:
		return instruction{op: opJ, d: sink, imm: w & fetchMask}
	case 3:
		return instruction{op: opJAL, d: regRA, imm: w & fetchMask}
	}

	i := instruction{op: immediate[opcode], s: s, t: t, d: sink, imm: signed}
	switch i.op {
	case opBLEZ, opBGTZ:
		if t != 0 {
			return instruction{}
		}
		fallthrough
	case opBEQ, opBNE:
		i.imm = (at + 1 + signed) & fetchMask
	case opANDI, opORI, opXORI:
		i.imm, i.d = w&0xffff, written(t)
	case opLUI:
		if s != 0 {
			return instruction{}
		}
		i.imm, i.d = w<<16, written(t)
	case opADDIU, opSLTI, opSLTIU, opLB, opLH, opLW, opLBU, opLHU:
		i.d = written(t)
	}
	return i
}

// written returns where the result for register d is put.
func written(d uint8) uint8 {
	if d == 0 {
		return sink
	}
	return d
}

// watched returns i with the writes to the stack pointer made known.
func watched(i instruction) instruction {
	switch {
	case i.op == opADDIU && i.s == regSP && i.d == regSP:
		i.op = opADDIUSP
	case i.d == regSP && i.op != opUnknown:
		i.op = opSetSP
	}
	return i
}

// compute returns the result of an instruction that neither branches nor uses memory,
// from the values of its registers.
func compute(i instruction, s, t uint32) uint32 {
	switch i.op {
	case opSLL:
		return t << i.imm
	case opSRL:
		return t >> i.imm
	case opSRA:
		return uint32(int32(t) >> i.imm)
	case opSLLV:
		return t << (s & 31)
	case opSRLV:
		return t >> (s & 31)
	case opSRAV:
		return uint32(int32(t) >> (s & 31))
	case opADDU:
		return s + t
	case opSUBU:
		return s - t
	case opAND:
		return s & t
	case opOR:
		return s | t
	case opXOR:
		return s ^ t
	case opNOR:
		return ^(s | t)
	case opSLT:
		return truth(int32(s) < int32(t))
	case opSLTU:
		return truth(s < t)
	case opADDIU:
		return s + i.imm
	case opSLTI:
		return truth(int32(s) < int32(i.imm))
	case opSLTIU:
		return truth(s < i.imm)
	case opANDI:
		return s & i.imm
	case opORI:
		return s | i.imm
	case opXORI:
		return s ^ i.imm
	}
	return i.imm // lui
}

func truth(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
