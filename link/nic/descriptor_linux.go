package nic

import (
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Descriptor is a file of the kernel's that gives and takes a frame with each call, and
// does not block. One goroutine reads; Write and Close are called on the clock's.
type Descriptor struct {
	file   *os.File
	conn   syscall.RawConn
	fd     int
	closed atomic.Bool

	try    func(fd uintptr) bool // reads once
	pieces [][]byte              // to where, and the outcome:
	wait   bool
	n      int
	err    error
}

// NewDescriptor returns the Descriptor of an open file, which is its own from then on. The
// programs that we start do not inherit it.
func NewDescriptor(file *os.File) (*Descriptor, error) {
	d := &Descriptor{file: file}
	var err error
	if d.conn, err = file.SyscallConn(); err != nil {
		return nil, err
	}
	err = d.conn.Control(func(fd uintptr) {
		d.fd = int(fd)
		syscall.CloseOnExec(d.fd)
	})
	d.try = func(fd uintptr) bool {
		for {
			if len(d.pieces) == 1 {
				d.n, d.err = unix.Read(int(fd), d.pieces[0])
			} else {
				d.n, d.err = unix.Readv(int(fd), d.pieces)
			}
			if d.err != unix.EINTR {
				return d.err != unix.EAGAIN || !d.wait
			}
		}
	}
	return d, err
}

// FD returns the descriptor's number, to set it up with.
func (d *Descriptor) FD() int { return d.fd }

// Read reads a frame into the pieces, which it does not keep. If there is none it waits, or,
// without wait, returns ErrEmpty.
func (d *Descriptor) Read(pieces [][]byte, wait bool) (int, error) {
	d.pieces, d.wait = pieces, wait
	err := d.conn.Read(d.try)
	d.pieces = nil
	switch {
	case d.closed.Load():
		return 0, os.ErrClosed
	case err != nil:
		return 0, err
	case d.err == unix.EAGAIN:
		return 0, ErrEmpty
	case d.err != nil:
		return 0, d.err
	}
	return d.n, nil
}

// Write writes a frame as Write does.
func (d *Descriptor) Write(b []byte) error { return Write(d.fd, b) }

// Write writes a frame to a descriptor that does not block, and returns the errors of a Backend
// where they are meant.
func Write(fd int, b []byte) error {
	for {
		if _, err := unix.Write(fd, b); err != unix.EINTR {
			return meant(err)
		}
	}
}

// meant returns the error of a Backend that an error of a write stands for.
func meant(err error) error {
	switch err {
	case unix.EAGAIN, unix.ENOBUFS:
		return ErrNoRoom
	case unix.EMSGSIZE:
		return ErrTooLong
	case unix.ENETDOWN:
		return ErrDown
	case unix.ENODEV, unix.ENXIO, unix.EBADFD:
		return ErrGone
	}
	return err
}

// Close closes the file. A Read that waits returns.
func (d *Descriptor) Close() error {
	d.closed.Store(true)
	return d.file.Close()
}
