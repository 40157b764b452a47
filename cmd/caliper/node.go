package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack"
)

// node is a stack.Host as an iperf3.Host.
type node struct {
	*stack.Host
	world *stack.World          // nil in real time
	names map[string]netip.Addr // of hosts, in a world
}

func (n *node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if a, known := n.names[host]; err == nil && known {
		address = net.JoinHostPort(a.String(), port)
	}
	return n.Host.DialContext(ctx, network, address)
}

func (n *node) Sleep(d time.Duration) {
	if n.world != nil {
		n.world.Sleep(d)
		return
	}
	time.Sleep(d)
}

func (n *node) Go(f func()) (wait func()) {
	if n.world != nil {
		return n.world.Go(f)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return func() { <-done }
}

// Pace keeps the rate by the departure times of frames.
func (n *node) Pace(c any, remote net.Addr, bps int64) error {
	p, err := pacer.NewRate(bps, pacer.Payload)
	if err != nil {
		return err
	}
	return n.Host.Pace(c, remote, p)
}

func (n *node) TCPInfo(c net.Conn) (info iperf3.TCPInfo, ok bool) {
	t, ok := c.(*stack.TCPConn)
	if !ok {
		return info, false
	}
	i := t.Info()
	return iperf3.TCPInfo{
		Retransmits: int64(i.Retransmits),
		Cwnd:        int64(i.Cwnd),
		RTT:         i.RTT,
		RTTVar:      i.RTTVar,
		MSS:         i.MSS,
		Congestion:  "cubic",
	}, true
}

// CPUTime is 0 in virtual time, so that equal runs print equal results.
func (n *node) CPUTime() (user, system time.Duration) {
	if n.world != nil {
		return 0, 0
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

var _ iperf3.Host = (*node)(nil)

// payloadRate returns the highest rate of payload in bit/s that fits a port of the given
// speed in bit/s: full segments of TCP, or datagrams of length bytes.
func payloadRate(speed int64, mtu, length int, udp, ipv6 bool) int64 {
	ip := 20
	if ipv6 {
		ip = 40
	}
	payload, packet := length, length+ip+8
	if !udp {
		// netstack keeps 40 bytes for TCP options and uses 12 of them, for time stamps.
		payload = mtu - ip - 20 - 40
		packet = ip + 20 + 12 + payload
	}
	wire := int64(max(64, packet+14+4) + 20)
	return speed * int64(payload) / wire
}

// describePayload says what a rate was computed for, for errors.
func describePayload(udp bool, length int) string {
	if udp {
		return fmt.Sprintf("datagrams of %d bytes", length)
	}
	return "full TCP segments"
}
