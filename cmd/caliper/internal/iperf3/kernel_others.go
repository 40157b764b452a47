//go:build !linux

package iperf3

import (
	"errors"
	"net"
	"runtime"
	"time"
)

func tcpInfo(net.Conn) (TCPInfo, bool) { return TCPInfo{}, false }

func socketBuffers(any) (send, receive int) { return 0, 0 }

func cpuTime() (user, system time.Duration) { return 0, 0 }

func systemInfo() string { return runtime.GOOS + " " + runtime.GOARCH }

func setCongestion(net.Conn, string) error {
	return errors.New("this system has no choice of congestion control that is known here")
}
