package netthreads

import "testing"

// What each access costs: with lines of 32 bytes that take 20 cycles and 4 for the
// transfer.
func TestCacheTiming(t *testing.T) {
	const fetch = 24 // of the first line: instructions 0 to 7
	for _, test := range []struct {
		name, text string
		cycles     uint64 // until the program is at its end
		data       uint64 // of them, waiting for data
	}{
		{"hits", "nop; nop; nop; a: j a", fetch + 3, 0},
		{"a second line", "nop; nop; nop; nop; nop; nop; nop; nop; nop; a: j a", 2*fetch + 9, 0},
		{"a miss and a hit", "lui $2,0x0404; lw $3,0($2); lw $3,28($2); a: j a", fetch + 3 + 24, 24},
		{"two lines", "lui $2,0x0404; lw $3,0($2); lw $3,32($2); a: j a", fetch + 3 + 48, 48},
		{"the same place twice", "lui $2,0x0404; lw $3,0($2); lw $3,16384($2); lw $3,0($2); a: j a", fetch + 4 + 72, 72},
		{"a changed line is written", "lui $2,0x0404; sw $3,0($2); lw $3,16384($2); lw $3,0($2); a: j a", fetch + 4 + 72 + 4, 76},
		{"other memories are fast", "lui $2,0x0800; lw $3,0($2); lui $2,0xc000; lw $3,0($2); a: j a", fetch + 4, 0},
	} {
		m := machine(t, Config{CPUs: 1, Threads: 1, Memory: &Memory{}}, test.text)
		end := uint32(len(m.text) - 1)
		for m.threads[0].pc != end || m.threads[0].wait != none {
			run(t, m, m.Cycle()+1)
			if m.Cycle() > 1000 {
				t.Fatal("the end is not reached")
			}
		}
		p := m.Profile().Threads[0]
		if m.Cycle() != test.cycles || p.Data != test.data || p.Issued+p.Fetch+p.Data != m.Cycle() {
			t.Errorf("%s: %d cycles, %+v: want %d, %d waiting for data", test.name, m.Cycle(), p, test.cycles, test.data)
		}
	}
}

// While one thread waits for memory the others of its CPU go on; and of two CPUs that use
// the data cache in the same cycle one waits a turn, each in turn.
func TestCacheIsShared(t *testing.T) {
	m := machine(t, Config{CPUs: 1, Threads: 2, Memory: &Memory{}}, `
		nop; lui $2,0x0404; a: lw $3,0($2); addiu $2,$2,2048; j a; .org 0x30; nop; b: addiu $3,$3,1; j b`)
	run(t, m, 10_000)
	p := m.Profile().Threads
	if p[0].Data < 3900 || p[1].Issued < 4900 || p[1].Data != 0 {
		t.Errorf("%+v", p)
	}

	m = machine(t, Config{CPUs: 2, Threads: 1, Memory: &Memory{}}, `
		nop; lui $2,0x0404; a: lw $3,0($2); lw $3,0($2); lw $3,0($2); j a; .org 0x30; nop; lui $2,0x0404; b: lw $3,0($2); lw $3,0($2); lw $3,0($2); j b`)
	run(t, m, 10_000)
	p = m.Profile().Threads
	if d := int64(p[0].Issued) - int64(p[1].Issued); d < -100 || d > 100 || p[0].Data+p[1].Data < 100 {
		t.Errorf("%+v", p)
	}
}

// Time does not change what a program computes: with memory that takes time the busy
// threads, each of which depends on none of the others, have the results that they have
// without, later.
func TestCacheChangesNoResult(t *testing.T) {
	const text = `
	main:	li $8,0x04050000; sll $9,$26,12; addu $8,$8,$9; addiu $4,$0,500; addiu $12,$26,77
	turn:	andi $5,$12,0xffc; addu $5,$5,$8; lw $6,0($5); addu $6,$6,$12; sw $6,0($5)
		sll $2,$12,13; xor $12,$12,$2; srl $2,$12,17; xor $12,$12,$2; sll $2,$12,5; xor $12,$12,$2
		addiu $4,$4,-1; bne $4,$0,turn
	end:	j end`
	ideal := machine(t, Config{}, threads(8, text))
	run(t, ideal, 1_000_000)
	for _, config := range []Memory{{}, {Line: 8, Latency: 3}, {Data: 1024, Instructions: 64, Line: 64, Latency: 100}} {
		m := machine(t, Config{Memory: &config}, threads(8, text))
		for at := uint64(0); at < 10_000_000; at += 1_000_000 {
			run(t, m, at)
		}
		for n := range m.threads {
			if m.threads[n].r[12] != ideal.threads[n].r[12] || m.threads[n].r[4] != 0 {
				t.Errorf("%+v, thread %d: $12 is %x, %d turns to go", config, n, m.threads[n].r[12], m.threads[n].r[4])
			}
		}
		if string(m.memory) != string(ideal.memory) {
			t.Errorf("%+v: memory differs", config)
		}
		total := uint64(0)
		for _, p := range m.Profile().Threads {
			if p.Issued+p.Fetch+p.Data != m.Cycle()/4 {
				t.Errorf("%+v: %+v in %d cycles", config, p, m.Cycle())
			}
			total += p.Data
		}
		if total == 0 {
			t.Errorf("%+v: nobody waited", config)
		}
	}
}
