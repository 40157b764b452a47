package iperf3

import (
	"context"
	"net"
	"time"
)

// KernelHost is the Host of the kernel's sockets, real time and goroutines. It does not
// pace.
type KernelHost struct{}

var _ Host = KernelHost{}

// DialContext implements Host.
func (KernelHost) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Listen implements Host.
func (KernelHost) Listen(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}

// ListenPacket implements Host.
func (KernelHost) ListenPacket(network, address string) (net.PacketConn, error) {
	return net.ListenPacket(network, address)
}

// Now implements Host.
func (KernelHost) Now() time.Time { return time.Now() }

// Sleep implements Host.
func (KernelHost) Sleep(d time.Duration) { time.Sleep(d) }

// Go implements Host.
func (KernelHost) Go(f func()) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return func() { <-done }
}

// Pace implements Host.
func (KernelHost) Pace(any, net.Addr, int64) (Departures, error) { return nil, ErrNotPaced }

// Outgoing implements Host: what the kernel has taken counts as sent, as for iperf3.
func (KernelHost) Outgoing(any, net.Addr) (Outgoing, bool) { return Outgoing{}, false }

// Drain implements Host.
func (KernelHost) Drain(any, net.Addr, time.Time) error { return nil }

// SetCongestion implements Host.
func (KernelHost) SetCongestion(c net.Conn, name string) error { return setCongestion(c, name) }

// TCPInfo implements Host.
func (KernelHost) TCPInfo(c net.Conn) (TCPInfo, bool) { return tcpInfo(c) }

// CPUTime implements Host.
func (KernelHost) CPUTime() (user, system time.Duration) { return cpuTime() }
