package netthreads

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fault is why a simulation ended. Error is one line; Report is all of it.
type Fault struct {
	Reason    string
	Thread    int
	Cycle     uint64
	PC, Word  uint32     // of the instruction that failed; Word is 0 outside of the program
	Registers [32]uint32 // of the thread
	Last      []uint32   // addresses of the instructions that the thread executed before, the last one last

	image *Image
}

// Error tells what failed and where.
func (f *Fault) Error() string {
	return fmt.Sprintf("netthreads: thread %d at %s, cycle %d: %s", f.Thread, f.place(), f.Cycle, f.Reason)
}

func (f *Fault) place() string {
	if name := f.image.Name(f.PC); name != "" {
		return fmt.Sprintf("0x%08x (%s)", f.PC, name)
	}
	return fmt.Sprintf("0x%08x", f.PC)
}

// Report returns the error, the last instructions of the thread with the one that failed
// at the end, and its registers, in several lines.
func (f *Fault) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", f.Error())
	for _, pc := range f.Last {
		fmt.Fprintf(&b, "  %s\n", f.image.Line(pc))
	}
	fmt.Fprintf(&b, "> %s\n\n", f.image.Line(f.PC))
	for r := 0; r < 32; r += 4 {
		for i := r; i < r+4; i++ {
			fmt.Fprintf(&b, "  %4s %08x", fmt.Sprintf("$%d", i), f.Registers[i])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Word returns the instruction at address pc, and whether there is one.
func (img *Image) Word(pc uint32) (uint32, bool) {
	if o := pc & (MaxText - 1) &^ 3; int(o)+4 <= len(img.Text) {
		return binary.BigEndian.Uint32(img.Text[o:]), true
	}
	return 0, false
}

// Line returns the address, the name and the text of the instruction at address pc.
func (img *Image) Line(pc uint32) string {
	w, ok := img.Word(pc)
	if !ok {
		return fmt.Sprintf("%08x  outside of the program", pc)
	}
	return strings.TrimRight(fmt.Sprintf("%08x  %08x  %-24s  %s", pc, w, img.Name(pc), Disassemble(w, pc, img.Name)), " ")
}

// Ignored is what a program did wrong at a place, with Config.IgnoreFaults.
type Ignored struct {
	Reason string // of the first time
	PC     uint32
	Place  string // PC as symbol+offset, "" where there is no symbol
	Count  uint64
	Thread int    // that was the first
	Cycle  uint64 // of that
}

// Ignored returns what was gone over, by place.
func (m *Machine) Ignored() []Ignored {
	var all []Ignored
	for _, pc := range slices.Sorted(maps.Keys(m.ignored)) {
		all = append(all, *m.ignored[pc])
	}
	return all
}

// ignore counts what thread n does wrong.
func (m *Machine) ignore(n int, format string, args ...any) {
	pc := min(address(m.threads[n].pc), uint32(TextBase+len(m.image.Text))) // behind the program is one place
	i := m.ignored[pc]
	if i == nil {
		i = &Ignored{Reason: fmt.Sprintf(format, args...), PC: pc, Place: m.image.Name(pc), Thread: n, Cycle: m.cycle}
		m.ignored[pc] = i
	}
	i.Count++
	m.effects++ // so that it is not skipped
}

// fail ends the simulation with what thread n is about to do, and returns false. Where faults
// are ignored it only counts it, and returns true: the caller does what the hardware would.
func (m *Machine) fail(n int, format string, args ...any) bool {
	if m.config.IgnoreFaults {
		m.ignore(n, format, args...)
		return true
	}
	return m.end(n, format, args...)
}

// end ends the simulation, and returns false.
func (m *Machine) end(n int, format string, args ...any) bool {
	t := &m.threads[n]
	f := &Fault{
		Reason: fmt.Sprintf(format, args...),
		Thread: n,
		Cycle:  m.cycle,
		PC:     address(t.pc),
		image:  m.image,
	}
	f.Word, _ = m.image.Word(f.PC)
	copy(f.Registers[:], t.r[:])
	for i := min(t.counts.issued, uint64(len(t.recent))); i > 0; i-- {
		f.Last = append(f.Last, address(uint32(t.recent[(t.at-uint8(i))&15])))
	}
	m.fault = f
	return false
}

// deadlock fails with the first thread of those that all wait for locks.
func (m *Machine) deadlock() {
	var b strings.Builder
	for id := range m.locks {
		for _, w := range m.locks[id].queue[:m.locks[id].n] {
			fmt.Fprintf(&b, ", thread %d for lock %d of thread %d", w-1, id, m.locks[id].owner-1)
		}
	}
	m.end(0, "all threads wait for locks%s", b.String())
}
