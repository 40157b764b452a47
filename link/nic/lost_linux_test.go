package nic

import (
	"errors"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// broken is a socket of which errors come, the last of them for ever.
type broken struct {
	receive []error
	send    []error
	asked   int
}

func (b *broken) Send(*nl.NetlinkRequest) error {
	b.asked++
	if b.asked > len(b.send) {
		return nil
	}
	return b.send[b.asked-1]
}

func (b *broken) Receive() ([]syscall.NetlinkMessage, *unix.SockaddrNetlink, error) {
	err := b.receive[0]
	if len(b.receive) > 1 {
		b.receive = b.receive[1:]
	}
	return nil, nil, err
}

func (b *broken) Close() {}

// TestWatchLost tells once that the kernel cannot be heard any more, and why. What passes is
// no reason to.
func TestWatchLost(t *testing.T) {
	for _, c := range []struct {
		s     broken
		want  error
		asked int
	}{
		{broken{receive: []error{unix.EINTR, unix.ENOBUFS, unix.EIO}}, unix.EIO, 2},
		{broken{receive: []error{unix.ENOBUFS}, send: []error{nil, nil, unix.EPERM}}, unix.EPERM, 3},
	} {
		var told []State
		w, err := watch(&c.s, 1, func(s State) { told = append(told, s) })
		if err != nil {
			t.Fatal(err)
		}
		<-w.done
		w.Close()
		if len(told) != 1 || !errors.Is(told[0].Lost, c.want) || c.s.asked != c.asked {
			t.Errorf("%v: told %+v, asked %d times", c.want, told, c.s.asked)
		}
	}
}
