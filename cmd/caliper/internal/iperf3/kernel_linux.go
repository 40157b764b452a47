package iperf3

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func tcpInfo(c net.Conn) (info TCPInfo, ok bool) {
	withFD(c, func(fd int) {
		k, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		ok = true
		info = TCPInfo{
			Retransmits: int64(k.Total_retrans),
			Cwnd:        int64(k.Snd_cwnd) * int64(k.Snd_mss),
			SendWindow:  int64(k.Snd_wnd),
			RTT:         time.Duration(k.Rtt) * time.Microsecond,
			RTTVar:      time.Duration(k.Rttvar) * time.Microsecond,
			PMTU:        int(k.Pmtu),
			MSS:         int(k.Snd_mss),
		}
		name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		if err == nil {
			info.Congestion = strings.TrimRight(name, "\x00")
		}
	})
	return info, ok
}

func setCongestion(c net.Conn, name string) error {
	err := errors.New("it is no socket of the kernel")
	withFD(c, func(fd int) {
		err = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	})
	return err
}

// socketBuffers returns the sizes of a kernel socket's buffers in bytes, 0 if c is none.
func socketBuffers(c any) (send, receive int) {
	withFD(c, func(fd int) {
		send, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		receive, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return send, receive
}

// withFD calls f with the file descriptor of c, if it has one.
func withFD(c any, f func(fd int)) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	// An error says that c is closed, and then there is nothing to ask.
	_ = raw.Control(func(fd uintptr) { f(int(fd)) })
}

func cpuTime() (user, system time.Duration) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

// systemInfo describes the machine as uname does.
func systemInfo() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "Linux"
	}
	var words []string
	for _, field := range [][]byte{u.Sysname[:], u.Nodename[:], u.Release[:], u.Version[:], u.Machine[:]} {
		words = append(words, unix.ByteSliceToString(field))
	}
	return strings.Join(words, " ")
}
