package image

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../programs/images/" + name + ".elf")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadELF(t *testing.T) {
	img, err := ReadELF(bytes.NewReader(readFile(t, "hello")))
	if err != nil {
		t.Fatal(err)
	}
	if len(img.Text) < 16*netthreads.ThreadText || len(img.Text)%4 != 0 {
		t.Errorf("%d bytes of text", len(img.Text))
	}
	if first := binary.BigEndian.Uint32(img.Text); first != 0 {
		t.Errorf("the first instruction is %08x and not a nop", first)
	}
	if !bytes.Contains(img.Data, []byte("I am the wonderful thread 2\n\x00")) {
		t.Errorf("the data is %q", img.Data)
	}
	last := uint32(0)
	for _, s := range img.Symbols {
		if s.Addr < last {
			t.Errorf("%s is not in order", s.Name)
		}
		last = s.Addr
	}
	if s := img.Lookup(netthreads.TextBase); s == nil || s.Name != "start" || !s.Func {
		t.Errorf("at the start is %+v", s)
	}
	if _, err := netthreads.New(img, nil); err != nil {
		t.Error(err)
	}
}

// sectionHeader returns the header of the nth section of a file.
func sectionHeader(b []byte, n int) []byte {
	return b[binary.BigEndian.Uint32(b[32:])+40*uint32(n):]
}

const (
	sectionFlags = 8
	sectionAddr  = 12
	sectionSize  = 20
)

// put writes a word of a section's header; 1 is the text, and 2 the data.
func put(b []byte, section, field int, v uint32) []byte {
	binary.BigEndian.PutUint32(sectionHeader(b, section)[field:], v)
	return b
}

func TestReadELFRefuses(t *testing.T) {
	good := readFile(t, "hello")
	for _, c := range []struct {
		why, want string
		edit      func(b []byte) []byte
	}{
		{"empty", "EOF", func(b []byte) []byte { return nil }},
		{"no ELF", "no ELF file", func(b []byte) []byte { b[0] = 0; return b }},
		{"little-endian", "32-bit big-endian MIPS", func(b []byte) []byte { b[5] = 1; return b }},
		{"64-bit", "32-bit big-endian MIPS", func(b []byte) []byte { b[4] = 2; return b }},
		{"x86", "32-bit big-endian MIPS", func(b []byte) []byte { b[19] = 3; return b }},
		{"an object", "not linked", func(b []byte) []byte { b[17] = 1; return b }},
		{"no sections", "no sections", func(b []byte) []byte { b[48], b[49] = 0, 0; return b }},
		{"cut", "", func(b []byte) []byte { return b[:len(b)/2] }},
		{"text elsewhere", "link it for NetThreads", func(b []byte) []byte { return put(b, 1, sectionAddr, 0x400000) }},
		{"text beyond the end", "link it for NetThreads", func(b []byte) []byte {
			return put(b, 1, sectionAddr, netthreads.TextBase+netthreads.MaxText-4)
		}},
		{"text below the start", "link it for NetThreads", func(b []byte) []byte { return put(b, 1, sectionAddr, netthreads.TextBase-4) }},
		{"data elsewhere", "link it for NetThreads", func(b []byte) []byte { return put(b, 2, sectionAddr, 0xfffffff0) }},
		{"data that is not there", "not all there", func(b []byte) []byte { return put(b, 2, sectionSize, 60<<20) }},
		{"compressed", "compressed", func(b []byte) []byte {
			return put(b, 2, sectionFlags, 0x803)
		}},
		{"no text", "no instructions", func(b []byte) []byte { return put(b, 1, sectionSize, 0) }},
	} {
		img, err := ReadELF(bytes.NewReader(c.edit(bytes.Clone(good))))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		}
		if img != nil {
			t.Errorf("%s: there is an image", c.why)
		}
	}
}

// Whatever is read, the machine takes or refuses.
func FuzzReadELF(f *testing.F) {
	for _, name := range []string{"hello", "bounce", "pktgen"} {
		f.Add(readFile(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := ReadELF(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(img.Text)%4 != 0 || len(img.Text) > netthreads.MaxText || len(img.Data) > netthreads.MaxData {
			t.Fatalf("%d bytes of text, %d of data", len(img.Text), len(img.Data))
		}
		if len(img.Data) > 1<<20 || len(img.Text) <= 7*netthreads.ThreadText {
			return // slow, or too short for eight threads
		}
		m, err := netthreads.New(img, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Run(1000)
	})
}

// Sections that are only room are zeros behind the data, as far as they are there.
func TestReadELFZeros(t *testing.T) {
	const sectionType, nobits, alloc = 4, 8, 3
	b := readFile(t, "hello")
	data := binary.BigEndian.Uint32(sectionHeader(b, 2)[sectionSize:])
	room := func(b []byte, addr, size uint32) *netthreads.Image {
		put(put(put(put(b, 3, sectionType, nobits), 3, sectionFlags, alloc), 3, sectionAddr, addr), 3, sectionSize, size)
		img, err := ReadELF(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	for _, c := range []struct{ addr, size, want uint32 }{
		{netthreads.DataBase + data + 8, 100, 108},
		{netthreads.DataBase, data, 0},
		{netthreads.DataBase + 4, data, 4},
		{netthreads.DataBase + data, 0, 0},
		{0x08000000, 100, 0}, // output memory
		{netthreads.DataBase + data, 0xffffffff, 0},
	} {
		img := room(bytes.Clone(b), c.addr, c.size)
		if len(img.Data) != int(data) || img.Zeros != int(c.want) {
			t.Errorf("%x bytes at %x: %d bytes of data and %d zeros, want %d and %d", c.size, c.addr, len(img.Data), img.Zeros, data, c.want)
		}
		if _, err := netthreads.New(img, nil); err != nil {
			t.Error(err)
		}
	}
}
