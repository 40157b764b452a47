// Package image reads programs for the NetThreads machine from files: ELF executables, as
// the cross compiler makes them, and the pairs of .mif files that the loader of the card
// takes (tech doc sections 4.3 and 4.6).
package image

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// ReadELF reads an executable for 32-bit big-endian MIPS. Its sections of instructions
// must lie from netthreads.TextBase on, and those of data from netthreads.DataBase on; of
// what lies between two of them all bytes are zero. Sections that are only room (.bss) become
// the image's Zeros, as far as they lie behind the data.
//
// The file is not trusted: no memory is taken for what it does not have, beyond that of
// the machine.
func ReadELF(r io.ReaderAt) (*netthreads.Image, error) {
	img, err := read(r)
	if err != nil {
		return nil, fmt.Errorf("reading an ELF image: %w", err)
	}
	return img, nil
}

// segment is the instructions or the data.
type segment struct {
	base, room uint64
	sections   []*elf.Section
	end        uint64 // of the last section, from base
	zeros      uint64 // the end of those that are only room
}

// holds reports whether size bytes at addr lie in the segment.
func (s *segment) holds(addr, size uint64) bool {
	return addr >= s.base && addr-s.base <= s.room && size <= s.room-(addr-s.base)
}

// checkHeader refuses what is no executable for the machine, and files with compressed
// sections: debug/elf would unpack their names, however long, as soon as it opens them.
func checkHeader(r io.ReaderAt) error {
	var h elf.Header32
	if err := binary.Read(io.NewSectionReader(r, 0, int64(binary.Size(h))), binary.BigEndian, &h); err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	switch {
	case string(h.Ident[:4]) != elf.ELFMAG:
		return errors.New("this is no ELF file")
	case elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS32, elf.Data(h.Ident[elf.EI_DATA]) != elf.ELFDATA2MSB,
		elf.Machine(h.Machine) != elf.EM_MIPS:
		return errors.New("this is for another processor: ask for 32-bit big-endian MIPS")
	case elf.Type(h.Type) != elf.ET_EXEC:
		return fmt.Errorf("this is an %v, and not linked to run", elf.Type(h.Type))
	case h.Shnum == 0:
		return errors.New("it has no sections, or more than the header can count")
	}
	for n := range int64(h.Shnum) {
		var s elf.Section32
		at := int64(h.Shoff) + n*int64(h.Shentsize)
		if err := binary.Read(io.NewSectionReader(r, at, int64(binary.Size(s))), binary.BigEndian, &s); err != nil {
			return fmt.Errorf("section %d: %w", n, err)
		}
		if elf.SectionFlag(s.Flags)&elf.SHF_COMPRESSED != 0 {
			return fmt.Errorf("section %d is compressed", n)
		}
	}
	return nil
}

func read(r io.ReaderAt) (*netthreads.Image, error) {
	if err := checkHeader(r); err != nil {
		return nil, err
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	text := &segment{base: netthreads.TextBase, room: netthreads.MaxText}
	data := &segment{base: netthreads.DataBase, room: netthreads.MaxData}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Size == 0 {
			continue
		}
		if s.Type == elf.SHT_NOBITS {
			// What lies outside of the data is not for the loader.
			if data.holds(s.Addr, s.Size) {
				data.zeros = max(data.zeros, s.Addr-data.base+s.Size)
			}
			continue
		}
		if s.Type != elf.SHT_PROGBITS {
			continue
		}
		if n, err := s.ReadAt(make([]byte, 1), int64(s.Size)-1); n != 1 {
			return nil, fmt.Errorf("section %q is not all there: %w", s.Name, err)
		}
		to := data
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			to = text
		}
		if !to.holds(s.Addr, s.Size) {
			return nil, fmt.Errorf("section %q has %d bytes from 0x%08x on, where it cannot be: link it for NetThreads", s.Name, s.Size, s.Addr)
		}
		to.sections = append(to.sections, s)
		to.end = max(to.end, s.Addr-to.base+s.Size)
	}
	if text.end == 0 {
		return nil, errors.New("there are no instructions in it")
	}
	text.end = (text.end + 3) &^ 3
	img := &netthreads.Image{}
	if img.Text, err = text.load(); err != nil {
		return nil, err
	}
	if img.Data, err = data.load(); err != nil {
		return nil, err
	}
	img.Zeros = int(max(data.zeros, data.end) - data.end)
	img.Symbols, err = symbols(f, text, data)
	return img, err
}

func (s *segment) load() ([]byte, error) {
	b := make([]byte, s.end)
	for _, sec := range s.sections {
		at := sec.Addr - s.base
		if _, err := sec.ReadAt(b[at:at+sec.Size], 0); err != nil {
			return nil, fmt.Errorf("section %q: %w", sec.Name, err)
		}
	}
	return b, nil
}

// symbols returns the names of functions and data by address. The compiler's labels, which
// begin with a dot or a dollar, are left out.
func symbols(f *elf.File, text, data *segment) ([]netthreads.Symbol, error) {
	all, err := f.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var named []netthreads.Symbol
	for _, s := range all {
		kind := elf.ST_TYPE(s.Info)
		isCode := text.holds(s.Value, 1)
		switch {
		case s.Section == elf.SHN_UNDEF || s.Section >= elf.SHN_LORESERVE,
			kind != elf.STT_FUNC && kind != elf.STT_OBJECT && kind != elf.STT_NOTYPE,
			s.Name == "" || strings.HasPrefix(s.Name, ".") || strings.HasPrefix(s.Name, "$"),
			!isCode && !data.holds(s.Value, 1),
			s.Size > netthreads.MaxData:
			continue
		}
		named = append(named, netthreads.Symbol{
			Name: s.Name, Addr: uint32(s.Value), Size: uint32(s.Size), Func: isCode,
		})
	}
	slices.SortStableFunc(named, func(a, b netthreads.Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	return named, nil
}
