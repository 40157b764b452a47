package netthreads

import (
	"fmt"
	"strings"
)

// maxLine is how much text a thread prints before it is handed on without a newline.
const maxLine = 1 << 10

// printer is what a thread writes to PRINTF. A word below 256 is a character. Any other
// begins a call: it is the address of a format, which the arguments follow, one word for
// each conversion, and then one more, whose value does not count. A format with a conversion
// that takes more than a word, or several, is printed as it is, behind "(bad format)".
type printer struct {
	line   []byte
	format string
	args   []uint32
	need   int
	called bool // a format has been written, and its call is not complete
}

// print writes v to the PRINTF register for thread n.
func (m *Machine) print(n int, v uint32) bool {
	p := &m.threads[n].print
	switch {
	case p.called && len(p.args) < p.need:
		p.args = append(p.args, v)
	case p.called:
		m.printf(n)
		p.called, p.args = false, p.args[:0]
	case v == 0:
	case v < 256:
		m.emit(n, byte(v))
	default:
		format, ok := m.text0(v)
		if !ok {
			return m.fail(n, "PRINTF of 0x%08x, which is not the address of a text", v)
		}
		p.called, p.format, p.need = true, format, conversions(format)
	}
	return true
}

// modifiers are the characters between the % and the verb of a conversion.
const modifiers = "-+ #0123456789.hlzjt"

// misaligned reports whether a format has a conversion that takes more of the arguments
// than the one word that the program writes for each %: those behind it would be shifted.
func misaligned(format string) bool {
	for {
		_, conversion, found := strings.Cut(format, "%")
		if !found {
			return false
		}
		verb := strings.TrimLeft(conversion, modifiers)
		between := conversion[:len(conversion)-len(verb)]
		if strings.Contains(between, "ll") || strings.Contains(between, "j") {
			return true
		}
		if verb == "" {
			return false
		}
		if strings.IndexByte("*LqaAeEfFgG", verb[0]) >= 0 {
			return true
		}
		format = verb[1:]
	}
}

// conversions counts the arguments that a format asks for, as the program does: each % is
// for one, but for that of %%.
func conversions(format string) int {
	return strings.Count(strings.ReplaceAll(format, "%%", ""), "%")
}

// text0 returns the text at addr that a zero ends.
func (m *Machine) text0(addr uint32) (string, bool) {
	var b strings.Builder
	for ; b.Len() < maxLine; addr++ {
		p := m.ram(addr)
		if p == nil {
			return "", false
		}
		if p[0] == 0 {
			return b.String(), true
		}
		b.WriteByte(p[0])
	}
	return b.String(), true
}

// emit adds a character to the line of thread n.
func (m *Machine) emit(n int, b byte) {
	p := &m.threads[n].print
	if b != '\n' {
		if p.line = append(p.line, b); len(p.line) < maxLine {
			return
		}
	}
	m.endLine(n)
}

// Flush hands on to Config.Log what threads have printed and not ended with a newline. It
// is for the end of a run.
func (m *Machine) Flush() {
	for n := range m.threads {
		if len(m.threads[n].print.line) > 0 {
			m.endLine(n)
		}
	}
}

// endLine hands on the line of thread n.
func (m *Machine) endLine(n int) {
	p := &m.threads[n].print
	if m.config.Log != nil {
		m.config.Log(n, m.cycle, string(p.line))
	}
	p.line = p.line[:0]
}

// printf prints the format of thread n with its arguments.
func (m *Machine) printf(n int) {
	p := &m.threads[n].print
	args := p.args
	if misaligned(p.format) {
		for _, b := range []byte("(bad format) " + p.format) {
			m.emit(n, b)
		}
		return
	}
	for f := p.format; f != ""; f = f[1:] {
		if f[0] != '%' {
			m.emit(n, f[0])
			continue
		}
		verb := 1
		for verb < len(f) && strings.IndexByte(modifiers, f[verb]) >= 0 {
			verb++
		}
		if verb == len(f) {
			// The % that ends a format is an argument by the program's count.
			return
		}
		text := "%"
		if f[verb] != '%' && len(args) > 0 {
			text = m.convert(f[1:verb], f[verb], args[0])
			args = args[1:]
		}
		for _, b := range []byte(text) {
			m.emit(n, b)
		}
		f = f[verb:]
	}
}

// convert returns the text of one argument.
func (m *Machine) convert(flags string, verb byte, v uint32) string {
	flags = strings.Trim(flags, "hlzjt")
	if len(flags) > 8 || longest(flags) > maxLine {
		flags = ""
	}
	switch verb {
	case 'd', 'i':
		return fmt.Sprintf("%"+flags+"d", int32(v))
	case 'u':
		return fmt.Sprintf("%"+flags+"d", v)
	case 'x', 'X', 'o':
		return fmt.Sprintf("%"+flags+string(verb), v)
	case 'c':
		return fmt.Sprintf("%"+flags+"s", []byte{byte(v)})
	case 'p':
		return fmt.Sprintf("0x%x", v)
	case 's':
		s, ok := m.text0(v)
		if !ok {
			s = fmt.Sprintf("(no text at 0x%x)", v)
		}
		return fmt.Sprintf("%"+flags+"s", s)
	}
	return fmt.Sprintf("(%%%c of 0x%x)", verb, v)
}

// longest returns the greatest number in flags: the width or the precision.
func longest(flags string) int {
	most, n := 0, 0
	for _, b := range []byte(flags) {
		if n = n*10 + int(b-'0'); b < '0' || b > '9' {
			n = 0
		}
		most = max(most, n)
	}
	return most
}
