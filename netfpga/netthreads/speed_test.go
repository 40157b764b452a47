package netthreads

import (
	"fmt"
	"strings"
	"testing"
)

// threads returns a program whose threads all begin at main, with their number in $26.
// Thread 0 gives the hardware two input slots before.
func threads(n int, text string) string {
	var b strings.Builder
	for t := range n {
		fmt.Fprintf(&b, "nop; addiu $26,$0,%d\n", t)
		if t == 0 {
			b.WriteString("lui $1,0xe000; sw $0,0($1); addiu $2,$0,1600; sw $2,0($1)\n")
		}
		fmt.Fprintf(&b, "j main; .org 0x%x\n", (t+1)*ThreadText)
	}
	return b.String() + text
}

// busy adds up and copies memory, calls a function and takes a lock, for ever. No two
// turns are the same.
const busy = `
main:	li $8,0x04050000
	sll $9,$26,12
	addu $8,$8,$9
	li $29,0x040ffff0
	sll $9,$26,15
	subu $29,$29,$9
	li $16,0x20000004
	li $17,0x40000004
	li $12,12345
turn:	addiu $11,$8,256
	addu $10,$8,$0
copy:	lw $2,0($10)
	addu $12,$12,$2
	xor $2,$2,$12
	sw $2,4($10)
	addiu $10,$10,4
	sltu $2,$10,$11
	bne $2,$0,copy
	jal hash
	andi $4,$12,7
	sw $4,0($16)
	lw $5,0($8)
	addiu $5,$5,1
	sw $5,0($8)
	sw $4,0($17)
	j turn
hash:	addiu $29,$29,-16
	sw $31,12($29)
	sll $2,$12,13
	xor $12,$12,$2
	srl $2,$12,17
	xor $12,$12,$2
	sll $2,$12,5
	xor $12,$12,$2
	lw $31,12($29)
	addiu $29,$29,16
	jr $31`

// BenchmarkRun is the speed of the inner loop: eight threads that all work.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name   string
		config Config
	}{
		{"ideal", Config{}},
		{"plain", Config{Plain: true}},
		{"profile", Config{Profile: true}},
		{"delay slots", Config{DelaySlots: true}},
		{"memory", Config{Memory: &Memory{}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := threads(8, busy)
			if c.config.DelaySlots {
				text = threads(8, "main: "+strings.Repeat("addiu $1,$1,1; xor $2,$2,$1; ", 20)+"j main; nop")
			}
			m := machine(b, c.config, text)
			const chunk = 100_000
			if _, err := m.Run(chunk); err != nil {
				b.Fatal(err)
			}
			before := issued(m)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Run(m.Cycle() + chunk); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(issued(m)-before)/1e6/b.Elapsed().Seconds(), "Minstr/s")
		})
	}
}

func issued(m *Machine) uint64 {
	n := uint64(0)
	for i := range m.threads {
		n += m.threads[i].counts.issued
	}
	return n
}
