package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack"
	"github.com/netcaliper/caliper/stack/cc"
	"github.com/netcaliper/caliper/stack/testbed"
)

// iperf3Host is a host of a testbed as an iperf3.Host.
type iperf3Host struct {
	*stack.Host
	bed *testbed.Testbed

	mtu     int
	policy  pacer.Policy // where no rate is asked for
	unpaced bool         // a rate is the sender's own business
}

func (t *iperf3Test) host(b *testbed.Testbed, name string) *iperf3Host {
	return &iperf3Host{Host: b.Host(name).Host, bed: b, mtu: t.setup.near().MTU, policy: t.policy, unpaced: t.unpaced}
}

func (n *iperf3Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	for _, a := range n.bed.Lookup(host) {
		if err == nil && a.Is6() == strings.HasSuffix(network, "6") {
			address = net.JoinHostPort(a.String(), port)
		}
	}
	return n.Host.DialContext(ctx, network, address)
}

func (n *iperf3Host) Sleep(d time.Duration) { n.bed.Sleep(d) }

func (n *iperf3Host) Go(f func()) (wait func()) { return n.bed.Go(f) }

// Pace keeps the rate by the departure times of frames, or has them asked for by the
// policy.
func (n *iperf3Host) Pace(c any, remote net.Addr, bps int64) (iperf3.Departures, error) {
	line := n.Host.Speed()
	p, same := n.policy.New(line), n.policy.New(line)
	if bps > 0 && !n.unpaced {
		p = &pacer.Rate{BitsPerSecond: bps, Unit: pacer.Payload, Line: line}
		same = &pacer.Rate{BitsPerSecond: bps, Unit: pacer.Payload, Line: line}
	}
	if p == nil {
		return nil, iperf3.ErrNotPaced
	}
	if err := n.Host.Pace(c, remote, p); err != nil {
		return nil, err
	}
	to, udp := remote.(*net.UDPAddr)
	if !udp {
		return nil, nil
	}
	return departures(same, n.mtu, to.AddrPort().Addr().Unmap().Is6()), nil
}

// Outgoing implements iperf3.Host.
func (n *iperf3Host) Outgoing(c any, remote net.Addr) (o iperf3.Outgoing, ok bool) {
	switch c := c.(type) {
	case *stack.TCPConn:
		out := c.Outgoing()
		return iperf3.Outgoing{Bytes: out.Left.Bytes, Acknowledged: out.Acknowledged}, true
	case *stack.UDPConn:
		out, err := c.Outgoing(remote)
		return iperf3.Outgoing{Bytes: out.Left.Bytes, Packets: out.Left.Packets}, err == nil
	}
	return o, false
}

// Drain implements iperf3.Host.
func (n *iperf3Host) Drain(c any, remote net.Addr, until time.Time) error {
	switch c := c.(type) {
	case *stack.TCPConn:
		return c.Drain(until)
	case *stack.UDPConn:
		return c.Drain(remote, until)
	}
	return nil
}

// SetCongestion implements iperf3.Host.
func (n *iperf3Host) SetCongestion(c net.Conn, name string) error {
	t, ok := c.(*stack.TCPConn)
	if !ok {
		return fmt.Errorf("%T is no TCP connection", c)
	}
	controller, err := cc.New(name)
	if err != nil {
		return err
	}
	return t.SetCongestion(controller)
}

func (n *iperf3Host) TCPInfo(c net.Conn) (info iperf3.TCPInfo, ok bool) {
	t, ok := c.(*stack.TCPConn)
	if !ok {
		return info, false
	}
	fb := t.Feedback()
	return iperf3.TCPInfo{
		Retransmits: int64(fb.Retransmits),
		Cwnd:        fb.Cwnd,
		RTT:         fb.RTT,
		RTTVar:      fb.RTTVar,
		MSS:         int(fb.MSS),
		SendWindow:  t.SendWindow(),
		PMTU:        t.PMTU(),
		Congestion:  cc.Name(t.Congestion()),
		Loop: &iperf3.Loop{
			RTT: fb.RTT, MinRTT: fb.MinRTT,
			Ssthresh: fb.Ssthresh, InFlight: fb.InFlight, Queued: fb.Queued,
			PacingRate: fb.Rate, DeliveryRate: fb.DeliveryRate,
			Departures: int64(fb.Departures),
		},
	}, true
}

// CPUTime is 0 in virtual time, so that equal runs print equal results.
func (n *iperf3Host) CPUTime() (user, system time.Duration) {
	if n.bed.World() != nil {
		return 0, 0
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

var _ iperf3.Host = (*iperf3Host)(nil)
