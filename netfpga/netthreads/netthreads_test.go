package netthreads

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Each CPU issues an instruction of one thread a cycle, and a thread every fourth cycle.
func TestRoundRobin(t *testing.T) {
	var got []string
	m := machine(t, Config{Trace: func(s Step) { got = append(got, fmt.Sprintf("%d:%d:%x", s.Cycle, s.Thread, s.PC-TextBase)) }}, threads(8, "main: j main"))
	run(t, m, 6)
	want := "0:0:0 0:4:c0 1:1:30 1:5:f0 2:2:60 2:6:120 3:3:90 3:7:150 4:0:4 4:4:c4 5:1:34 5:5:f4"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestThreadsStart(t *testing.T) {
	m := machine(t, Config{CPUs: 4, Threads: 2}, threads(8, "main: j main"))
	for n := range m.threads {
		if pc := address(m.threads[n].pc); pc != uint32(0x20000000+0x30*n) {
			t.Errorf("thread %d begins at 0x%x", n, pc)
		}
	}
	run(t, m, 8)
	for n := range m.threads {
		if r := m.threads[n].r; r[26] != uint32(n) && n > 0 {
			t.Errorf("thread %d: $26 is %d", n, r[26])
		}
	}
}

// The clock counts cycles in 32 bits, and wraps.
func TestTime(t *testing.T) {
	m := machine(t, Config{CPUs: 1, Threads: 1, Clock: 0xfffffffe}, "lui $2,0xc000; lw $3,0($2); lw $4,0($2); lw $5,0($2); a: j a")
	run(t, m, 10)
	if r := m.threads[0].r; r[3] != 0xffffffff || r[4] != 0 || r[5] != 1 {
		t.Errorf("%x %x %x", r[3], r[4], r[5])
	}
	run(t, m, 1<<32)
	if m.Time() != 0xfffffffe || m.Cycle() != 1<<32 {
		t.Errorf("time 0x%x", m.Time())
	}
}

func TestData(t *testing.T) {
	img := assemble(t, "li $2,0x04040000; lw $3,4($2); li $2,0x07fffffc; sw $3,0($2); lw $4,0($2); lw $5,-4($2); a: j a")
	img.Data = []byte{1, 2, 3, 4, 5, 6, 7, 8}
	m, err := New(img, &one)
	if err != nil {
		t.Fatal(err)
	}
	run(t, m, 20)
	if r := m.threads[0].r; r[3] != 0x05060708 || r[4] != r[3] || r[5] != 0 {
		t.Errorf("%x", r[3:6])
	}
}

func TestProfile(t *testing.T) {
	m := machine(t, Config{CPUs: 1, Threads: 1, Profile: true}, `
		main: lui $2,0xc000; li $22,0x20000004; addiu $8,$0,10
		count: addiu $8,$8,-1; bne $8,$0,count; sw $0,0($22)
		spin: lw $3,0($2); slti $4,$3,130; bne $4,$0,spin
		end: j end`)
	run(t, m, 300)
	p := m.Profile()
	th := p.Threads[0]
	if p.Cycles != 300 || th.Issued != 300 || th.Spin != 105 || th.Lock != 0 {
		t.Errorf("%+v", th)
	}
	want := []FunctionProfile{{"end", 167, []uint64{167}}, {"spin", 108, []uint64{108}}, {"count", 21, []uint64{21}}, {"main", 4, []uint64{4}}}
	if !slices.EqualFunc(p.Functions, want, func(a, b FunctionProfile) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("%v, want %v", p.Functions, want)
	}
}

// A machine that is run in pieces does what one does that is run in one.
func TestRunInPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, text := range []string{threads(8, busy), threads(8, spinners[8].text)} {
		for _, config := range []Config{{}, {Plain: true}, {Memory: &Memory{}}} {
			whole, pieces := machine(t, config, text), machine(t, config, text)
			run(t, whole, 100_000)
			for pieces.Cycle() < 100_000 {
				run(t, pieces, min(100_000, pieces.Cycle()+r.Uint64N(700)))
			}
			if whole.dump() != pieces.dump() {
				t.Errorf("%.40q, %+v: they differ", text, config)
			}
		}
	}
}

func TestRunDoesNotAllocate(t *testing.T) {
	for _, text := range []string{threads(8, busy), threads(8, spinners[8].text)} {
		m := machine(t, Config{}, text)
		run(t, m, 3_000_000)
		if n := testing.AllocsPerRun(100, func() { m.Run(m.Cycle() + 10_000) }); n != 0 {
			t.Errorf("%.40q: %v allocations", text, n)
		}
	}
}

// FuzzMachine executes what it is given, as instructions and as packets. Whatever that
// is, the machine comes to the end or to a fault, and is the same without skipping.
func FuzzMachine(f *testing.F) {
	f.Add(assemble(f, threads(8, busy)).Text, uint16(3000), false)
	f.Add(assemble(f, threads(8, spinners[8].text)).Text, uint16(60_000), false)
	f.Add(assemble(f, threads(8, spinners[5].text)).Text, uint16(60_000), true)
	f.Add(assemble(f, sender).Text, uint16(5000), true)
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 300 {
		f.Add(randomText(r, n), uint16(r.Uint32()), n%4 == 0)
	}
	f.Fuzz(func(t *testing.T, text []byte, limit uint16, delay bool) {
		if len(text) > 1<<12 {
			t.Skip()
		}
		img := &Image{Text: append(slices.Clone(text), make([]byte, max(0, 8*ThreadText-len(text)))...)}
		img.Text = img.Text[:len(img.Text)&^3]
		var dumps []string
		configs := []Config{{}, {Plain: true}, {Memory: &Memory{}}}
		if limit%4 == 0 {
			configs = []Config{{IgnoreFaults: true}, {IgnoreFaults: true, Plain: true}}
		}
		for _, config := range configs {
			config.DelaySlots = delay
			m, err := New(img, &config)
			if err != nil {
				t.Fatal(err)
			}
			m.threads[1].r = [64]uint32{4: 0x04050000, 5: 0x08000000, 6: 0x10000000, 7: 0xc0000000, 8: 0x20000004, 9: 0x40000004, 10: 0x80000000, 11: 0xe0000000}
			(&events{limits: []uint64{uint64(limit)}, offers: []uint64{uint64(limit) / 2}}).play(t, m)
			if m.Cycle() < uint64(limit) && m.fault == nil {
				t.Fatalf("stopped in cycle %d of %d, without a fault", m.Cycle(), limit)
			}
			if config.IgnoreFaults && m.fault != nil && !strings.Contains(m.fault.Reason, "all threads wait for locks") {
				t.Fatalf("not ignored: %v", m.fault)
			}
			dumps = append(dumps, fmt.Sprintf("%s%+v", m.dump(), m.Ignored()))
		}
		if dumps[0] != dumps[1] {
			t.Fatalf("skipping:\n%s\nplain:\n%s", dumps[0], dumps[1])
		}
	})
}

// randomText returns words that are mostly instructions.
func randomText(r *rand.Rand, n int) []byte {
	var text []byte
	for len(text) < 8*ThreadText+4*n {
		w := r.Uint32()
		if i := decode(w, 0); r.IntN(20) > 0 && (i.op == opUnknown || i.op == opJ || i.op == opJAL) {
			continue
		}
		text = append(text, byte(w>>24), byte(w>>16), byte(w>>8), byte(w))
	}
	return text
}
