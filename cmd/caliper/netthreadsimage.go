package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/image"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
)

// disassemble is netthreads dis.
func disassemble(_ *cli.Context, v *console, _ string, img *netthreads.Image) error {
	w := bufio.NewWriter(v)
	for i := 0; i < len(img.Text); i += 4 {
		pc := uint32(netthreads.TextBase + i)
		if s := img.Lookup(pc); s != nil && s.Addr == pc {
			fmt.Fprintf(w, "\n%s:\n", s.Name)
		}
		fmt.Fprintln(w, img.Line(pc))
	}
	if err := w.Flush(); err != nil {
		return failed(err, "write the program")
	}
	return nil
}

// loading is what netthreads load prints as JSON.
type loading struct {
	Register uint32   `json:"register"` // that all is written to
	Reset    uint32   `json:"reset"`    // before each word
	Words    []loaded `json:"words"`
	Write    uint32   `json:"write"` // behind each word
	Start    uint32   `json:"start"` // in the end
}

type loaded struct {
	Address uint32 `json:"address"`
	Value   uint32 `json:"value"`
}

// showLoading is netthreads load.
func showLoading(c *cli.Context, v *console, _ string, img *netthreads.Image) error {
	if c.Bool("json") {
		l := loading{Register: image.LoaderRegister, Reset: image.LoaderReset, Write: image.LoaderWrite, Start: image.LoaderStart}
		for address, value := range image.Words(img) {
			l.Words = append(l.Words, loaded{address, value})
		}
		if err := writeJSON(v, l); err != nil {
			return failed(err, "write the words")
		}
		return nil
	}
	w := bufio.NewWriter(v)
	fmt.Fprintln(w, "reset")
	for address, value := range image.Words(img) {
		fmt.Fprintf(w, "%08x %08x\n", address, value)
	}
	fmt.Fprintln(w, "start")
	if err := w.Flush(); err != nil {
		return failed(err, "write the words")
	}
	return nil
}

// writeMIF is netthreads mif. Both files are there in the end, or none is new.
func writeMIF(c *cli.Context, v *console, name string, img *netthreads.Image) error {
	base := c.String("out")
	if base == "" {
		base = strings.TrimSuffix(name, ".elf")
		for _, end := range []string{image.TextFile, image.DataFile} {
			base = strings.TrimSuffix(base, end)
		}
	}
	names := []string{base + image.TextFile, base + image.DataFile}
	if !c.Bool("force") {
		for _, name := range names {
			if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
				return badInput(err, "%s is there already", name).hint("--force replaces it, --out NAME writes to another place")
			}
		}
	}
	err := place(func(to []string) error {
		text, err := os.Create(to[0])
		if err != nil {
			return err
		}
		defer text.Close()
		data, err := os.Create(to[1])
		if err != nil {
			return err
		}
		defer data.Close()
		err = image.WriteMIF(text, data, img)
		return errors.Join(err, text.Close(), data.Close())
	}, names...)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return badInput(err, "").hint("make the folder first, or give --out NAME")
	case err != nil:
		return failed(err, "")
	}
	_, err = fmt.Fprintf(v, "%s: %d instructions\n%s: %d words\n", names[0], len(img.Text)/4, names[1], (len(img.Data)+3)/4)
	return err
}

// newProgram is netthreads new.
func newProgram(_ *cli.Context, v *console, name string) error {
	wrote := 0
	err := place(func(to []string) error {
		files, err := programs.New(to[0])
		if wrote = len(files); err != nil {
			return err
		}
		if _, err := os.Lstat(name); err == nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.EEXIST}
		}
		return nil
	}, filepath.Clean(name))
	switch {
	case errors.Is(err, fs.ErrExist):
		return badInput(err, "").hint("give a name that there is no file or folder of")
	case err != nil && wrote == 0:
		return badInput(err, "")
	case err != nil:
		return failed(err, "")
	}
	base := filepath.Base(name)
	_, err = fmt.Fprintf(v, `%s is a program that sends packets from MAC 0 on by MAC 1, and back: edit %s.c.
To build it, with Debian's gcc-mips-linux-gnu, and to run it:

   make -C %s CONTEXT=sim
   caliper netthreads run %s --mac 0=pcap:IN.pcap --mac 1=pcap:,OUT.pcapng
`, name, filepath.Join(name, base), name, filepath.Join(name, "build", "sim", base+".elf"))
	return err
}
