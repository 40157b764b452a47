package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// The ends of the names of the two files of a program in MIF.
const (
	TextFile = ".instr.mif"
	DataFile = ".data.mif"
)

// Open reads a program from files: an ELF executable, or two files in MIF, of which name is
// one or what their names have in common. The error is fs.ErrNotExist where there is none,
// and where there is a folder. warn is called as that of ReadMIF is.
func Open(name string, warn func(string)) (*netthreads.Image, error) {
	for _, end := range []string{TextFile, DataFile} {
		if base, ok := strings.CutSuffix(name, end); ok {
			return openMIF(base, warn)
		}
	}
	info, err := os.Stat(name)
	folder := err == nil && info.IsDir()
	if folder || errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(name + TextFile); err == nil {
			return openMIF(name, warn)
		}
	}
	if folder {
		made := filepath.Join(name, "build", "sim", filepath.Base(name)+".elf")
		return nil, fmt.Errorf("%s: %w, but a folder does, in which a program is %s", name, fs.ErrNotExist, made)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || !bytes.Equal(magic[:], []byte("\x7fELF")) {
		return nil, fmt.Errorf("%s is neither an ELF file nor called NAME%s or NAME%s", name, TextFile, DataFile)
	}
	img, err := ReadELF(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return img, nil
}

func openMIF(base string, warn func(string)) (*netthreads.Image, error) {
	text, err := os.Open(base + TextFile)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	data, err := os.Open(base + DataFile)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	img, err := ReadMIF(text, data, func(what string) {
		if warn != nil {
			warn(base + ": " + what)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	return img, nil
}

// The loader of the original card (tech doc section 4.6) writes everything to one register.
// LoaderReset holds the processors and begins a word: its address, its value and LoaderWrite
// follow. LoaderStart, in the end, lets the processors go.
const (
	LoaderRegister = 0x02000408
	LoaderReset    = 6
	LoaderWrite    = 0
	LoaderStart    = 0
)

// Words returns the addresses and the values of the words that the loader writes, in its
// order: the instructions, whose memory begins at 0 for the loader, and then the data with the
// zeros behind it, as the hardware clears nothing.
func Words(img *netthreads.Image) iter.Seq2[uint32, uint32] {
	return func(yield func(address, value uint32) bool) {
		for i, v := range eachWord(img.Text, 0) {
			if !yield(uint32(4*i), v) {
				return
			}
		}
		for i, v := range eachWord(img.Data, img.Zeros) {
			if !yield(uint32(netthreads.DataBase+4*i), v) {
				return
			}
		}
	}
}

// eachWord returns the numbers and the values of the words of b and of so many zeros behind it.
func eachWord(b []byte, zeros int) iter.Seq2[int, uint32] {
	return func(yield func(i int, v uint32) bool) {
		for i := range (len(b) + zeros + 3) / 4 {
			if !yield(i, word(b[min(4*i, len(b)):])) {
				return
			}
		}
	}
}
