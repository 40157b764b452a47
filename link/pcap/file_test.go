package pcap

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// count reads a file to its end.
func count(t *testing.T, f *File) (n int) {
	t.Helper()
	for {
		_, err := f.Next()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
}

// TestFile reads a file twice.
func TestFile(t *testing.T) {
	f, err := Open("testdata/13-200-interfaces.pcapng", 100)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := count(t, f)
	if err := f.Rewind(); err != nil {
		t.Fatal(err)
	}
	if second := count(t, f); first != 200 || second != first || len(f.Interfaces) != 200 {
		t.Errorf("%d and %d packets, %d interfaces", first, second, len(f.Interfaces))
	}
	if f.Stat().Size() != f.Offset() {
		t.Errorf("%d bytes read of %d", f.Offset(), f.Stat().Size())
	}
}

// swapStdin makes another file the standard input until the end of the test.
func swapStdin(t *testing.T, in *os.File) {
	t.Helper()
	before := os.Stdin
	os.Stdin = in
	t.Cleanup(func() { os.Stdin = before })
}

// TestStdin reads standard input, from a pipe and from a file.
func TestStdin(t *testing.T) {
	const name = "testdata/07-fcs-small.pcap"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	swapStdin(t, r)
	go func() {
		w.Write(b)
		w.Close()
	}()
	f, err := Open("-", 100)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, f); n != 20 {
		t.Errorf("%d packets", n)
	}
	if err := f.Rewind(); err == nil {
		t.Error("a pipe is read twice")
	}
	f.Close()

	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	swapStdin(t, in)
	if f, err = Open("-", 100); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := count(t, f); n != 20 {
			t.Errorf("%d packets", n)
		}
		if err := f.Rewind(); err != nil {
			t.Error(err)
		}
	}
}

// TestStdinWaits ends a read of a pipe that nobody writes to.
func TestStdinWaits(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	swapStdin(t, r)
	if _, err := w.Write(AppendInterface(AppendSection(nil), Interface{Link: Raw})); err != nil {
		t.Fatal(err)
	}
	f, err := Open("-", 100)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := f.Next()
		ended <- err
	}()
	f.Close()
	if err := <-ended; err == nil || err == io.EOF {
		t.Errorf("the read ends with %v", err)
	}
}

// TestOpenErrors names the file.
func TestOpenErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{empty: "it is empty", "/nowhere/at.all": "no such file", t.TempDir(): "is a directory"} {
		if _, err := Open(name, 0); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), name) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open("/nowhere/at.all", 0); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
