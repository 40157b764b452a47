package netthreads

import "fmt"

// Disassemble returns the text of the instruction w, which stands at address pc. name
// gives an address a name, or "" if it has none; name may be nil.
func Disassemble(w, pc uint32, name func(addr uint32) string) string {
	if w == 0 {
		return "nop"
	}
	i := decode(w, pc>>2&fetchMask)
	d := i.d & 31
	switch i.op {
	case opUnknown:
		return fmt.Sprintf(".word 0x%08x", w)
	case opSLL, opSRL, opSRA:
		return fmt.Sprintf("%s $%d,$%d,%d", names[i.op], d, i.t, i.imm)
	case opSLLV, opSRLV, opSRAV:
		return fmt.Sprintf("%s $%d,$%d,$%d", names[i.op], d, i.t, i.s)
	case opJR:
		return fmt.Sprintf("jr $%d", i.s)
	case opJALR:
		return fmt.Sprintf("jalr $%d,$%d", d, i.s)
	case opJ, opJAL:
		return fmt.Sprintf("%s %s", names[i.op], place(i.imm, name))
	case opBEQ, opBNE:
		return fmt.Sprintf("%s $%d,$%d,%s", names[i.op], i.s, i.t, place(i.imm, name))
	case opBLEZ, opBGTZ, opBLTZ, opBGEZ:
		return fmt.Sprintf("%s $%d,%s", names[i.op], i.s, place(i.imm, name))
	case opANDI, opORI, opXORI:
		return fmt.Sprintf("%s $%d,$%d,0x%x", names[i.op], d, i.s, i.imm)
	case opLUI:
		return fmt.Sprintf("lui $%d,0x%x", d, i.imm>>16)
	case opADDIU, opSLTI, opSLTIU:
		return fmt.Sprintf("%s $%d,$%d,%d", names[i.op], d, i.s, int32(i.imm))
	case opLB, opLH, opLW, opLBU, opLHU, opSB, opSH, opSW:
		return fmt.Sprintf("%s $%d,%d($%d)", names[i.op], i.t, int32(i.imm), i.s)
	}
	return fmt.Sprintf("%s $%d,$%d,$%d", names[i.op], d, i.s, i.t)
}

// place returns the address of word number n of the program, and its name.
func place(n uint32, name func(addr uint32) string) string {
	addr := address(n)
	if name != nil {
		if s := name(addr); s != "" {
			return fmt.Sprintf("0x%08x <%s>", addr, s)
		}
	}
	return fmt.Sprintf("0x%08x", addr)
}

// address returns where word number n of the program is linked.
func address(n uint32) uint32 { return TextBase + n<<2 }
