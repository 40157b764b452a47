package netthreads

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		pc               uint32
	}{
		{"unaligned word", "li $2,0x04050002; lw $3,0($2)", "unaligned load from 0x04050002", 8},
		{"unaligned half", "li $2,0x04050001; lh $3,0($2)", "unaligned load from 0x04050001", 8},
		{"unaligned store", "li $2,0x04050001; sw $3,0($2)", "unaligned store to 0x04050001", 8},
		{"unaligned half store", "li $2,0x04050001; sh $3,0($2)", "unaligned store to 0x04050001", 8},
		{"unaligned register", "li $2,0xc0000002; lw $3,0($2)", "unaligned load", 8},
		{"null", "lw $3,0($0)", "load from 0x00000000, where there is no memory", 0},
		{"null byte", "sb $3,1($0)", "store to 0x00000001, where there is no memory", 0},
		{"end of memory", "li $2,0x07fffffc; sw $3,0($2); lw $3,4($2); lui $2,0x0800; lw $3,16384($2)", "load from 0x08004000, where there is no memory", 20},
		{"input memory", "lui $2,0x1000; lw $3,0($2); sb $3,0($2)", "input memory, which is read only", 8},
		{"text as data", "lui $2,0x2000; lw $3,64($2)", "load from 0x20000040, where there is no memory", 4},
		{"write-only register", "lui $2,0x2000; lw $3,0($2)", "CTRL_START does not have this access", 4},
		{"read of a lock", "lui $2,0x2000; lw $3,4($2)", "GET_LOCK does not have this access", 4},
		{"read-only register", "lui $2,0xc000; sw $3,0($2)", "COMMON_TIME does not have this access", 4},
		{"byte of a register", "lui $2,0xc000; lbu $3,3($2)", "COMMON_TIME does not have this access", 4},
		{"byte to a register", "lui $2,0x2000; sb $3,7($2)", "GET_LOCK does not have this access", 4},
		{"no such register", "lui $2,0xc000; lw $3,4($2)", "load from 0xc0000004, where there is no memory", 4},
		{"jump to data", "li $2,0x04040000; jr $2", "jump to 0x04040000, which is not in the instruction memory", 8},
		{"unaligned jump", "li $2,0x20000002; jalr $31,$2", "jump to 0x20000002", 8},
		{"off the end", "nop; nop", "fetch outside of the program", 8},
		{"slot twice", "lui $2,0xe000; sw $0,0($2); sw $0,0($2)", "HEADER_RETURN_W of 0x00000000: the hardware owns this slot already", 8},
		{"slots that overlap", "lui $2,0xe000; addiu $3,$0,1592; sw $0,0($2); sw $3,0($2)", "it overlaps another slot", 12},
		{"slot outside", "lui $2,0xe000; addiu $3,$0,14792; sw $3,0($2)", "there can be no slot", 8},
		{"slot not on a word", "lui $2,0xe000; addiu $3,$0,4; sw $3,0($2)", "there can be no slot", 8},
		{"launch without a start", "lui $2,0x8000; lw $3,0($2)", "CTRL_END_W is 0x0", 4},
		{"launch of input memory", "lui $2,0x8000; lui $3,0x2000; lui $4,0x1000; sw $4,0($3); lw $3,0($2)", "not in the output memory", 16},
		{"launch of a header", "lui $2,0x8000; lui $3,0x6000; addiu $4,$0,1; sw $4,0($3); lw $3,0($2)", "without a byte", 16},
		{"launch with two ends", "lui $2,0x8000; lui $3,0x6000; addiu $4,$0,3; sw $4,0($3); lw $3,0($2)", "CTRL_END_W is 0x3", 16},
		{"stack overflow", "li $29,0x040f0000; addiu $29,$29,-32768; addiu $29,$29,-8", "stack overflow: the stack pointer goes to 0x040e7ff8, and the stack of this thread is 0x040e8000 to 0x040f0000", 12},
		{"stack overflow by frames", "li $29,0x040f7ffc; f: addiu $29,$29,-2000; j f", "stack overflow", 8},
		{"a frame that is subtracted", "li $29,0x040f0000; addiu $29,$29,-16000; li $2,20000; subu $29,$29,$2", "stack overflow", 20},
		{"stack into the data", "li $29,0x04041000; addiu $29,$29,-4104", "stack overflow", 8},
		{"print of no text", "lui $2,0x6000; ori $2,$2,4; addiu $3,$0,256; sw $3,0($2)", "PRINTF of 0x00000100, which is not the address of a text", 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			img := assemble(t, test.text)
			img.Data = make([]byte, 16)
			m, err := New(img, &one)
			if err != nil {
				t.Fatal(err)
			}
			stop, err := m.Run(100_000)
			var f *Fault
			if stop != Failed || !errors.As(err, &f) {
				t.Fatalf("stop %d, %v", stop, err)
			}
			if !strings.Contains(f.Reason, test.want) || f.PC != TextBase+test.pc {
				t.Errorf("at 0x%x: %s", f.PC, f.Reason)
			}
		})
	}
}

// The stack of a program that sets it up in several steps, as start-up code does, is
// where it ends up; one that stays in its 32 KB runs.
func TestStacks(t *testing.T) {
	for _, text := range []string{
		"lui $29,0x0410; addiu $29,$29,-4; addiu $29,$29,-32760; a: j a",
		"li $29,0x040f7ffc; addiu $29,$29,-32768; a: j a",
		// Thread 1 of the original: it moves from the common stack to its own.
		"lui $29,0x0410; addiu $29,$29,-36; addiu $29,$29,-24; addiu $2,$0,-256; lui $3,0xffff; ori $3,$3,0x7800; addu $2,$2,$3; addu $29,$29,$2; addiu $29,$29,-32768; a: j a",
		// A stack within the data.
		"li $29,0x04040100; addiu $29,$29,-64; a: j a",
		// A frame pointer takes the place of the stack pointer.
		"li $29,0x040f0000; addu $30,$29,$0; addiu $29,$29,-4000; addu $29,$30,$0; addiu $29,$29,-32768; a: j a",
	} {
		img := assemble(t, text)
		img.Data = make([]byte, 4096)
		m, err := New(img, &one)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Run(100); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A frame of 48 KB ends in the stack of another thread; the same move in two threads that
// begin with lui, one stack and the whole next to it, is none.
func TestStackOfAnotherThread(t *testing.T) {
	const (
		second = "; .org 0x30; li $29,0x040f7fe0; addiu $29,$29,-32; b: j b"
		frame  = "li $29,0x040fffe0; addiu $29,$29,-32; ori $2,$0,%s; nop; subu $29,$29,$2; a: j a"
	)
	for size, want := range map[string]string{
		"49152": "stack overflow: the stack pointer goes to 0x040f3fc0, into the stack of thread 1",
		"32760": "stack overflow: the stack pointer goes to 0x040f7fc8, and the stack of this thread is 0x040f7fe0 to 0x040fffe0",
		"32736": "",
	} {
		m := machine(t, Config{CPUs: 1, Threads: 2}, strings.Replace(frame, "%s", size, 1)+second)
		if _, err := m.Run(100); want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("a frame of %s bytes: %v, want %q", size, err, want)
		}
	}
}

const report = `netthreads: thread 1 at 0x20000048 (reader+0x4), cycle 11: unaligned load from 0x0405000b

  20000030  00000000                            nop
  20000034  3c020405  entry                     lui $2,0x405
  20000038  3442000a  entry+0x4                 ori $2,$2,0xa
  2000003c  0c000011  entry+0x8                 jal 0x20000044 <reader>
  20000044  00000000  reader                    nop
> 20000048  8c430001  reader+0x4                lw $3,1($2)

    $0 00000000    $1 00000000    $2 0405000a    $3 00000000
    $4 00000000    $5 00000000    $6 00000000    $7 00000000
    $8 00000000    $9 00000000   $10 00000000   $11 00000000
   $12 00000000   $13 00000000   $14 00000000   $15 00000000
   $16 00000000   $17 00000000   $18 00000000   $19 00000000
   $20 00000000   $21 00000000   $22 00000000   $23 00000000
   $24 00000000   $25 00000000   $26 00000000   $27 00000000
   $28 00000000   $29 00000000   $30 00000000   $31 20000040
`

func TestReport(t *testing.T) {
	img := assemble(t, "a: j a; .org 0x30; nop; entry: lui $2,0x0405; ori $2,$2,10; jal reader; nop; reader: nop; lw $3,1($2)")
	img.Symbols[0].Size = 4
	m, err := New(img, &Config{CPUs: 1, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Run(1000)
	var f *Fault
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	if got := f.Report(); got != report {
		t.Errorf("got\n%s", got)
	}
}

func TestBadImages(t *testing.T) {
	for want, img := range map[string]*Image{
		"thread 7 begins at 0x150": {Text: make([]byte, 64)},
		"whole words":              {Text: make([]byte, 1001)},
		"the instruction memory":   {Text: make([]byte, MaxText+4)},
		"there is room for":        {Text: make([]byte, 1000), Data: make([]byte, MaxData+1)},
		"not sorted":               {Text: make([]byte, 1000), Symbols: []Symbol{{Addr: 2}, {Addr: 1}}},
	} {
		if _, err := New(img, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, c := range []Config{
		{CPUs: 17}, {CPUs: 5}, {Threads: -1}, {CPUs: -1}, {Memory: &Memory{Line: 24}}, {Memory: &Memory{Data: 100}},
		{Memory: &Memory{Latency: -1}}, {Memory: &Memory{Instructions: 1 << 30}},
	} {
		if _, err := New(&Image{Text: make([]byte, 4096)}, &c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// With IgnoreFaults the machine does what the hardware would, and counts.
func TestIgnoreFaults(t *testing.T) {
	for _, test := range []struct {
		name, text string
		reg        int
		want       uint32
		reason     string
		count      uint64
	}{
		{"unaligned load", "li $2,0x04050000; li $3,0x11223344; sw $3,4($2); lw $4,6($2)", 4, 0x11223344, "unaligned load", 1},
		{"unaligned store", "li $2,0x04050000; li $3,0x1122; sh $3,5($2); lhu $4,4($2)", 4, 0x1122, "unaligned store", 1},
		{"no memory", "addiu $4,$0,7; sb $4,1($0); lbu $4,1($0)", 4, 0, "store to 0x00000001", 1},
		{"input memory", "lui $2,0x1000; addiu $4,$0,3; m: sb $3,8($2); addiu $4,$4,-1; bne $4,$0,m; addiu $3,$0,9; sw $3,8($2); lw $4,8($2)", 4, 0, "input memory", 3},
		{"register", "lui $2,0x2000; addiu $4,$0,7; lw $4,0($2)", 4, 0, "CTRL_START", 1},
		{"byte of a register", "lui $2,0xc000; addiu $4,$0,7; lbu $4,3($2)", 4, 0, "COMMON_TIME", 1},
		{"jump to data", "li $2,0x04040014; jr $2; addiu $4,$0,1; nop; addiu $4,$4,5", 4, 5, "jump to 0x04040014", 1},
		{"unknown", "addiu $4,$0,7; .word 0x70000000; addiu $4,$4,1", 4, 8, "unknown instruction", 1},
		{"stack", "li $29,0x040f0000; addiu $29,$29,-32768; addiu $29,$29,-8; addu $4,$29,$0", 4, 0x040e7ff8, "", 0},
		{"slot twice", "lui $2,0xe000; sw $0,0($2); sw $0,0($2); addiu $4,$0,7", 4, 7, "owns this slot already", 1},
		{"launch of input memory", "lui $2,0x8000; lui $3,0x2000; lui $4,0x1000; sw $4,0($3); lw $4,0($2)", 4, 0x08000000, "not in the output memory", 1},
		{"print of no text", "lui $2,0x6000; ori $2,$2,4; addiu $3,$0,256; sw $3,0($2); addiu $4,$0,7", 4, 7, "not the address of a text", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := one
			config.IgnoreFaults = true
			m, err := New(assemble(t, test.text+"; end: j end"), &config)
			if err != nil {
				t.Fatal(err)
			}
			run(t, m, 10_000)
			ignored := m.Ignored()
			if got := m.threads[0].r[test.reg]; got != test.want {
				t.Errorf("$%d is %#x, want %#x", test.reg, got, test.want)
			}
			if test.count == 0 {
				if len(ignored) > 0 {
					t.Errorf("ignored %+v", ignored)
				}
				return
			}
			if len(ignored) == 0 || !strings.Contains(ignored[0].Reason, test.reason) || ignored[0].Count != test.count {
				t.Errorf("ignored %+v, want %d of %q", ignored, test.count, test.reason)
			}
		})
	}
	// Behind the program there are nops, up to the end of the instruction memory.
	m := machine(t, Config{CPUs: 1, Threads: 1, IgnoreFaults: true}, "addiu $4,$4,1; nop")
	run(t, m, MaxText/4*2+1)
	if i := m.Ignored(); m.threads[0].r[4] != 3 || len(i) != 1 || i[0].PC != TextBase+8 || i[0].Count != 2*(MaxText/4-2) {
		t.Errorf("$4 is %d, ignored %+v", m.threads[0].r[4], i)
	}
	// Threads that all wait for locks wait for ever.
	m = machine(t, Config{CPUs: 1, Threads: 1, IgnoreFaults: true}, "li $2,0x20000004; sw $0,0($2); sw $0,0($2)")
	if _, err := m.Run(10_000); err == nil || !strings.Contains(err.Error(), "all threads wait for locks") {
		t.Error(err)
	}
}

// What is ignored is counted the same whether cycles are skipped or not.
func TestIgnoreFaultsIsExact(t *testing.T) {
	text := threads(8, "main: lui $2,0x1000; lui $3,0xc000; wait: lw $4,0($3); andi $4,$4,0xc000; beq $4,$0,wait; sw $4,0($2); j wait")
	var got []Ignored
	for _, plain := range []bool{false, true} {
		m := machine(t, Config{IgnoreFaults: true, Plain: plain}, text)
		run(t, m, 200_000)
		if got == nil {
			got = m.Ignored()
		} else if now := m.Ignored(); len(now) != 1 || now[0] != got[0] {
			t.Errorf("%+v, skipping %+v", now, got)
		}
	}
}

// An image for one CPU has no starts for a second one, but loops: those are not where a
// second CPU's threads begin.
func TestOneCPU(t *testing.T) {
	start := func(id int) string {
		return fmt.Sprintf("nop; nop; nop; lui $28,0x0404; lui $29,0x0410; addiu $28,$28,0; addiu $29,$29,-4; addiu $26,$0,%d; nop; j main; nop; nop;", id)
	}
	idle := func(id int) string {
		return fmt.Sprintf("t%d: nop; nop; j t%d; nop; lui $28,0x0404; lui $29,0x0410; addiu $28,$28,0; addiu $29,$29,-4; addiu $26,$0,%d; nop; j main; nop; nop;", id, id, id)
	}
	const main = "main: addiu $5,$5,1; j main"
	text := start(0) + start(1) + start(2) + start(3)
	img := assemble(t, text+idle(4)+idle(5)+idle(6)+idle(7)+main)
	if !img.OneCPU() {
		t.Error("not recognised")
	}
	m, err := New(img, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, m, 1000)
	if len(m.threads) != 4 || m.threads[3].r[26] != 3 || m.threads[3].r[5] == 0 {
		t.Errorf("%d threads", len(m.threads))
	}
	if m, err := New(img, &Config{CPUs: 2}); err != nil || len(m.threads) != 8 {
		t.Error("two CPUs that were asked for are not there")
	}
	if assemble(t, text+start(4)+start(5)+start(6)+start(7)+main).OneCPU() {
		t.Error("an image for two is taken for one")
	}
	if assemble(t, text+strings.Repeat("nop;", 40)+main).OneCPU() || assemble(t, main).OneCPU() {
		t.Error("an image without a loop is taken for one")
	}
}
