package nl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Errors that callers branch on.
var (
	errTimeout error = unix.EAGAIN       // there is no room, or nothing to read, for now
	errGone    error = unix.ECONNREFUSED // nobody has that port id
)

// slice is how long a client's call waits in the kernel before it looks whether it shall
// go on.
const slice = 100 * time.Millisecond

// socket is a netlink socket. Its calls are the kernel's: they block the thread.
type socket struct {
	fd   int
	port uint32
	oob  []byte
}

// listen opens the socket of a server.
func listen(a Address) (*socket, error) {
	s, err := open(a, a.Port)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("%w: another card is served there, or somebody else has the port id: give this one another", err)
	}
	return s, err
}

// dial opens the socket of a client, with a port id that nobody had before: the kernel
// would give the next of this process the same one again.
func dial(a Address) (*socket, error) {
	s, err := open(a, rand.Uint32()|1<<31)
	for errors.Is(err, unix.EADDRINUSE) {
		s, err = open(a, rand.Uint32()|1<<31)
	}
	if err != nil {
		return nil, err
	}
	patience := unix.NsecToTimeval(int64(slice))
	for _, option := range []int{unix.SO_SNDTIMEO, unix.SO_RCVTIMEO} {
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, option, &patience); err != nil {
			s.close()
			return nil, fmt.Errorf("a time limit: %w", err)
		}
	}
	return s, nil
}

// open opens a socket that learns the users of its senders.
func open(a Address, port uint32) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, a.Protocol)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, fmt.Errorf("%w: the kernel has no such protocol: load its module (nf2.ko has %d), or use %d between processes", err, Module, Usersock)
	}
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("SO_PASSCRED: %w", err)
	}
	return &socket{fd: fd, port: port, oob: make([]byte, unix.CmsgSpace(unix.SizeofUcred))}, nil
}

// send sends a datagram to a port id. Unless it may wait for room there, it returns
// errTimeout if there is none now.
func (s *socket) send(b []byte, to uint32, wait bool) error {
	flags := unix.MSG_DONTWAIT
	if wait {
		flags = 0
	}
	address := unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: to}
	for {
		err := unix.Sendto(s.fd, b, flags, &address)
		if err != unix.EINTR { // after which nothing was sent
			return err
		}
	}
}

// datagram is what receive found.
type datagram struct {
	n    int    // its length, or of b if it is longer
	from uint32 // port id
	user int    // who sent it, -1 if the kernel did not tell
	cut  bool   // it is longer than b
}

// receive reads a datagram into b. Unless it may wait for one, it returns errTimeout if
// there is none now.
func (s *socket) receive(b []byte, wait bool) (datagram, error) {
	flags := unix.MSG_DONTWAIT
	if wait {
		flags = 0
	}
	for {
		n, oob, got, from, err := unix.Recvmsg(s.fd, b, s.oob, flags)
		switch err {
		case unix.EINTR, unix.ENOBUFS:
			continue
		case nil:
		default:
			return datagram{}, err
		}
		d := datagram{n: n, user: sender(s.oob[:oob]), cut: got&unix.MSG_TRUNC != 0}
		if a, ok := from.(*unix.SockaddrNetlink); ok {
			d.from = a.Pid
		}
		return d, nil
	}
}

// sender returns the user id in the control messages of a datagram, or -1.
func sender(oob []byte) int {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_CREDENTIALS && len(data) >= unix.SizeofUcred {
			return int(native.Uint32(data[4:])) // struct ucred: pid, uid, gid
		}
		oob = rest
	}
	return -1
}

// ours tells whether a process of this user trusts another's: it is the same one, or root.
func ours(user int) bool { return user == 0 || user == os.Geteuid() }

func (s *socket) close() error { return unix.Close(s.fd) }
