package netthreads

import (
	"bytes"
	"fmt"
	"testing"
)

// The ten input slots: a packet comes with its header, once, in the order of arrival, and
// the slot is free when it is given back.
func TestInput(t *testing.T) {
	m := machine(t, one, `
		lui $2,0xe000; addiu $3,$0,0; addiu $4,$0,16000; addiu $6,$0,-1
	give:	sw $3,0($2); addiu $3,$3,1600; bne $3,$4,give
		lui $5,0xa000; li $8,0x04050000
	pop:	lw $7,0($5); beq $7,$6,pop
		sw $7,0($8); addiu $8,$8,4
		lw $9,0($7); lw $10,4($7); lw $11,8($7)
	stop:	beq $0,$0,stop`)
	if m.Offer(0, []byte("x")) {
		t.Error("a packet was taken before there is a slot")
	}
	run(t, m, 100)
	if m.Free() != 10 {
		t.Fatalf("%d free slots", m.Free())
	}
	for n := range 11 {
		if got := m.Offer(3, fmt.Appendf(nil, "%d packet", n)); got != (n < 10) {
			t.Errorf("packet %d: %v", n, got)
		}
	}
	run(t, m, 200)
	if r := m.threads[0].r; r[7] != 0x10000000 || r[9] != 1 || r[10] != 3<<16|8 || r[11] != '0'<<24|' '<<16|'p'<<8|'a' {
		t.Errorf("address 0x%x, header %08x %08x, first word %08x", r[7], r[9], r[10], r[11])
	}

	m.Offer(0, nil)
	for n := range 9 {
		if got, want := m.pop(), uint32(0x10000000+1600*(n+1)); got != want {
			t.Errorf("pop %d: 0x%x, want 0x%x", n, got, want)
		}
	}
	if got := m.pop(); got != 0xffffffff {
		t.Errorf("pop: 0x%x", got)
	}
	if err := m.input.give(0x10000000 + 3200); err != "" || m.Free() != 1 {
		t.Errorf("give: %q, %d free", err, m.Free())
	}
	if m.Offer(0, make([]byte, MaxPacket+1)) {
		t.Error("a packet that fits no slot was taken")
	}
	if !m.Offer(0, make([]byte, MaxPacket)) || m.pop() != 0x10000000+3200 {
		t.Error("the slot was not used again")
	}
}

// sender writes two packets and launches them, one for a time.
const sender = `
	lui $14,0x0800; addiu $2,$0,5; sh $2,0($14); sh $2,1600($14)   # to MAC 0 and MAC 1
	li $2,0x61626364; sw $2,8($14); sw $2,1608($14); sb $2,12($14)
	lui $11,0x2000; lui $12,0x4000; lui $13,0x6000; lui $10,0x8000; lui $9,0xc000
	sw $14,0($11); addiu $15,$14,12; sw $15,0($12); addiu $16,$0,0x08; sw $16,0($13)   # 13 bytes
	lw $4,0($9); addiu $5,$4,1000; sw $5,4($10)
	lw $6,0($10)
	lw $17,0($9)
	addiu $14,$14,1600; sw $14,0($11); addiu $15,$14,11; sw $15,0($12); addiu $16,$0,0x10; sw $16,0($13)
	lw $7,0($10)
	lw $18,0($9)
	lw $8,0($10)
stop:	beq $0,$0,stop`

func TestOutput(t *testing.T) {
	for _, plain := range []bool{false, true} {
		m := machine(t, Config{CPUs: 1, Threads: 1, Plain: plain, Clock: 0xffff_ff00}, sender)
		th := &m.threads[0]
		launched := func() Packet {
			t.Helper()
			if stop, err := m.Run(10_000); stop != Launched || err != nil {
				t.Fatalf("stop %d, %v", stop, err)
			}
			if stop, _ := m.Run(10_000); stop != Launched {
				t.Fatal("went on though the packet was not taken")
			}
			p, ok := m.Output()
			if _, again := m.Output(); !ok || again {
				t.Fatal("not one packet")
			}
			return p
		}

		p := launched()
		asked := uint64(th.r[5]) - 0xffff_ff00
		if asked >= 1<<32 {
			asked += 1 << 32 // the register wrapped
		}
		if string(p.Bytes) != "abcdd" || p.Ports != 5 || p.Slot != 0 || p.Launched != m.Cycle()-1 || p.Depart != asked {
			t.Errorf("first packet %+v, for %d", p, asked)
		}
		if th.r[6] != 0x08000000 {
			t.Errorf("the first launch returns 0x%x", th.r[6])
		}

		// The second one waits until the two words of the first have left.
		first := p.Depart
		p = launched()
		if string(p.Bytes) != "abcd" || p.Slot != 1600 || p.Launched != first+2 || p.Depart != p.Launched {
			t.Errorf("second packet %+v; the first one left at %d", p, first)
		}
		if th.r[7] != 0x08000000 || uint64(th.r[17]-0xffff_ff00) >= first {
			t.Errorf("the second launch returns 0x%x; time after the first 0x%x", th.r[7], th.r[17])
		}
		if w := m.Profile().Threads[0].Engine; w < 900 {
			t.Errorf("waited for %d cycles", w)
		}

		// The third is the second again, unscheduled: the time was for one launch only.
		second := p.Depart
		p = launched()
		if th.r[8] != 0x08000000+1600 || p.Launched < second+2 || p.Depart != p.Launched {
			t.Errorf("third packet %+v, the launch returns 0x%x", p, th.r[8])
		}
		run(t, m, 10_000)
	}
}

// A packet leaves when its line is free, and until then the thread that launches the next one waits.
func TestOutputLine(t *testing.T) {
	for _, plain := range []bool{false, true} {
		free := map[uint16]uint64{}
		line := func(ports uint16, bytes int, cycle uint64) uint64 {
			depart := max(cycle, free[ports])
			free[ports] = depart + 100*uint64(bytes)
			return depart
		}
		m := machine(t, Config{CPUs: 1, Threads: 1, Plain: plain, Line: line}, sender)
		var packets []Packet
		for len(packets) < 3 {
			if stop, err := m.Run(100_000); stop != Launched || err != nil {
				t.Fatalf("stop %d, %v", stop, err)
			}
			p, _ := m.Output()
			packets = append(packets, p)
		}
		first, second, third := packets[0], packets[1], packets[2]
		if first.Due != first.Depart || second.Depart != first.Depart+500 || third.Depart != second.Depart+400 {
			t.Errorf("the packets left in cycles %d, %d, %d", first.Depart, second.Depart, third.Depart)
		}
		// The second is launched when the two words of the first have left, and the third
		// when those of the second have.
		if second.Due != second.Launched || second.Launched < first.Depart+2 || second.Launched > first.Depart+3 ||
			third.Launched < second.Depart+2 || third.Launched > second.Depart+3 {
			t.Errorf("%+v, %+v, %+v", first, second, third)
		}
		if w := m.Profile().Threads[0].Engine; w < 900+490 {
			t.Errorf("waited for %d cycles", w)
		}
		run(t, m, 100_000)
	}
}

// Each length has its own last word, as software computes it: (0x101 >> (n & 7)) & 0xff.
func TestOutputLengths(t *testing.T) {
	m := machine(t, one, "lui $2,0x8000; a: lw $3,0($2); j a")
	run(t, m, 1)
	for i := range m.outputs {
		m.outputs[i] = byte(i)
	}
	for n := uint32(9); n <= 1600; n++ {
		for _, base := range []uint32{0x08000000, 0} {
			e := &m.engine
			e.start, e.end, e.endWord = base+1600, base+1600+n-1, 0x101>>(n&7)&0xff
			stop, err := m.Run(m.Cycle() + 1000)
			p, _ := m.Output()
			if stop != Launched || err != nil || !bytes.Equal(p.Bytes, m.outputs[1608:1600+n]) {
				t.Fatalf("%d bytes: %d bytes, %v", n, len(p.Bytes), err)
			}
			run(t, m, m.engine.busy)
		}
	}
}

// A departure in the past is now; one that is up to 17 s ahead is not in the past.
func TestSchedule(t *testing.T) {
	for _, test := range []struct {
		ahead uint32
		late  bool
	}{{0, true}, {1, false}, {1<<31 - 1, false}, {1 << 31, true}, {0xffffffff, true}} {
		m := machine(t, Config{CPUs: 1, Threads: 1, Clock: 0xfffffff0}, "lui $2,0x8000; nop; lw $3,0($2); a: j a")
		run(t, m, 2)
		m.engine.end, m.engine.endWord = 8, 0x80
		m.engine.trigger, m.engine.scheduled = m.Time()+test.ahead, true
		if _, err := m.Run(100); err != nil {
			t.Fatal(err)
		}
		want := uint64(2)
		if !test.late {
			want += uint64(test.ahead)
		}
		if p, _ := m.Output(); p.Depart != want {
			t.Errorf("%d ahead: departs in cycle %d, want %d", test.ahead, p.Depart, want)
		}
	}
}
