package pcap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A File is a capture by name, read from its beginning as often as is wanted. It belongs to
// one goroutine at a time, but for Close.
type File struct {
	*Reader
	in   *os.File // nil for a pipe on standard input
	pipe *io.PipeReader
	info fs.FileInfo
	keep int
}

// Open opens a capture; "-" is standard input. Of a packet the first keep bytes are kept,
// MaxKept at most.
func Open(name string, keep int) (*File, error) {
	f := &File{keep: keep}
	var err error
	if name == "-" {
		f.in = os.Stdin
	} else if f.in, err = os.Open(name); err != nil {
		return nil, err
	}
	if f.info, err = f.in.Stat(); err == nil {
		f.Reader, err = NewReader(f.source(), keep)
	}
	if err != nil {
		f.Close()
		var path *fs.PathError
		if !errors.As(err, &path) { // which names the file
			err = fmt.Errorf("%s: %w", NameOf(name), err)
		}
		return nil, err
	}
	return f, nil
}

// NameOf returns what a file is called in messages.
func NameOf(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// source returns what is read. A read of standard input that waits does not end when that
// is closed; so it is read by a goroutine, which is left behind then.
func (f *File) source() io.Reader {
	if f.in != os.Stdin || f.info.Mode().IsRegular() {
		return f.in
	}
	r, w := io.Pipe()
	in := struct{ io.Reader }{f.in}
	go func() {
		_, err := io.CopyBuffer(w, in, make([]byte, 1<<16))
		w.CloseWithError(err)
	}()
	f.pipe = r
	return r
}

// Stat tells what file it was when it was opened.
func (f *File) Stat() fs.FileInfo { return f.info }

// Rewind goes back to the beginning. Only a regular file can.
func (f *File) Rewind() error {
	if !f.info.Mode().IsRegular() {
		return errors.New("it cannot be read twice: it is no regular file")
	}
	if _, err := f.in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r, err := NewReader(f.in, f.keep)
	if err == nil {
		f.Reader = r
	}
	return err
}

// Close closes the file, which ends a read that is under way. It may be called from any
// goroutine.
func (f *File) Close() error {
	if f.pipe != nil {
		return f.pipe.Close()
	}
	return f.in.Close()
}
