package netthreads

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// The instructions, each in a machine of one thread: registers 1 and 2 before, 3 after,
// and the number of the instruction that comes next, the one under test being number 0.
var instructionTable = []struct {
	text   string
	r1, r2 uint32
	r3     uint32
	next   uint32
}{
	{"nop", 0, 0, 0, 1},
	{"sll $3,$1,4", 0xf0000001, 0, 0x10, 1},
	{"sll $3,$1,0", 0x12345678, 0, 0x12345678, 1},
	{"sll $3,$1,31", 3, 0, 0x80000000, 1},
	{"srl $3,$1,4", 0xf0000010, 0, 0x0f000001, 1},
	{"srl $3,$1,31", 0x80000000, 0, 1, 1},
	{"sra $3,$1,4", 0xf0000010, 0, 0xff000001, 1},
	{"sra $3,$1,31", 0x7fffffff, 0, 0, 1},
	{"sllv $3,$1,$2", 1, 33, 2, 1},
	{"srlv $3,$1,$2", 0x80000000, 31, 1, 1},
	{"srlv $3,$1,$2", 0x80000000, 32, 0x80000000, 1},
	{"srav $3,$1,$2", 0x80000000, 31, 0xffffffff, 1},
	{"addu $3,$1,$2", 0xffffffff, 2, 1, 1},
	{"addu $3,$1,$2", 0x7fffffff, 1, 0x80000000, 1},
	{"subu $3,$1,$2", 1, 2, 0xffffffff, 1},
	{"and $3,$1,$2", 0xff00ff00, 0x0ff00ff0, 0x0f000f00, 1},
	{"or $3,$1,$2", 0xff00ff00, 0x0ff00ff0, 0xfff0fff0, 1},
	{"xor $3,$1,$2", 0xff00ff00, 0x0ff00ff0, 0xf0f0f0f0, 1},
	{"nor $3,$1,$2", 0xff00ff00, 0x0ff00ff0, 0x000f000f, 1},
	{"slt $3,$1,$2", 0xffffffff, 0, 1, 1},
	{"slt $3,$1,$2", 0, 0xffffffff, 0, 1},
	{"slt $3,$1,$2", 5, 5, 0, 1},
	{"slt $3,$1,$2", 0x80000000, 0x7fffffff, 1, 1},
	{"sltu $3,$1,$2", 0xffffffff, 0, 0, 1},
	{"sltu $3,$1,$2", 0, 0xffffffff, 1, 1},
	{"sltu $3,$1,$2", 5, 5, 0, 1},
	{"addiu $3,$1,-1", 0, 0, 0xffffffff, 1},
	{"addiu $3,$1,32767", 1, 0, 0x8000, 1},
	{"slti $3,$1,-1", 0xfffffffe, 0, 1, 1},
	{"slti $3,$1,-1", 0xffffffff, 0, 0, 1},
	{"sltiu $3,$1,-1", 0xfffffffe, 0, 1, 1},
	{"sltiu $3,$1,1", 0, 0, 1, 1},
	{"sltiu $3,$1,1", 1, 0, 0, 1},
	{"andi $3,$1,0xffff", 0x12348765, 0, 0x8765, 1},
	{"ori $3,$1,0xffff", 0x12340000, 0, 0x1234ffff, 1},
	{"xori $3,$1,0xffff", 0x1234ffff, 0, 0x12340000, 1},
	{"lui $3,0x8001", 7, 0, 0x80010000, 1},

	{"beq $1,$2,far", 4, 4, 0, 8},
	{"beq $1,$2,far", 4, 5, 0, 1},
	{"bne $1,$2,far", 4, 5, 0, 8},
	{"bne $1,$2,far", 4, 4, 0, 1},
	{"blez $1,far", 0, 0, 0, 8},
	{"blez $1,far", 0x80000000, 0, 0, 8},
	{"blez $1,far", 1, 0, 0, 1},
	{"bgtz $1,far", 1, 0, 0, 8},
	{"bgtz $1,far", 0, 0, 0, 1},
	{"bgtz $1,far", 0xffffffff, 0, 0, 1},
	{"bltz $1,far", 0xffffffff, 0, 0, 8},
	{"bltz $1,far", 0, 0, 0, 1},
	{"bgez $1,far", 0, 0, 0, 8},
	{"bgez $1,far", 0x80000000, 0, 0, 1},
	{"j far", 0, 0, 0, 8},
	{"jal far", 0, 0, 0, 8},
	{"jr $1", 0x20000020, 0, 0, 8},
	{"jr $1", 0x00000020, 0, 0, 8},
	{"jalr $3,$1", 0x20000020, 0, 0x20000004, 8},

	{"lw $3,4($1)", 0x04050000, 0, 0x04050607, 1},
	{"lw $3,-4($1)", 0x04050008, 0, 0x04050607, 1},
	{"lh $3,2($1)", 0x04050000, 0, 0xfffffefd, 1},
	{"lhu $3,2($1)", 0x04050000, 0, 0xfefd, 1},
	{"lh $3,6($1)", 0x04050000, 0, 0x0607, 1},
	{"lb $3,0($1)", 0x04050000, 0, 0xffffff80, 1},
	{"lb $3,1($1)", 0x04050000, 0, 0x01, 1},
	{"lbu $3,3($1)", 0x04050000, 0, 0xfd, 1},
	{"lbu $3,0($1)", 0x10000000, 0, 0, 1},
	{"lw $3,0($1)", 0xa0000000, 0, 0xffffffff, 1},
	{"lw $3,0($1)", 0xc0000000, 0, 0, 1},

	{"sw $2,4($1)", 0x04050000, 0x11223344, 0, 1},
	{"sh $2,2($1)", 0x04050000, 0x11223344, 0, 1},
	{"sb $2,3($1)", 0x04050000, 0x11223344, 0, 1},
	{"sb $2,3($1)", 0x08000000, 0x11223344, 0, 1},
}

// stored is what the stores of the table leave in the 8 bytes at 0x04050000, which are
// 8001fefd 04050607 before.
var stored = map[string]string{
	"sw $2,4($1)": "8001fefd11223344",
	"sh $2,2($1)": "8001334404050607",
	"sb $2,3($1)": "8001fe4404050607",
}

func TestInstructions(t *testing.T) {
	for _, test := range instructionTable {
		t.Run(test.text, func(t *testing.T) {
			m := machine(t, one, test.text+"; .org 0x20; far: nop")
			th := &m.threads[0]
			th.r[1], th.r[2] = test.r1, test.r2
			before := th.r
			data := m.ram(0x04050000)
			copy(data, []byte{0x80, 1, 0xfe, 0xfd, 4, 5, 6, 7})
			run(t, m, 1)
			if th.counts.issued != 1 {
				t.Errorf("%d instructions in a cycle", th.counts.issued)
			}
			if th.r[3] != test.r3 || th.pc != test.next {
				t.Errorf("$3 is 0x%08x and the next instruction is %d: want 0x%08x and %d", th.r[3], th.pc, test.r3, test.next)
			}
			before[3] = test.r3
			if strings.HasPrefix(test.text, "jal ") {
				before[31] = 0x20000004
			}
			for r := range 32 {
				if th.r[r] != before[r] {
					t.Errorf("$%d is 0x%08x", r, th.r[r])
				}
			}
			want := "8001fefd04050607"
			if s, ok := stored[test.text]; ok && test.r1 == 0x04050000 {
				want = s
			}
			if got := fmt.Sprintf("%x", data[:8]); got != want {
				t.Errorf("memory is %s, want %s", got, want)
			}
		})
	}
}

// Every instruction takes one slot of its thread: of two threads, the second reads the
// clock behind the instruction in the cycle that it would for any other.
func TestInstructionTakesOneSlot(t *testing.T) {
	for _, test := range instructionTable {
		m := machine(t, Config{CPUs: 1, Threads: 2}, "a: j a; .org 0x30; lui $4,0xc000; "+test.text+
			"; lw $5,0($4); fin: j fin; .org 0x60; far: lw $5,0($4); stop: j stop")
		th := &m.threads[1]
		th.r[1], th.r[2] = test.r1, test.r2
		if strings.HasPrefix(test.text, "jr ") || strings.HasPrefix(test.text, "jalr ") {
			th.r[1] = TextBase + 0x60
		}
		run(t, m, 20)
		if th.r[5] != 5 {
			t.Errorf("%s: the next instruction is executed in cycle %d, want 5", test.text, th.r[5])
		}
		if issued := m.threads[0].counts.issued; issued != 10 {
			t.Errorf("%s: the other thread executed %d instructions in 10 slots", test.text, issued)
		}
	}
}

// Every instruction is in the table.
func TestInstructionTableIsWhole(t *testing.T) {
	have := map[string]bool{}
	for _, test := range instructionTable {
		name, _, _ := strings.Cut(test.text, " ")
		have[name] = true
	}
	for _, name := range names {
		if name != "" && !have[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

// Register 0 is not written, whatever the instruction.
func TestRegisterZero(t *testing.T) {
	m := machine(t, one, "addiu $0,$0,5; lui $0,1; lw $0,0($1); jalr $0,$2; nop; addu $3,$0,$0; j 0x20000018")
	m.threads[0].r[1], m.threads[0].r[2], m.threads[0].r[3] = 0xa0000000, 0x20000014, 9
	run(t, m, 6)
	if r := m.threads[0].r; r[0] != 0 || r[3] != 0 {
		t.Errorf("$0 is %d, $3 is %d", r[0], r[3])
	}
}

func TestDelaySlots(t *testing.T) {
	const text = `
		addiu $1,$0,1
		beq $0,$0,a
		addiu $2,$0,2     # executed
		addiu $3,$0,3     # not executed
	a:	jal b
		addiu $4,$0,4
		addiu $5,$0,5     # after the return
	c:	beq $0,$0,c
		nop
	b:	jr $31
		addiu $6,$0,6`
	m := machine(t, Config{CPUs: 1, Threads: 1, DelaySlots: true}, text)
	run(t, m, 40)
	want := [7]uint32{0, 1, 2, 0, 4, 5, 6}
	if got := [7]uint32(m.threads[0].r[:7]); got != want || m.threads[0].r[31] != 0x20000018 {
		t.Errorf("registers %d, $31 0x%x", got, m.threads[0].r[31])
	}

	// The same program without them: a branch takes effect at once.
	m = machine(t, one, text)
	run(t, m, 40)
	want = [7]uint32{0, 1, 0, 0, 4, 5, 0}
	if got := [7]uint32(m.threads[0].r[:7]); got != want || m.threads[0].r[31] != 0x20000014 {
		t.Errorf("without delay slots: registers %d, $31 0x%x", got, m.threads[0].r[31])
	}

	m = machine(t, Config{CPUs: 1, Threads: 1, DelaySlots: true}, "j a; a: j a; nop; b: j b; nop")
	m.text[0].imm = 3 // to b, with the j a between
	if _, err := m.Run(10); err == nil || !strings.Contains(err.Error(), "delay slot") {
		t.Errorf("a branch in a delay slot: %v", err)
	}
}

// What the disassembler writes assembles to the same word; what it does not know is a
// fault of the machine, and nothing else is.
func TestDisassembleRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	known := 0
	for range 200_000 {
		w := r.Uint32()
		if r.IntN(2) == 0 {
			w &= 0x03ffffff
		}
		text := Disassemble(w, 0x20001000, nil)
		if strings.HasPrefix(text, ".word") {
			if decode(w, 0).op != opUnknown {
				t.Fatalf("0x%08x: %s", w, text)
			}
			continue
		}
		known++
		got := encode(t, text, 0x1000/4, nil)
		if op := w >> 26; op == 2 || op == 3 {
			// Only 18 bits of the address count.
			w, got = w&0xfc00ffff, got&0xfc00ffff
		}
		if decode(got, 0x400) != decode(w, 0x400) {
			t.Fatalf("0x%08x: %q is 0x%08x", w, text, got)
		}
	}
	if known < 20_000 {
		t.Errorf("only %d known instructions", known)
	}
}

func TestDisassembleNames(t *testing.T) {
	img := assemble(t, "start: nop; jal start; loop: lui $3,0x1234; beq $3,$0,loop; sw $3,-4($29)")
	want := []string{"nop", "jal 0x20000000 <start>", "lui $3,0x1234", "beq $3,$0,0x20000008 <loop>", "sw $3,-4($29)"}
	for i, w := range want {
		word, _ := img.Word(address(uint32(i)))
		if got := Disassemble(word, address(uint32(i)), img.Name); got != w {
			t.Errorf("got %q, want %q", got, w)
		}
	}
	if got := img.Name(0x2000000c); got != "loop+0x4" {
		t.Errorf("name %q", got)
	}
}

// Instructions that other processors have are faults here.
func TestUnknownInstructions(t *testing.T) {
	for name, w := range map[string]uint32{
		"mult": 0x00430018, "multu": 0x00430019, "div": 0x0043001a, "divu": 0x0043001b,
		"mfhi": 0x00001010, "mflo": 0x00001012, "mthi": 0x00400011,
		"add": 0x00430820, "sub": 0x00430822, "addi": 0x20410001,
		"lwl": 0x88410000, "lwr": 0x98410003, "swl": 0xa8410000, "swr": 0xb8410003,
		"syscall": 0x0000000c, "break": 0x0000000d, "bltzal": 0x04500000, "bgezal": 0x04510000,
		"mfc0": 0x40016000, "lwc1": 0xc4410000, "beql": 0x50410000, "teq": 0x00430034,
		"movz": 0x0043080a, "sync": 0x0000000f, "rotr": 0x00220842, "ll": 0xc0410000, "cache": 0xbc400000,
	} {
		m := machine(t, one, fmt.Sprintf("nop; .word 0x%08x", w))
		_, err := m.Run(100)
		var f *Fault
		if !errors.As(err, &f) || f.Reason != "unknown instruction" || f.PC != 0x20000004 || f.Word != w {
			t.Errorf("%s: %v", name, err)
		}
	}
}
