package nic

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Write writes a frame to a descriptor without waiting, and returns the errors of this
// package where they are meant.
func Write(fd int, b []byte) error {
	for {
		_, err := unix.Write(fd, b)
		switch err {
		case unix.EINTR:
			continue
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
}

// TunFailure returns what has failed where a read or a write of a tun or tap interface did:
// of one that was removed the kernel says that the descriptor is in a bad state, and Go, if
// it waits for it just then, that it cannot.
func TunFailure(f *os.File, err error) error {
	if err == nil || errors.Is(err, os.ErrClosed) {
		return err
	}
	conn, failed := f.SyscallConn()
	if failed != nil {
		return err
	}
	request, failed := unix.NewIfreq("")
	if failed != nil {
		return err
	}
	var state error
	if conn.Control(func(fd uintptr) { state = unix.IoctlIfreq(int(fd), unix.TUNGETIFF, request) }) != nil {
		return err
	}
	if errors.Is(state, unix.EBADFD) {
		return ErrGone
	}
	return err
}
