package netthreads

import (
	"errors"
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
