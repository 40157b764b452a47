package netthreads

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// spinners are programs that do nothing for long, each in its own way.
var spinners = []struct {
	name, text string
	least      float64 // at least this part of the cycles is skipped
}{
	{"endless loops", `main: j main`, 0.9},
	{"loops of different lengths", `
	main:	addiu $2,$0,5
		beq $26,$2,short
	long:	addiu $3,$3,1; addiu $3,$3,1; addiu $3,$3,1; addiu $3,$3,1; j long
	short:	j short`, 0.9},
	{"exit, which stores", `
	main:	li $28,0x04047ff0; li $2,0xdeaddead
	exit:	sw $2,0($28); j exit`, 0.9},
	{"input register", `
	main:	lui $2,0xa000; addiu $4,$0,-1
	pop:	lw $3,0($2); beq $3,$4,pop
		lui $5,0xe000; sw $3,0($5); addiu $6,$6,1; j pop`, 0.9},
	{"waits for a time", `
	main:	lui $2,0xc000; addiu $9,$26,1; sll $9,$9,14
	again:	lw $4,0($2); addu $4,$4,$9
	wait:	lw $3,0($2); subu $5,$4,$3; bgtz $5,wait
		addiu $6,$6,1; j again`, 0.6},
	{"waits for a time, unsigned", `
	main:	lui $2,0xc000; li $4,100000; addu $4,$4,$26
	wait:	lw $3,0($2); sltu $5,$3,$4; bne $5,$0,wait
		sll $4,$4,1; addiu $6,$6,1; j wait`, 0.6},
	{"one lock for all", `
	main:	li $2,0x20000004; li $3,0x40000004; li $8,0x04050000
	turn:	sw $0,0($2); lw $4,0($8); sw $0,0($3); beq $4,$0,turn
		j turn`, 0.9},
	{"a lock held for long", `
	main:	li $2,0x20000004; li $3,0x40000004
	turn:	sw $0,0($2); li $4,5000
	hold:	addiu $4,$4,-1; bne $4,$0,hold
		sw $0,0($3); addiu $6,$6,1; j turn`, 0.9},
	{"the sender's idle loop: 64 bits of time in memory, and seven workers at a queue", `
	main:	li $2,0x20000004; li $3,0x40000004; li $8,0x04050000; lui $9,0xc000
		bne $26,$0,worker
	send:	lw $4,0($9)          # time_hi += now < time_lo, and then time_lo = now
		lw $5,4($8)
		sltu $5,$4,$5
		lw $6,0($8)
		addu $6,$6,$5
		sw $6,0($8)
		sw $4,4($8)
		lw $7,12($8)         # is there something prepared?
		beq $7,$0,send
	worker:	addiu $4,$0,7
		sw $4,0($2)
		lw $5,8($8)
		sw $4,0($3)
		beq $5,$0,worker
		nop`, 0.9},
	{"a counter in memory, and a flag that it sets", `
	main:	li $8,0x04050000; bne $26,$0,wait
	count:	lw $2,0($8); addiu $2,$2,1; sw $2,0($8); li $3,40000; bne $2,$3,count
		sw $3,4($8)
	done:	j done
	wait:	lw $4,4($8); beq $4,$0,wait
		addiu $5,$5,1; j wait`, 0.6},
	{"waits for a bit of the time", `
	main:	lui $2,0xc000; addiu $4,$26,9; addiu $5,$0,1; sllv $5,$5,$4
	wait:	lw $3,0($2); and $3,$3,$5; beq $3,$0,wait
	again:	lw $3,0($2); and $3,$3,$5; bne $3,$0,again
		addiu $6,$6,1; j wait`, 0.4},
	{"waits for the low bits of the time, which it never sees", `
	main:	lui $2,0xc000; lui $8,0x0405
		lw $3,0($2); andi $7,$3,0xfff; addiu $7,$7,1
	wait:	lw $3,0($2); andi $3,$3,0xfff; bne $3,$7,wait
	gone:	addiu $6,$6,1; j gone`, 0.8},
	{"waits for the time in units, and for what it is not", `
	main:	lui $2,0xc000; lw $4,0($2); srl $4,$4,13; addiu $4,$4,1
	wait:	lw $3,0($2); srl $5,$3,13; bne $5,$4,wait
		nor $7,$0,$3
	more:	lw $3,0($2); nor $3,$3,$0; subu $8,$7,$3; slti $8,$8,9000; bne $8,$0,more
		addiu $4,$4,3; addiu $6,$6,1; j wait`, 0.6},
	{"the time is kept in bytes, which cannot be skipped", `
	main:	lui $9,0xc000; li $8,0x04050000
	turn:	lw $4,0($9); sb $4,0($8); j turn`, 0},
	{"a ring", `
	main:	li $8,0x04050000; bne $26,$0,idle
	turn:	lw $2,0($8); addiu $2,$2,1; andi $2,$2,7; sw $2,0($8); sll $3,$2,2; addu $3,$3,$8; lw $4,16($3); beq $4,$0,turn
	idle:	j idle`, 0.9},
	{"scheduled sends", `
	main:	bne $26,$0,idle
		lui $9,0xc000; lui $10,0x8000; lui $11,0x2000; lui $12,0x4000; lui $13,0x6000; lui $14,0x0800
		addiu $15,$14,71; addiu $16,$0,1; sh $16,0($14)
		sw $14,0($11); sw $15,0($12); sw $16,0($13)
		lw $4,0($9); li $17,33333
	turn:	addu $4,$4,$17; sw $4,4($10); lw $5,0($10); j turn
	idle:	j idle`, 0.9},
}

// events is what a machine is given and what it did, to compare two of them.
type events struct {
	offers []uint64 // cycles
	limits []uint64
	seen   []string
}

func (e *events) play(t *testing.T, m *Machine) {
	t.Helper()
	e.seen = nil
	for _, limit := range e.limits {
		for m.Cycle() < limit {
			next := limit
			for _, o := range e.offers {
				if o > m.Cycle() {
					next = min(next, o)
				}
			}
			stop, err := m.Run(next)
			if err != nil {
				e.seen = append(e.seen, err.(*Fault).Report())
				return
			}
			if p, ok := m.Output(); stop == Launched && ok {
				e.seen = append(e.seen, fmt.Sprintf("%d: launched %d for %d: %x", m.Cycle(), p.Launched, p.Depart, p.Bytes))
			}
			if slices.Contains(e.offers, m.Cycle()) {
				e.seen = append(e.seen, fmt.Sprintf("%d: offered %v", m.Cycle(), m.Offer(0, []byte("packet"))))
			}
		}
		e.seen = append(e.seen, m.dump())
	}
}

// dump returns all of the state of a machine that a program or its owner can see.
func (m *Machine) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cycle %d\n%v\n%v\n", m.cycle, m.locks, m.input)
	for n := range m.threads {
		t := &m.threads[n]
		fmt.Fprintf(&b, "%d: %08x at %d, %d; %v; top %x\n", n, t.r[:32], t.pc, t.next, t.wait, t.top)
		f := *m
		f.end(n, "")
		fmt.Fprintf(&b, "%x\n", f.fault.Last)
	}
	fmt.Fprintf(&b, "%+v\n", m.Profile())
	fmt.Fprintf(&b, "%x %x\n", crc32.ChecksumIEEE(m.memory), bytes.TrimRight(m.outputs[:], "\x00"))
	return b.String()
}

// same plays the events on a machine that skips and on one that does not, and returns the
// part of the cycles that was skipped.
func same(t *testing.T, config Config, text string, e *events) float64 {
	t.Helper()
	fast := machine(t, config, text)
	e.play(t, fast)
	got := e.seen
	skipped := fast.forward.skipped
	config.Plain = true
	plain := machine(t, config, text)
	e.play(t, plain)
	for i := range max(len(got), len(e.seen)) {
		if i >= len(got) || i >= len(e.seen) || got[i] != e.seen[i] {
			a, b := strings.Split(at(got, i), "\n"), strings.Split(at(e.seen, i), "\n")
			for l := range max(len(a), len(b)) {
				if at(a, l) != at(b, l) {
					t.Fatalf("event %d, line %d:\nskipping %s\nplain    %s", i, l, at(a, l), at(b, l))
				}
			}
		}
	}
	return float64(skipped) / float64(fast.cycle)
}

func at(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return "nothing"
}

func TestSkippingIsExact(t *testing.T) {
	for _, test := range spinners {
		for _, config := range []Config{{}, {Profile: true}, {CPUs: 1}, {CPUs: 3, Threads: 2, Clock: 0xffff_0000}} {
			t.Run(fmt.Sprintf("%s/%d,%d", test.name, config.CPUs, config.Threads), func(t *testing.T) {
				e := &events{
					limits: []uint64{3, 5000, 5001, 60_000, 100_001, 200_003},
					offers: []uint64{1, 30_000, 30_001, 130_000},
				}
				same(t, config, threads(8, test.text), e)
			})
		}
		t.Run(test.name+", skipped", func(t *testing.T) {
			part := same(t, Config{}, threads(8, test.text), &events{limits: []uint64{400_000}})
			if part < test.least {
				t.Errorf("only %.3f of the cycles were skipped", part)
			}
		})
	}
}

// Programs of random loops over registers, memory, the clock and locks.
func TestSkippingIsExactForRandomPrograms(t *testing.T) {
	skipped := 0.0
	const programs = 100
	for seed := range uint64(programs) {
		r := rand.New(rand.NewPCG(seed, 7))
		text := threads(8, randomLoops(r))
		e := &events{limits: []uint64{r.Uint64N(60_000), 60_000 + r.Uint64N(200_000)}, offers: []uint64{r.Uint64N(200_000)}}
		skipped += same(t, Config{CPUs: 1 + r.IntN(2), Clock: r.Uint32()}, text, e)
	}
	t.Logf("%.2f of the cycles were skipped", skipped/programs)
	if skipped < programs/10 {
		t.Errorf("only %.3f of the cycles were skipped", skipped/programs)
	}
}

// randomLoops returns the code of main: each thread goes to one of three loops.
func randomLoops(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("main: li $20,0x04050000; lui $21,0xc000; li $22,0x20000004; li $23,0x40000004; lui $24,0xa000; addiu $25,$0,3\n")
	b.WriteString("andi $1,$26,1; bne $1,$0,loop1; andi $1,$26,2; bne $1,$0,loop2\n")
	reg := func() int { return 2 + r.IntN(6) }
	for loop := range 3 {
		fmt.Fprintf(&b, "loop%d:\n", loop)
		for range 1 + r.IntN(9) {
			switch r.IntN(16) {
			case 0, 1:
				fmt.Fprintf(&b, "lw $%d,0($21)\n", reg())
			case 2:
				fmt.Fprintf(&b, "lw $%d,%d($20)\n", reg(), 4*r.IntN(4))
			case 3:
				fmt.Fprintf(&b, "sw $%d,%d($20)\n", reg(), 4*r.IntN(4))
			case 4:
				fmt.Fprintf(&b, "addiu $%d,$%d,%d\n", reg(), reg(), r.IntN(7)-3)
			case 5:
				fmt.Fprintf(&b, "subu $%d,$%d,$%d\n", reg(), reg(), reg())
			case 6:
				fmt.Fprintf(&b, "%s $%d,$%d,$%d\n", []string{"slt", "sltu", "addu", "or", "xor", "and"}[r.IntN(6)], reg(), reg(), reg())
			case 7:
				fmt.Fprintf(&b, "%s $%d,$%d,%d\n", []string{"slti", "sltiu", "xori", "ori", "andi"}[r.IntN(5)], reg(), reg(), r.IntN(4000))
			case 8:
				id := r.IntN(3)
				fmt.Fprintf(&b, "addiu $15,$0,%d; sw $15,0($22); lw $%d,0($20); addiu $15,$0,%d; sw $15,0($23)\n", id, reg(), id)
			case 9:
				fmt.Fprintf(&b, "lw $%d,0($24)\n", reg())
			case 10:
				fmt.Fprintf(&b, "%s $%d,$%d,%d\n", []string{"sll", "srl", "sra"}[r.IntN(3)], reg(), reg(), r.IntN(32))
			case 11, 12:
				fmt.Fprintf(&b, "%s $%d,loop%d\n", []string{"bltz", "bgez", "blez", "bgtz"}[r.IntN(4)], reg(), loop)
			case 13:
				fmt.Fprintf(&b, "%s $%d,$%d,loop%d\n", []string{"beq", "bne"}[r.IntN(2)], reg(), reg(), r.IntN(loop+1))
			case 14:
				fmt.Fprintf(&b, "lui $%d,%d\n", reg(), r.IntN(1<<16))
			case 15:
				fmt.Fprintf(&b, "%s $%d,%d($20)\n", []string{"lb", "lhu", "sb", "sh"}[r.IntN(4)], reg(), 4*r.IntN(4))
			}
		}
		fmt.Fprintf(&b, "j loop%d\n", loop)
	}
	return b.String()
}

// The bounds of comparisons are those of counting, by way of small numbers moved to where
// wraps are.
func TestBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	near := func() uint32 { return []uint32{0, 1 << 31, 12345}[r.IntN(3)] + uint32(r.IntN(41)) - 20 }
	slope := func() uint32 { return uint32(r.IntN(9)) - 4 }
	for range 20_000 {
		a, sa, b, sb := near(), slope(), near(), slope()
		wasA := a
		check := func(name string, n uint64, holds func(a, b uint32) bool) {
			if n == 0 {
				t.Fatalf("%s: no period at all", name)
			}
			for k := uint32(0); uint64(k) < min(n, 100); k++ {
				if holds(a+k*sa, b+k*sb) != holds(a, b) {
					t.Fatalf("%s of %#x by %d and %#x by %d is said to hold for %d, and not for %d", name, a, int32(sa), b, int32(sb), n, k)
				}
			}
		}
		mask := []uint32{1 << r.IntN(32), ^uint32(0) << r.IntN(32), r.Uint32() << r.IntN(33), 0xff}[r.IntN(4)]
		if n := frozen(a, sa, mask); n > 0 {
			check(fmt.Sprintf("mask %#x", mask), n, func(a, b uint32) bool { return a&mask == wasA&mask })
		}
		check("equal", equal(a-b, sa-sb), func(a, b uint32) bool { return a == b })
		check("unsigned", ordered(a, sa, b, sb), func(a, b uint32) bool { return a < b })
		check("signed", ordered(a^sign, sa, b^sign, sb), func(a, b uint32) bool { return int32(a) < int32(b) })
	}
}

func TestIdle(t *testing.T) {
	m := machine(t, Config{}, threads(8, `
		main: lui $2,0xa000; addiu $4,$0,-1
		more: lw $3,0($2); beq $3,$4,more; j more`))
	run(t, m, 100)
	if m.Idle() {
		t.Error("idle before it can be known")
	}
	run(t, m, 100_000)
	if !m.Idle() {
		t.Error("not idle, and only a packet can change anything")
	}
	if !m.Offer(0, []byte("a packet")) || m.Idle() {
		t.Error("idle, and a packet has come")
	}

	m = machine(t, Config{}, threads(8, "main: lui $2,0xc000; loop: lw $3,0($2); bgez $3,loop; j main"))
	run(t, m, 100_000)
	if m.Idle() {
		t.Error("idle, and the time will change")
	}
}
