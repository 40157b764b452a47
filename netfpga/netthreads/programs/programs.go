// Package programs holds programs for the NetThreads machine, in C, and their images (tech
// doc sections 4 and 5).
//
//	bench.mk   the rules of section 4.3 by which all is built
//	support/   the API of section 4.4
//	hello/     every thread says hello
//	bounce/    sends every packet back to where it came from
//	pktgen/    the packet generator of section 5
//	template/  where a program of one's own begins: New writes it
//	samples/   programs in the manner of the original's, which tests build and run
//	oracle/    what the machine is tested with, against another emulator of MIPS
//	images/    the first three, built
//
// make rebuilds the images, with Debian's gcc-mips-linux-gnu; running them needs no
// compiler. In the programs all of C may be used, but for floating point: what the
// processor lacks, such as multiplication, is put together from what it has.
package programs

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/image"
)

//go:embed images/*.elf
var images embed.FS

//go:embed bench.mk support template
var sources embed.FS

// Names are those of the programs that there are images of.
func Names() []string { return []string{"bounce", "hello", "pktgen"} }

// ELF returns the image of a program as a file.
func ELF(name string) ([]byte, error) {
	b, err := images.ReadFile("images/" + name + ".elf")
	if err != nil {
		return nil, fmt.Errorf("there is no program %q: the programs are %v", name, Names())
	}
	return b, nil
}

// Image returns the image of a program, which the caller may change.
func Image(name string) (*netthreads.Image, error) {
	b, err := ELF(name)
	if err != nil {
		return nil, err
	}
	return image.ReadELF(bytes.NewReader(b))
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// New makes the folder dir, which must not exist, and writes into it a program that has
// the folder's name: its C file, a Makefile, and in support all that it is built with. It
// returns the files that it wrote, relative to dir.
func New(dir string) ([]string, error) {
	name := filepath.Base(dir)
	if !goodName.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be the name of a program: use letters, digits, - and _", name)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, fmt.Errorf("making a program: %w", err)
	}
	var wrote []string
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := sources.ReadFile(path)
		if err != nil {
			return err
		}
		to := path
		switch path {
		case "template/main.c":
			to = name + ".c"
		case "template/Makefile":
			to = "Makefile"
			b = bytes.ReplaceAll(b, []byte("PROGRAM"), []byte(name))
		}
		wrote = append(wrote, to)
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o666)
	})
	if err != nil {
		return wrote, fmt.Errorf("making a program: %w", err)
	}
	return wrote, nil
}
