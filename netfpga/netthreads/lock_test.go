package netthreads

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// contend has each thread wait for some instructions, take lock 0, write its number to a
// ring in memory, hold the lock for some more, and free it, three times.
const contend = `
main:	li $20,0x04050000; li $22,0x20000004; li $23,0x40000004; addiu $10,$0,3
	sll $9,$26,2; addu $9,$9,$20; lw $8,0x100($9)    # delays, by thread
wait:	beq $8,$0,turn; addiu $8,$8,-1; j wait
turn:	sw $0,0($22)
	lw $2,0($20); addu $3,$2,$20; sb $26,4($3); addiu $2,$2,1
	lw $4,0x80($20)                                  # how long to hold it
hold:	beq $4,$0,done; addiu $4,$4,-1; j hold
done:	sw $2,0($20)
	sw $0,0($23)
	addiu $10,$10,-1; bne $10,$0,turn
end:	j end`

// Whatever the threads' order of arrival and however long the lock is held: nobody is in
// while another is, all are served, those that wait are served in the order in which they
// asked, and a machine that does the same again has the same result.
func TestLockInAllOrders(t *testing.T) {
	orders := 0
	permute([]byte{0, 1, 2, 3, 4, 5}, func(order []byte) {
		hold := orders % 13
		orders++
		var first string
		for again := range 2 {
			m := machine(t, Config{Threads: 3, Plain: again == 1}, threads(6, contend))
			m.ram(0x04050080)[3] = byte(hold)
			for place, n := range order {
				m.ram(0x04050100 + 4*uint32(n))[3] = byte(2 * place)
			}
			run(t, m, 6000)
			p := m.ram(0x04050000)
			if p[3] != 18 {
				t.Fatalf("order %d: %d turns were counted, and there are 18", order, p[3])
			}
			var times [6]int
			served := slices.Clone(p[4 : 4+18])
			for _, n := range served {
				times[n]++
			}
			if times != [6]int{3, 3, 3, 3, 3, 3} {
				t.Fatalf("order %d: served %d", order, served)
			}
			if hold >= 9 && !slices.Equal(served[:6], order) {
				// Held for so long that all arrive before it is free again.
				t.Fatalf("order %d: served %d", order, served)
			}
			if d := m.dump(); again == 0 {
				first = d
			} else if d != first {
				t.Fatalf("order %d: two runs differ:\n%s\n%s", order, first, d)
			}
		}
	})
	if orders != 720 {
		t.Errorf("%d orders", orders)
	}
}

// permute calls f with all orders of s.
func permute(s []byte, f func([]byte)) {
	var rec func(int)
	rec = func(n int) {
		if n == len(s) {
			f(s)
			return
		}
		for i := n; i < len(s); i++ {
			s[n], s[i] = s[i], s[n]
			rec(n + 1)
			s[n], s[i] = s[i], s[n]
		}
	}
	rec(0)
}

// The cycles of a lock: a free one costs the store alone; one that is freed is handed to
// the thread that waits, whose store is done in its next slot.
func TestLockTiming(t *testing.T) {
	m := machine(t, Config{CPUs: 1, Threads: 2}, `
		nop; lui $2,0x2000; sw $0,4($2)     # cycles 0 2 4: thread 0 takes it
		lui $3,0x4000; nop; sw $0,4($3)     # cycles 6 8 10: and frees it
	end:	j end
		.org 0x30
		nop; nop; lui $2,0x2000; sw $0,4($2) # cycles 1 3 5 7: thread 1 wants it
		addiu $4,$0,1                        # it has it in cycle 11, and this is 13
	fin:	j fin`)
	th := &m.threads[1]
	for _, step := range []struct {
		cycle, issued, stalled uint64
		owner                  int8
	}{{8, 3, 1, 1}, {11, 3, 2, 2}, {12, 4, 2, 2}, {14, 5, 2, 2}} {
		run(t, m, step.cycle)
		p := m.Profile().Threads[1]
		if p.Issued != step.issued || p.Lock != step.stalled || m.locks[0].owner != step.owner {
			t.Errorf("cycle %d: %d issued, %d waited, owner %d", step.cycle, p.Issued, p.Lock, m.locks[0].owner)
		}
	}
	if th.r[4] != 1 {
		t.Error("thread 1 did not go on")
	}
}

// A lock that is freed again before the thread that was given it has had its turn, and
// taken by a third, has one owner: the thread waits once more.
func TestLockFreedBeforeTheTurn(t *testing.T) {
	m := machine(t, Config{CPUs: 1, Threads: 4}, `
		lui $2,0x2000; sw $0,4($2); a: j a            # takes it in cycle 4
		.org 0x30
		lui $2,0x2000; sw $0,4($2); addiu $4,$0,1; b: j b # wants it from cycle 5 on
		.org 0x60
		lui $3,0x4000; nop; sw $0,4($3); nop; nop; nop; sw $0,4($3); c: j c # frees it in 10 and 26
		.org 0x90
		d: j d`)
	// Thread 1 is given the lock in cycle 10 and has its turn in 13: it is freed before.
	run(t, m, 11)
	if l := m.locks[0]; l.owner != 2 || !l.granted {
		t.Fatalf("lock %+v", l)
	}
	m.unlock(0)
	m.lock(3, 0)
	run(t, m, 14)
	l, th := m.locks[0], &m.threads[1]
	if l.owner != 4 || l.n != 1 || l.queue[0] != 2 || th.wait != forLock {
		t.Errorf("lock %+v, and thread 1 waits for %v", l, th.wait)
	}
	run(t, m, 50)
	if l := m.locks[0]; l.owner != 2 || l.granted || th.r[4] != 1 {
		t.Errorf("in the end lock %+v, and thread 1 at %d", l, th.r[4])
	}
}

// In the same cycle, CPU 0 comes first. Lock 16 is lock 0.
func TestLockSameCycle(t *testing.T) {
	m := machine(t, Config{CPUs: 2, Threads: 1}, `
		nop; addiu $4,$0,16; lui $2,0x2000; sw $4,4($2); a: j a; .org 0x30
		nop; nop; lui $2,0x2000; sw $0,4($2); b: j b`)
	run(t, m, 10)
	if l := m.locks[0]; l.owner != 1 || l.n != 1 || l.queue[0] != 2 {
		t.Errorf("lock %v", l)
	}
}

func TestDeadlock(t *testing.T) {
	m := machine(t, Config{CPUs: 1, Threads: 2}, `
		nop; lui $2,0x2000; sw $0,4($2); sw $0,4($2); .org 0x30
		nop; lui $2,0x2000; sw $0,4($2)`)
	_, err := m.Run(1000)
	if err == nil || !strings.Contains(err.Error(), "all threads wait for locks, thread 1 for lock 0 of thread 0, thread 0 for lock 0 of thread 0") {
		t.Errorf("error %v", err)
	}
	if _, again := m.Run(2000); again != err {
		t.Errorf("and then %v", again)
	}
}

// Producers and consumers share a ring under a lock, in all orders of two delays: what is
// put in comes out, once and in order.
func TestQueueInAllOrders(t *testing.T) {
	for d := range 64 {
		m := machine(t, Config{CPUs: 2, Threads: 2}, threads(4, fmt.Sprintf(`
		main:	li $20,0x04050000; li $22,0x20000004; li $23,0x40000004; addiu $21,$0,5
			addiu $8,$0,%d; addiu $9,$0,%d
			andi $1,$26,1; bne $1,$0,consume
		wait:	beq $8,$0,put; addiu $8,$8,-1; j wait
		put:	sw $21,0($22); lw $2,0($20); slti $3,$2,40; beq $3,$0,full
			sll $4,$2,2; addu $4,$4,$20; sw $2,0x100($4); addiu $2,$2,1; sw $2,0($20)
		full:	sw $21,0($23); j put
		consume:	beq $9,$0,get; addiu $9,$9,-1; j consume
		get:	sw $21,0($22); lw $2,0($20); lw $3,4($20); beq $2,$3,none
			sll $4,$3,2; addu $4,$4,$20; lw $5,0x100($4); sw $5,0x200($4); addiu $3,$3,1; sw $3,4($20)
		none:	sw $21,0($23); j get`, d%8, d/8)))
		run(t, m, 20_000)
		for i := range uint32(40) {
			if got := m.word(0x04050200 + 4*i); got != i {
				t.Fatalf("delays %d: entry %d is %d", d, i, got)
			}
		}
		if m.word(0x04050004) != 40 {
			t.Fatalf("delays %d: %d came out", d, m.word(0x04050004))
		}
	}
}
