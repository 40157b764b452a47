package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
	"github.com/netcaliper/caliper/stack/cc"
)

// node is a stack.Host as an iperf3.Host.
type node struct {
	*stack.Host
	world *stack.World             // nil in real time
	names map[string][2]netip.Addr // of hosts, in a world: IPv4 and IPv6

	mtu     int
	policy  pacer.Policy // where no rate is asked for
	unpaced bool         // a rate is the sender's own business
}

func (n *node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if a, known := n.names[host]; err == nil && known {
		address = net.JoinHostPort(a[0].String(), port)
		if strings.HasSuffix(network, "6") {
			address = net.JoinHostPort(a[1].String(), port)
		}
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

// Pace keeps the rate by the departure times of frames, or has them asked for by the
// policy.
func (n *node) Pace(c any, remote net.Addr, bps int64) (iperf3.Departures, error) {
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

// departures tells when datagrams leave by p, which is a pacer of the writer's own and like
// the flow's. One that is sent in fragments has left with the last of them, as it arrives.
func departures(p pacer.Pacer, mtu int, ipv6 bool) iperf3.Departures {
	var start time.Time
	return func(n int, now time.Time) time.Time {
		if start.IsZero() {
			start = now
		}
		at := clock.Time(now.Sub(start))
		udp := 8 // the header, of the first fragment
		datagram(n+udp, mtu-ipHeader(ipv6), ipv6, func(payload, headers int) int64 {
			size := pacer.Size{IP: ipHeader(ipv6) + headers + payload, Payload: payload - udp}
			size.Wire, udp = link.WireBytes(link.EthernetHeader+size.IP), 0
			at = p.Depart(size, at)
			return 0
		})
		return start.Add(time.Duration(at))
	}
}

// ipHeader returns the length of an IP header without options.
func ipHeader(ipv6 bool) int {
	if ipv6 {
		return 40
	}
	return 20
}

// Outgoing implements iperf3.Host.
func (n *node) Outgoing(c any, remote net.Addr) (o iperf3.Outgoing, ok bool) {
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
func (n *node) Drain(c any, remote net.Addr, until time.Time) error {
	switch c := c.(type) {
	case *stack.TCPConn:
		return c.Drain(until)
	case *stack.UDPConn:
		return c.Drain(remote, until)
	}
	return nil
}

// SetCongestion implements iperf3.Host.
func (n *node) SetCongestion(c net.Conn, name string) error {
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

func (n *node) TCPInfo(c net.Conn) (info iperf3.TCPInfo, ok bool) {
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
// speed in bit/s, where length bytes are written at a time: a datagram, or a block that
// TCP cuts into full segments and a short one. With acks the same port carries the ACKs of
// as much data in the other direction, one a segment.
func payloadRate(speed int64, mtu, length int, udp, ipv6, acks bool) int64 {
	ip := ipHeader(ipv6)
	wire := func(payload, headers int) int64 {
		return int64(link.WireBytes(link.EthernetHeader + ip + headers + payload))
	}
	if udp {
		return speed * int64(length) / datagram(length+8, mtu-ip, ipv6, wire)
	}
	if length == 0 {
		length = 128 << 10
	}
	// netstack keeps 40 bytes for TCP options and uses 12 of them, for time stamps.
	const tcp, options, kept = 20, 12, 40
	mss := mtu - ip - tcp - kept
	segments := int64(length / mss)
	total := segments * wire(mss, tcp+options)
	if rest := length % mss; rest > 0 {
		segments++
		total += wire(rest, tcp+options)
	}
	if acks {
		total += segments * wire(0, tcp+options)
	}
	return speed * int64(length) / total
}

// datagram returns how many byte times a UDP datagram of n bytes with its header takes, in
// one packet with room for so many or in fragments; wire tells it of each.
func datagram(n, room int, ipv6 bool, wire func(payload, headers int) int64) (total int64) {
	if n <= room {
		return wire(n, 0)
	}
	header := 0
	if ipv6 {
		header = 8
	}
	for most := (room - header) &^ 7; n > 0; n -= most {
		total += wire(min(n, most), header)
	}
	return total
}

// describePayload says what a rate was computed for, for errors.
func describePayload(udp bool, length int) string {
	if udp {
		return fmt.Sprintf("datagrams of %d bytes", length)
	}
	return "TCP segments"
}
