package stack

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// UDPConn is a UDP socket of a Host. It implements net.PacketConn and, where it is
// connected, net.Conn. Writing blocks while the socket's send buffer is full of datagrams
// that wait for their departure.
//
// Where a router has said that a datagram did not fit the path, those that do not fit it
// are refused with EMSGSIZE for ten minutes, as Linux does for sockets that set "don't
// fragment" (IP_PMTUDISC_DO): it is set on all of them until a datagram is longer than the
// interface's MTU, and has to be sent in fragments. Those of IPv4 are for routers to cut
// further, and are not refused.
type UDPConn struct {
	socket
	remote netip.AddrPort // not valid if it is not connected

	sendings sendings
}

// ReadFrom implements net.PacketConn. What of a datagram does not fit b is lost.
func (c *UDPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, _, err := c.ReadStamped(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadStamped is ReadFrom, and tells when the datagram arrived, as a time of Host.Now: when
// the host was given its last frame, and not when the reader was there.
func (c *UDPConn) ReadStamped(b []byte) (n int, from netip.AddrPort, at time.Time, err error) {
	var result tcpip.ReadResult
	err = c.block(&c.read, func() (err tcpip.Error) {
		w := tcpip.SliceWriter(b)
		result, err = c.ep.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
		if _, short := err.(*tcpip.ErrBadBuffer); short && len(b) == 0 {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, from, at, c.fail("read", nil, err)
	}
	at = result.ControlMessages.Timestamp
	if c.host.world != nil {
		at = at.Add(-beforeStart)
	}
	return result.Count, addrPort(result.RemoteAddr), at, nil
}

// Read implements net.Conn.
func (c *UDPConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFrom(b)
	return n, err
}

// WriteTo implements net.PacketConn.
func (c *UDPConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, c.fail("write", to, fmt.Errorf("%T is no UDP address", to))
	}
	dst := fullAddress(u.AddrPort())
	return c.send(b, tcpip.WriteOptions{To: &dst}, u, u.AddrPort())
}

// Write implements net.Conn.
func (c *UDPConn) Write(b []byte) (int, error) {
	return c.send(b, tcpip.WriteOptions{}, c.RemoteAddr(), c.remote)
}

func (c *UDPConn) send(b []byte, options tcpip.WriteOptions, to net.Addr, remote netip.AddrPort) (int, error) {
	if !c.host.paths.fits(remote.Addr(), len(b)) {
		return 0, c.fail("write", to, syscall.EMSGSIZE)
	}
	var n int64
	data := bytes.NewReader(b)
	o := c.writes(len(b), remote)
	if o != nil {
		o.Writing(1)
		defer o.Writing(-1)
	}
	err := c.block(&c.write, func() (err tcpip.Error) {
		if o != nil {
			if o.full(len(b)) {
				return &tcpip.ErrWouldBlock{}
			}
			// Counted before, as it may leave before Write returns.
			c.wrote(o, 1, len(b))
			defer func() {
				if err != nil {
					c.wrote(o, -1, -len(b))
				}
			}()
		}
		data.Reset(b)
		n, err = c.ep.Write(data, options)
		return err
	})
	return int(n), c.fail("write", to, err)
}

// Close implements net.PacketConn.
func (c *UDPConn) Close() error {
	if err := c.shut(); err != nil {
		return c.fail("close", nil, err)
	}
	c.host.touch()
	c.ep.Close()
	c.closeSendings()
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *UDPConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.localPort()) }

func (c *UDPConn) localPort() netip.AddrPort {
	a, err := c.ep.GetLocalAddress()
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(a)
}

// RemoteAddr implements net.Conn; nil if the socket is not connected.
func (c *UDPConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}

func (c *UDPConn) fail(op string, to net.Addr, err error) error {
	if err == nil {
		return nil
	}
	return fail(op, "udp", c.LocalAddr(), to, err)
}
