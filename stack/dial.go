package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// backlog is how many connections may wait to be accepted.
const backlog = 4096

// Dial connects to address, which is an IP address and a port: names are not looked up.
// network is tcp, tcp4, tcp6, udp, udp4 or udp6.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// DialContext is Dial with an end. A deadline of ctx is meant on the host's clock: in a
// world, take World.WithTimeout. The error is the context's if it ended first.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	remote, err := parse(network, address)
	if err != nil {
		return nil, fail("dial", network, nil, nil, err)
	}
	to := target(network, remote)
	if !remote.Addr().IsValid() || remote.Addr().IsUnspecified() {
		return nil, fail("dial", network, nil, to, errors.New("no address to connect to"))
	}
	if err := ctx.Err(); err != nil {
		return nil, fail("dial", network, nil, to, err)
	}
	ep, queue, err := h.open(network, remote)
	if err != nil {
		return nil, fail("dial", network, nil, to, err)
	}
	if strings.HasPrefix(network, "udp") {
		if err := ep.Connect(fullAddress(remote)); err != nil {
			ep.Close()
			return nil, fail("dial", network, nil, to, failure(err))
		}
		c := &UDPConn{remote: remote}
		c.init(h, ep, queue)
		return c, nil
	}
	c := &TCPConn{}
	c.init(h, ep, queue)
	if err := c.connect(ctx, remote); err != nil {
		ep.Close()
		return nil, fail("dial", network, nil, to, err)
	}
	return c, nil
}

// connect connects the socket and waits until it is connected, or ctx has ended. A socket that
// is connected has nothing more to do with ctx, whose end only ends the wait here.
func (c *TCPConn) connect(ctx context.Context, remote netip.AddrPort) error {
	if d, ok := ctx.Deadline(); ok {
		if err := c.host.checkDate(d); err != nil {
			return err
		}
		c.write.deadline(c.host, d)
		defer c.write.deadline(c.host, time.Time{})
	}
	defer c.host.wakeAtEnd(ctx, &c.write)()
	started, ended := false, false
	err := c.block(&c.write, func() tcpip.Error {
		if ended = ctx.Err() != nil; ended {
			return &tcpip.ErrAborted{}
		}
		if started {
			if c.ep.Readiness(waiter.WritableEvents|waiter.EventErr|waiter.EventHUp) == 0 {
				return &tcpip.ErrWouldBlock{}
			}
			return c.ep.LastError()
		}
		err := c.ep.Connect(fullAddress(remote))
		if _, ok := err.(*tcpip.ErrConnectStarted); ok {
			started = true
			return &tcpip.ErrWouldBlock{}
		}
		return err
	})
	switch {
	case err == nil:
		return c.connected()
	case ended:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded): // which is ctx's, on the host's clock
		return context.DeadlineExceeded
	}
	return err
}

// wakeAtEnd has those who wait at d woken when ctx ends, until the function returned is
// called.
func (h *Host) wakeAtEnd(ctx context.Context, d *side) (stop func()) {
	if h.world != nil {
		return h.world.watch(ctx, d)
	}
	end := context.AfterFunc(ctx, d.wake)
	return func() { end() }
}

// Listen opens a listening TCP socket. network is tcp, tcp4 or tcp6; address is an IP
// address, or nothing for all of the host's, and a port, 0 for any.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	local, err := parse(network, address)
	if err == nil && !strings.HasPrefix(network, "tcp") {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, fail("listen", network, nil, nil, err)
	}
	h.listening.Lock()
	defer h.listening.Unlock()
	if h.listens(network, local) {
		return nil, fail("listen", network, nil, target(network, local), syscall.EADDRINUSE)
	}
	l := &Listener{}
	if err := h.bind(&l.socket, network, local); err != nil {
		return nil, fail("listen", network, nil, target(network, local), err)
	}
	l.ep.SocketOptions().SetReceiveBufferSize(int64(h.receive.first()), false) // that of what it accepts
	if err := l.ep.Listen(backlog); err != nil {
		l.ep.Close()
		return nil, fail("listen", network, nil, target(network, local), failure(err))
	}
	if a, err := l.ep.GetLocalAddress(); err == nil {
		l.local = addrPort(a)
	}
	return l, nil
}

// listens reports whether somebody listens at the address already. netstack would let a
// second listener take the connections to one of the addresses.
func (h *Host) listens(network string, local netip.AddrPort) bool {
	any := !isSet(local.Addr())
	wants := families(local.Addr().Is4() || strings.HasSuffix(network, "4"), any && network == "tcp" && !local.Addr().Is4())
	for _, ep := range h.stack.RegisteredEndpoints() {
		t, ok := ep.(*tcp.Endpoint)
		if !ok || t.EndpointState() != tcp.StateListen {
			continue
		}
		info := t.Info().(*gstack.TransportEndpointInfo)
		has := families(info.NetProto == ipv4.ProtocolNumber, !t.SocketOptions().GetV6Only())
		other := addr(info.ID.LocalAddress).Unmap()
		if info.ID.LocalPort == local.Port() && has&wants != 0 && (any || !isSet(other) || other == local.Addr()) {
			return true
		}
	}
	return false
}

// families returns which of IPv4 (1) and IPv6 (2) a socket serves.
func families(is4, both bool) int {
	switch {
	case is4:
		return 1
	case both:
		return 1 | 2
	}
	return 2
}

func isSet(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// ListenPacket opens a UDP socket. network is udp, udp4 or udp6; address as in Listen.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	local, err := parse(network, address)
	if err == nil && !strings.HasPrefix(network, "udp") {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, fail("listen", network, nil, nil, err)
	}
	c := &UDPConn{}
	if err := h.bind(&c.socket, network, local); err != nil {
		return nil, fail("listen", network, nil, target(network, local), err)
	}
	return c, nil
}

func (h *Host) bind(s *socket, network string, local netip.AddrPort) error {
	ep, queue, err := h.open(network, local)
	if err != nil {
		return err
	}
	if err := ep.Bind(fullAddress(local)); err != nil {
		ep.Close()
		return failure(err)
	}
	s.init(h, ep, queue)
	return nil
}

// open makes a socket for an address of that kind. Without an address it serves IPv6
// and IPv4, unless the network says which.
func (h *Host) open(network string, a netip.AddrPort) (tcpip.Endpoint, *waiter.Queue, error) {
	if h.closed.Load() {
		return nil, nil, net.ErrClosed
	}
	if err := h.inside(); err != nil {
		return nil, nil, err
	}
	transport := tcp.ProtocolNumber
	if strings.HasPrefix(network, "udp") {
		transport = udp.ProtocolNumber
	}
	proto := ipv6.ProtocolNumber
	if a.Addr().Is4() || strings.HasSuffix(network, "4") {
		proto = ipv4.ProtocolNumber
	}
	h.touch()
	queue := new(waiter.Queue)
	ep, err := h.stack.NewEndpoint(transport, proto, queue)
	if err != nil {
		return nil, nil, failure(err)
	}
	// A TCP port is free again while connections to it are in TIME-WAIT. Of UDP the same
	// option would let a second socket take all that the first one was to get.
	ep.SocketOptions().SetReuseAddress(transport == tcp.ProtocolNumber)
	ep.SocketOptions().SetV6Only(strings.HasSuffix(network, "6"))
	return ep, queue, nil
}

// parse reads a network and an address with a port. The address is left out as "" or
// in the forms that package net knows for it.
func parse(network, address string) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(n)), nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an IP address, and names are not looked up here", host)
	}
	a = a.Unmap()
	if a.Is4() && strings.HasSuffix(network, "6") || a.Is6() && strings.HasSuffix(network, "4") {
		return netip.AddrPort{}, fmt.Errorf("%v is no address for %s", a, network)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

func target(network string, a netip.AddrPort) net.Addr {
	if strings.HasPrefix(network, "udp") {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

// fullAddress turns an address into netstack's. The unspecified addresses of either kind
// stand for all.
func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	f := tcpip.FullAddress{Port: a.Port()}
	ip := a.Addr().Unmap()
	switch {
	case !ip.IsValid() || ip.IsUnspecified():
	default:
		f.Addr = address(ip)
	}
	return f
}

// addrPort turns netstack's address into a plain one. No address is the unspecified one.
func addrPort(f tcpip.FullAddress) netip.AddrPort {
	a := addr(f.Addr)
	switch f.Addr.Len() {
	case 0:
		a = netip.IPv6Unspecified()
	case header.IPv6AddressSize:
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, f.Port)
}

// sourceOf returns the address and port that packets to remote carry.
func (h *Host) sourceOf(local netip.AddrPort, remote netip.AddrPort) (netip.AddrPort, error) {
	if local.Addr().IsValid() && !local.Addr().IsUnspecified() {
		return local, nil
	}
	r, err := h.stack.FindRoute(nic, tcpip.Address{}, address(remote.Addr().Unmap()), protocolOf(remote.Addr().Unmap()), false)
	if err != nil {
		return netip.AddrPort{}, failure(err)
	}
	defer r.Release()
	return netip.AddrPortFrom(addr(r.LocalAddress()), local.Port()), nil
}
