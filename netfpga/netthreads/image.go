package netthreads

import (
	"errors"
	"fmt"
	"sort"
)

// Where a program is linked to, and what there is room for.
const (
	TextBase = 0x20000000
	DataBase = 0x04040000
	MaxText  = 1 << 18
	MaxData  = memoryBase + memorySize - DataBase

	// ThreadText is how far the entries of two threads are apart: thread t begins at
	// TextBase + t*ThreadText.
	ThreadText = 0x30
)

// Image is a program as the loader writes it into the machine.
type Image struct {
	Text    []byte   // instructions, from TextBase: at most MaxText bytes, whole words
	Data    []byte   // initialised data, from DataBase: at most MaxData bytes
	Zeros   int      // bytes behind Data that the program counts on being 0, MaxData with Data
	Symbols []Symbol // by address; may be empty
}

// Symbol is a name in an image.
type Symbol struct {
	Name       string
	Addr, Size uint32 // Size is 0 where it is not known
	Func       bool
}

// Lookup returns the symbol that addr belongs to, nil if none: the last one at or before
// it, in the same one of the two segments, that does not end before addr.
func (img *Image) Lookup(addr uint32) *Symbol {
	syms := img.Symbols
	for n := sort.Search(len(syms), func(n int) bool { return syms[n].Addr > addr }) - 1; n >= 0; n-- {
		s := &syms[n]
		if (s.Addr >= TextBase) != (addr >= TextBase) {
			return nil
		}
		if s.Name != "" && (s.Size == 0 || addr-s.Addr < s.Size) {
			return s
		}
	}
	return nil
}

// Name returns addr as symbol+offset, and "" where there is no symbol.
func (img *Image) Name(addr uint32) string {
	s := img.Lookup(addr)
	switch {
	case s == nil:
		return ""
	case s.Addr == addr:
		return s.Name
	}
	return fmt.Sprintf("%s+0x%x", s.Name, addr-s.Addr)
}

// OneCPU reports whether the image is linked for one CPU of four threads: the start of the
// fifth is a loop of nothing, and those behind it are elsewhere than a second CPU's.
func (img *Image) OneCPU() bool {
	const entry = 4 * ThreadText
	for at := uint32(entry); at < entry+ThreadText; at += 4 {
		w, ok := img.Word(at)
		i := decode(w, at/4)
		switch {
		case !ok:
			return false
		case i.op == opJ, i.op == opBEQ && i.s == i.t:
			return i.imm >= entry/4 && i.imm <= at/4
		case w != 0:
			return false
		}
	}
	return false
}

// ErrShort is that an image has not the starts of all threads of a machine.
var ErrShort = errors.New("too few threads")

// check says whether a machine of n threads can run the image.
func (img *Image) check(n int) error {
	switch {
	case len(img.Text)%4 != 0:
		return fmt.Errorf("the text has %d bytes: it must consist of whole words", len(img.Text))
	case len(img.Text) > MaxText:
		return fmt.Errorf("the text has %d bytes: the instruction memory has %d", len(img.Text), MaxText)
	case len(img.Text) <= (n-1)*ThreadText:
		return fmt.Errorf("%w: the text has %d bytes, and thread %d begins at 0x%x: run it with fewer threads or CPUs, or link it with the start-up code first",
			ErrShort, len(img.Text), n-1, (n-1)*ThreadText)
	case img.Zeros < 0 || len(img.Data)+img.Zeros > MaxData:
		return fmt.Errorf("the data has %d bytes: there is room for %d", len(img.Data)+img.Zeros, MaxData)
	}
	if !sort.SliceIsSorted(img.Symbols, func(i, j int) bool { return img.Symbols[i].Addr < img.Symbols[j].Addr }) {
		return fmt.Errorf("the symbols are not sorted by address")
	}
	return nil
}

// dataEnd returns where the data of the image ends, the zeroed part included as far as
// the symbols tell.
func (img *Image) dataEnd() uint32 {
	end := uint32(DataBase + len(img.Data) + img.Zeros)
	for _, s := range img.Symbols {
		if s.Func || s.Size == 0 || s.Size > memorySize || s.Addr < memoryBase || s.Addr-memoryBase >= memorySize {
			continue
		}
		end = max(end, s.Addr+s.Size)
	}
	return end
}
