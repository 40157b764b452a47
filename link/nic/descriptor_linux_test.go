package nic

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMeant tells what a write's errors stand for.
func TestMeant(t *testing.T) {
	for err, want := range map[error]error{
		nil: nil, unix.EIO: unix.EIO,
		unix.EAGAIN: ErrNoRoom, unix.ENOBUFS: ErrNoRoom, unix.EMSGSIZE: ErrTooLong, unix.ENETDOWN: ErrDown,
		unix.ENODEV: ErrGone, unix.ENXIO: ErrGone, unix.EBADFD: ErrGone,
	} {
		if got := meant(err); got != want {
			t.Errorf("%v stands for %v, want %v", err, got, want)
		}
	}
}

// TestDescriptor reads and writes datagrams, waits for one, and until it is closed.
func TestDescriptor(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	d, err := NewDescriptor(os.NewFile(uintptr(fds[0]), "datagrams"))
	if err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 || d.FD() != fds[0] {
		t.Errorf("flags %#x, %v", flags, err)
	}
	one, two := make([]byte, 2), make([]byte, 4)
	if n, err := d.Read([][]byte{one}, false); n != 0 || err != ErrEmpty {
		t.Errorf("Read = %d, %v", n, err)
	}
	unix.Write(fds[1], []byte("abcde"))
	if n, err := d.Read([][]byte{one, two}, false); n != 5 || err != nil || string(one)+string(two[:3]) != "abcde" {
		t.Errorf("Read = %d, %v: %s%s", n, err, one, two)
	}
	read := make(chan error)
	go func() {
		for {
			_, err := d.Read([][]byte{two}, true)
			read <- err
		}
	}()
	unix.Write(fds[1], []byte("f"))
	if err := <-read; err != nil || two[0] != 'f' {
		t.Errorf("Read: %v, %s", err, two)
	}
	if err := d.Write([]byte("g")); err != nil {
		t.Error(err)
	}
	if n, err := unix.Read(fds[1], one); n != 1 || err != nil || one[0] != 'g' {
		t.Errorf("%d bytes of what was written, %v", n, err)
	}
	var full error
	for full == nil {
		full = d.Write(slices.Repeat([]byte("h"), 10_000))
	}
	if full != ErrNoRoom {
		t.Errorf("Write without room: %v", full)
	}
	d.Close()
	if err := <-read; !errors.Is(err, os.ErrClosed) || err != os.ErrClosed {
		t.Errorf("Read after Close: %v", err)
	}
	<-read // and another
}
