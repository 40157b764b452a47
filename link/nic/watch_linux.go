package nic

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Watcher hears from the kernel what becomes of an interface.
type Watcher struct {
	index  int
	socket socket
	told   func(State)
	closed atomic.Bool
	done   chan struct{}
}

// socket is what a Watcher needs of a netlink socket.
type socket interface {
	Send(*nl.NetlinkRequest) error
	Receive() ([]syscall.NetlinkMessage, *unix.SockaddrNetlink, error)
	Close()
}

// Watch tells the state of an interface of the calling thread's network namespace, now and
// whenever it changes, on a goroutine of its own, until Close. If the kernel cannot be heard
// any more it tells that, and nothing after it.
func Watch(index int, told func(State)) (*Watcher, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return nil, fmt.Errorf("watch the interface: %w", err)
	}
	w, err := watch(s, index, told)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("watch the interface: %w", err)
	}
	return w, nil
}

func watch(s socket, index int, told func(State)) (*Watcher, error) {
	w := &Watcher{index: index, socket: s, told: told, done: make(chan struct{})}
	if err := w.ask(); err != nil {
		return nil, err
	}
	go func() {
		defer close(w.done)
		if err := w.watch(); !w.closed.Load() {
			told(State{Lost: err})
		}
	}()
	return w, nil
}

// ask asks the kernel for the state, which comes as a change does.
func (w *Watcher) ask() error {
	r := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index = int32(w.index)
	r.AddData(m)
	return w.socket.Send(r)
}

// watch returns why it cannot go on.
func (w *Watcher) watch() error {
	for {
		messages, from, err := w.socket.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS): // some were lost
			if err := w.ask(); err != nil {
				return err
			}
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range messages {
			h := unix.NlMsghdr(m.Header)
			w.take(&h, m.Data)
		}
	}
}

// take tells of a message that is of our interface.
func (w *Watcher) take(h *unix.NlMsghdr, b []byte) {
	switch h.Type {
	case unix.NLMSG_ERROR: // the answer to ask, when there is none of that index
		if len(b) >= 4 && nl.NativeEndian().Uint32(b) != 0 {
			w.told(State{Gone: true})
		}
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		if len(b) < unix.SizeofIfInfomsg {
			return
		}
		m := nl.DeserializeIfInfomsg(b)
		// A bridge sends messages of its ports' state in it, under their index.
		if int(m.Index) != w.index || m.Family != unix.AF_UNSPEC {
			return
		}
		face, err := netlink.LinkDeserialize(h, b)
		if err != nil {
			return
		}
		a := face.Attrs()
		w.told(State{
			Gone:    h.Type == unix.RTM_DELLINK,
			Up:      a.RawFlags&unix.IFF_UP != 0,
			Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
			MTU:     a.MTU,
		})
	}
}

// Close ends the watching, and returns when it has ended.
func (w *Watcher) Close() {
	w.closed.Store(true)
	w.socket.Close()
	<-w.done
}
