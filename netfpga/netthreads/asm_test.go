package netthreads

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// assemble returns the image of a program: an instruction a line, as Disassemble writes
// them, with labels for addresses; li for lui and ori; .org and .word. A # begins a comment.
func assemble(t testing.TB, text string) *Image {
	t.Helper()
	var lines []string
	labels := map[string]uint32{}
	var symbols []Symbol
	at := uint32(0)
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if label, rest, ok := strings.Cut(line, ":"); ok {
			labels[label] = at
			symbols = append(symbols, Symbol{Name: label, Addr: address(at), Func: true})
			line = strings.TrimSpace(rest)
		}
		if line == "" {
			continue
		}
		if name, rest, _ := strings.Cut(line, " "); name == "li" {
			r, v, _ := strings.Cut(rest, ",")
			n := uint32(number(t, v))
			lines = append(lines, fmt.Sprintf("lui %s,%d", r, n>>16))
			line = fmt.Sprintf("ori %s,%s,%d", r, r, n&0xffff)
			at++
		} else if name == ".org" {
			for ; at < uint32(number(t, rest))/4; at++ {
				lines = append(lines, "nop")
			}
			continue
		}
		lines = append(lines, line)
		at++
	}
	img := &Image{Symbols: symbols}
	for n, line := range lines {
		img.Text = binary.BigEndian.AppendUint32(img.Text, encode(t, line, uint32(n), labels))
	}
	return img
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	v, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// encode returns the word of one instruction, which is number at of the program.
func encode(t testing.TB, line string, at uint32, labels map[string]uint32) uint32 {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	args := strings.Split(strings.ReplaceAll(strings.ReplaceAll(rest, "(", ","), ")", ""), ",")
	arg := func(n int) uint32 {
		if n >= len(args) {
			t.Fatalf("%q: too few operands", line)
		}
		s := strings.TrimSpace(args[n])
		if s, _, ok := strings.Cut(s, " <"); ok {
			return uint32(number(t, s))
		}
		if v, ok := labels[s]; ok {
			return address(v)
		}
		return uint32(number(t, strings.TrimPrefix(s, "$")))
	}
	offset := func(n int) uint32 { return (arg(n)>>2 - at - 1) & 0xffff }
	switch name {
	case "nop":
		return 0
	case ".word":
		return arg(0)
	}
	for f, i := range special {
		if i.op == opUnknown || names[i.op] != name {
			continue
		}
		w := uint32(f)
		switch {
		case i.a:
			return w | arg(0)<<11 | arg(1)<<16 | arg(2)<<6
		case i.op == opJR:
			return w | arg(0)<<21
		case i.op == opJALR:
			return w | arg(0)<<11 | arg(1)<<21
		case i.op == opSLLV || i.op == opSRLV || i.op == opSRAV:
			return w | arg(0)<<11 | arg(1)<<16 | arg(2)<<21
		}
		return w | arg(0)<<11 | arg(1)<<21 | arg(2)<<16
	}
	for c, o := range immediate {
		if o == opUnknown || names[o] != name {
			continue
		}
		w := uint32(c) << 26
		switch {
		case o == opBEQ || o == opBNE:
			return w | arg(0)<<21 | arg(1)<<16 | offset(2)
		case o.branch():
			return w | arg(0)<<21 | offset(1)
		case o == opLUI:
			return w | arg(0)<<16 | arg(1)&0xffff
		case o.load() || o.store():
			return w | arg(0)<<16 | arg(2)<<21 | arg(1)&0xffff
		}
		return w | arg(0)<<16 | arg(1)<<21 | arg(2)&0xffff
	}
	switch name {
	case "bltz":
		return 1<<26 | arg(0)<<21 | offset(1)
	case "bgez":
		return 1<<26 | arg(0)<<21 | 1<<16 | offset(1)
	case "j":
		return 2<<26 | arg(0)>>2&(1<<26-1)
	case "jal":
		return 3<<26 | arg(0)>>2&(1<<26-1)
	}
	t.Fatalf("%q: no such instruction", line)
	return 0
}

// machine returns one that runs a program.
func machine(t testing.TB, config Config, text string) *Machine {
	t.Helper()
	m, err := New(assemble(t, text), &config)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// one is the configuration of a single thread.
var one = Config{CPUs: 1, Threads: 1}

// run goes on to a cycle, and fails the test unless that is reached.
func run(t testing.TB, m *Machine, limit uint64) {
	t.Helper()
	if stop, err := m.Run(limit); stop != Limit || err != nil {
		t.Fatalf("stop %d, %v", stop, err)
	}
}
