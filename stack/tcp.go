package stack

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/pacer"
)

// TCPConn is a TCP connection of a Host. It implements net.Conn and is safe for
// concurrent use, as far as the Host is.
type TCPConn struct {
	socket
	local, remote netip.AddrPort
	loop          *loop
	accepted      bool

	readMu   sync.Mutex
	received receiveBuffer
}

// connected completes a connection that has both its addresses. It returns ECONNRESET if
// the peer has reset it since.
func (c *TCPConn) connected() error {
	local, err := c.ep.GetLocalAddress()
	if err != nil {
		return syscall.ECONNRESET
	}
	remote, err := c.ep.GetRemoteAddress()
	if err != nil {
		return syscall.ECONNRESET
	}
	c.local, c.remote = addrPort(local), addrPort(remote)
	c.toSelf = c.host.owns(c.remote.Addr())
	c.ep.SocketOptions().SetDelayOption(false) // no Nagle, as package net
	if err := c.takeControl(); err == errNoSender {
		return syscall.ECONNRESET
	} else if err != nil {
		return err
	}
	c.received = c.host.receive.begin(c.accepted)
	return nil
}

// Read implements net.Conn.
func (c *TCPConn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	var result tcpip.ReadResult
	err = c.block(&c.read, func() (err tcpip.Error) {
		w := tcpip.SliceWriter(b)
		result, err = c.ep.Read(&w, tcpip.ReadOptions{})
		return err
	})
	c.took(result.Count)
	return result.Count, c.fail("read", err)
}

// took lets the receive buffer grow with what was read.
func (c *TCPConn) took(n int) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if n > 0 && c.host.receive.took(&c.received, n) {
		c.ep.SocketOptions().SetReceiveBufferSize(int64(c.received.size), false)
	}
}

func (c *TCPConn) endReceive() {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	c.host.receive.end(&c.received)
}

// Write implements net.Conn. It returns when all of b has been taken into the send
// buffer.
func (c *TCPConn) Write(b []byte) (n int, err error) {
	data := bytes.NewReader(b)
	c.loop.words.writing.Add(1)
	defer c.loop.words.writing.Add(-1)
	for err == nil && (n < len(b) || len(b) == 0) {
		var wrote int64
		err = c.block(&c.write, func() (err tcpip.Error) {
			room := c.room(len(b) - n)
			full := room == 0 && len(b) > 0
			data.Reset(b[n : n+room]) // with no room: is the connection still there?
			// Counted before, as it may leave before Write returns.
			given := data.Len()
			c.loop.app.wrote(given)
			wrote, err = c.ep.Write(data, tcpip.WriteOptions{})
			c.loop.app.wrote(int(wrote) - given)
			if err == nil && full {
				return &tcpip.ErrWouldBlock{}
			}
			return err
		})
		n += int(wrote)
		if len(b) == 0 {
			break
		}
	}
	if err == io.EOF {
		err = io.ErrClosedPipe
	}
	return n, c.fail("write", err)
}

// room returns how many of n bytes may be written now.
func (c *TCPConn) room(n int) int {
	if c.toSelf { // nothing comes to the link
		return n
	}
	return c.loop.app.room(n)
}

// SetNoDelay says whether small segments are sent at once (true, the default) or wait for
// the acknowledgement of what is in flight (Nagle's algorithm, RFC 896).
func (c *TCPConn) SetNoDelay(on bool) error {
	if err := c.usable(); err != nil {
		return c.fail("set", err)
	}
	c.host.touch()
	c.loop.tcp.setNagle(!on)
	c.ep.SocketOptions().SetDelayOption(!on)
	return nil
}

// CloseWrite ends the connection's sending side, which the peer reads as EOF.
func (c *TCPConn) CloseWrite() error {
	if err := c.usable(); err != nil {
		return c.fail("close", err)
	}
	c.host.touch()
	return c.fail("close", failure(c.ep.Shutdown(tcpip.ShutdownWrite)))
}

// Close implements net.Conn. What was written is still sent.
func (c *TCPConn) Close() error {
	if err := c.shut(); err != nil {
		return c.fail("close", err)
	}
	c.host.touch()
	c.forgetAtEnd()
	c.ep.Close()
	c.endReceive()
	return nil
}

// Abort closes the connection and resets it. What was written may be lost.
func (c *TCPConn) Abort() {
	if c.shut() == nil {
		c.host.touch()
		c.forgetAtEnd()
		c.ep.Abort()
		c.endReceive()
	}
}

// LocalAddr implements net.Conn.
func (c *TCPConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn.
func (c *TCPConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *TCPConn) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return fail(op, "tcp", c.LocalAddr(), c.RemoteAddr(), err)
}

// Listener is a listening TCP socket of a Host. It implements net.Listener.
type Listener struct {
	socket
	local netip.AddrPort
}

// Accept implements net.Listener. A connection that was reset before it was accepted is
// passed over: nobody who can connect makes Accept return an error.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		var ep tcpip.Endpoint
		var queue *waiter.Queue
		err := l.block(&l.read, func() (err tcpip.Error) {
			ep, queue, err = l.ep.Accept(nil)
			return err
		})
		if err != nil {
			return nil, fail("accept", "tcp", nil, l.Addr(), err)
		}
		c := &TCPConn{accepted: true}
		c.init(l.host, ep, queue)
		err = c.connected()
		if err == nil {
			return c, nil
		}
		l.host.touch()
		ep.Close()
		if err != syscall.ECONNRESET {
			return nil, fail("accept", "tcp", nil, l.Addr(), err)
		}
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	if err := l.shut(); err != nil {
		return fail("close", "tcp", nil, l.Addr(), err)
	}
	l.host.touch()
	l.ep.Close()
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

func (c *TCPConn) flow() pacer.Flow { return pacer.FlowOf(pacer.ProtoTCP, c.local, c.remote) }
