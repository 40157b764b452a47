package stack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netcaliper/caliper/pacer"
)

// Pace says who asks for the departures of what c sends, from the next packet on; nil
// means nobody. c is a connection of this host, or one of its PacketConns, where remote
// says to whom; else remote is not looked at. p belongs to the host from then on.
func (h *Host) Pace(c any, remote net.Addr, p pacer.Pacer) error {
	var flow pacer.Flow
	switch c := c.(type) {
	case *TCPConn:
		if c.closed.Load() {
			return fmt.Errorf("stack: pace: %w", net.ErrClosed)
		}
		c.paced.Store(true)
		flow = c.flow()
	case *UDPConn:
		to := c.remote
		if !to.IsValid() {
			u, ok := remote.(*net.UDPAddr)
			if !ok {
				return errors.New("stack: pace: a UDP socket is paced by where it sends to: give a remote address")
			}
			to = u.AddrPort()
		}
		from, err := h.sourceOf(c.localPort(), to)
		if err != nil {
			return fmt.Errorf("stack: pace: %w", err)
		}
		flow = pacer.FlowOf(pacer.ProtoUDP, from, to)
		if err := c.pace(flow); err != nil {
			return fmt.Errorf("stack: pace: %w", err)
		}
	default:
		return fmt.Errorf("stack: pace: %T is no connection of a Host", c)
	}
	h.ep.SetPacer(flow, p)
	return nil
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
