package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// TestWords has an instruction, and data that does not end with a word.
func TestWords(t *testing.T) {
	img := &netthreads.Image{Text: []byte{0, 0, 0, 0, 0x24, 0x1a, 0, 1}, Data: []byte("Hello"), Zeros: 6}
	var got [][2]uint32
	for address, value := range Words(img) {
		got = append(got, [2]uint32{address, value})
	}
	want := [][2]uint32{{0, 0}, {4, 0x241a0001}, {0x04040000, 0x48656c6c}, {0x04040004, 0x6f000000}, {0x04040008, 0}}
	if len(got) != len(want) {
		t.Fatalf("%x", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%x, want %x", got[i], want[i])
		}
	}
	for range Words(img) {
		break
	}
}

// TestOpen finds what a name stands for.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const mif = "CONTENT BEGIN 0:12345678; END;"
	write("a.instr.mif", mif)
	write("a.data.mif", mif)
	write("half.instr.mif", mif)
	write("bad.instr.mif", "CONTENT BEGIN")
	write("bad.data.mif", mif)
	write("text", "no image")
	write("short", "\x7f")
	write("elf", "\x7fELF")
	for _, name := range []string{"a", "folder"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "a.instr.mif", "a.data.mif"} {
		img, err := Open(filepath.Join(dir, name), nil)
		if err != nil || string(img.Text) != "\x12\x34\x56\x78" || string(img.Data) != "\x12\x34\x56\x78" {
			t.Errorf("%s: %v, %v", name, img, err)
		}
	}
	for name, want := range map[string]string{
		"half":  "half.data.mif",
		"bad":   "bad: reading instructions in MIF: line 1",
		"text":  "is neither an ELF file",
		"short": "is neither an ELF file",
		"elf":   "elf: reading an ELF image",
	} {
		if _, err := Open(filepath.Join(dir, name), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", name, want, err)
		}
	}
	for _, name := range []string{"none", "none.instr.mif", "half.data.mif", "folder", ""} {
		if _, err := Open(filepath.Join(dir, name), nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
