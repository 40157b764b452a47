package netthreads

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	var lines []string
	log := func(thread int, cycle uint64, line string) {
		lines = append(lines, fmt.Sprintf("%d@%d %s", thread, cycle, line))
	}
	m := machine(t, Config{CPUs: 1, Threads: 1, Log: log}, `
		lui $2,0x6000; addiu $3,$0,0x48; sw $3,4($2); addiu $3,$0,0x69; sw $3,4($2); sw $0,4($2); addiu $3,$0,10; sw $3,4($2)
		li $3,0x04050000; sw $3,4($2); addiu $4,$0,-7; sw $4,4($2); sw $3,4($2); sw $0,4($2); a: j a`)
	copy(m.ram(0x04050000), "%d of 100%% in %p\n\x00")
	run(t, m, 100)
	if want := []string{"0@7 Hi", "0@14 -7 of 100% in 0x4050000"}; !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
}

func TestPrintf(t *testing.T) {
	text := uint32(0x04051000)
	for _, test := range []struct {
		format string
		args   []uint32
		want   string
	}{
		{"plain", nil, "plain"},
		{"%d %i %u", []uint32{0xffffffff, 5, 0xffffffff}, "-1 5 4294967295"},
		{"%08x|%X|%#x|%o", []uint32{0xbeef, 0xbeef, 0xbeef, 8}, "0000beef|BEEF|0xbeef|10"},
		{"%5d|%-5d|%05d|%+d", []uint32{7, 7, 7, 7}, "    7|7    |00007|+7"},
		{"%c%3c", []uint32{'a', 'b'}, "a  b"},
		{"%s|%10s|%.3s", []uint32{text, text, text}, "a text|    a text|a t"},
		{"%ld %lu %hx %zd", []uint32{1, 2, 3, 4}, "1 2 3 4"},
		{"%d %lld %d", []uint32{1, 0, 2}, "(bad format) %d %lld %d"},
		{"%jd", []uint32{1}, "(bad format) %jd"},
		{"%*d", []uint32{1}, "(bad format) %*d"},
		{"%-.*s", []uint32{1}, "(bad format) %-.*s"},
		{"%5.1f%%", []uint32{1}, "(bad format) %5.1f%%"},
		{"%Lg %d", []uint32{1, 2}, "(bad format) %Lg %d"},
		{"%%f %%lld %d", []uint32{1}, "%f %lld 1"},
		{"100%%", nil, "100%"},
		{"%%d %d", []uint32{3}, "%d 3"},
		{"%s", []uint32{0}, "(no text at 0x0)"},
		{"%y", []uint32{1}, "(%y of 0x1)"},
		{"%999999999d", []uint32{1}, "1"},
		{"at the end %", []uint32{1}, "at the end "},
		{"%5%", []uint32{1, 2}, "%"},
		{"no newline\nand more", nil, "no newline\nand more"},
	} {
		var got []string
		m := machine(t, Config{CPUs: 1, Threads: 1, Log: func(_ int, _ uint64, line string) { got = append(got, line) }}, "nop")
		copy(m.ram(0x04050000), test.format+"\x00")
		copy(m.ram(text), "a text\x00")
		m.print(0, 0x04050000)
		for _, a := range test.args {
			m.print(0, a)
		}
		m.print(0, 0)
		m.print(0, '\n')
		if s := strings.Join(got, "\n"); s != test.want {
			t.Errorf("%q: got %q, want %q", test.format, s, test.want)
		}
	}
}

// A line without an end is handed on all the same.
func TestLongLine(t *testing.T) {
	var got []int
	m := machine(t, Config{CPUs: 1, Threads: 1, Log: func(_ int, _ uint64, line string) { got = append(got, len(line)) }}, "nop")
	for range 2500 {
		m.print(0, 'x')
	}
	m.print(0, '\n')
	if !slices.Equal(got, []int{1024, 1024, 452}) {
		t.Errorf("lines of %d", got)
	}
}

// Flush hands on what has no newline, once, by thread.
func TestFlush(t *testing.T) {
	var got []string
	m := machine(t, Config{CPUs: 1, Threads: 3, Log: func(n int, _ uint64, line string) { got = append(got, fmt.Sprint(n, line)) }}, threads(3, "main: j main"))
	m.print(2, 'c')
	m.print(0, 'a')
	m.Flush()
	m.Flush()
	m.print(2, 'd')
	m.print(2, '\n')
	if want := []string{"0a", "2c", "2d"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
