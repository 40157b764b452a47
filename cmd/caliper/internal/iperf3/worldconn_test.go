package iperf3

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// depart puts n bytes on the sender's wire and returns when they arrive.
func (w *world) depart(from netip.Addr, n int, earliest time.Time) (left, arrives time.Time) {
	if b := w.busy[from]; earliest.Before(b) {
		earliest = b
	}
	left = earliest.Add(time.Duration(int64(n) * 8 * int64(time.Second) / w.rate))
	w.busy[from] = left
	return left, left.Add(w.delay)
}

// sendBuffer is how much a connection takes before it leaves, in bytes.
const sendBuffer = 64 << 10

// A pacing is a flow whose packets leave at a rate.
type pacing struct {
	bps     int64
	next    time.Time
	waiting int // datagrams
	out     Outgoing
}

// mostWaiting is how many datagrams of a flow may wait for their departure.
const mostWaiting = 2

func (p *pacing) at(now time.Time, n int) time.Time {
	if p.next.Before(now) {
		p.next = now
	}
	t := p.next
	p.next = t.Add(time.Duration(int64(n) * 8 * int64(time.Second) / p.bps))
	return t
}

// A worldConn is a TCP connection without loss, or the client's end of a UDP flow.
type worldConn struct {
	*worldPacketConn // of datagrams
	datagrams        bool
	local, remote    netip.AddrPort

	ev                      event
	peer                    *worldConn
	in                      []byte
	eof, reset, closed      bool
	unsent                  int
	written, sent, acked    int64
	paced                   int64
	pace                    pacing
	readUntil, writtenUntil time.Time
}

// pipe returns the two ends of a connection.
func (w *world) pipe(local, remote netip.AddrPort) (a, b *worldConn) {
	a = &worldConn{local: local, remote: remote, ev: event{w: w}}
	b = &worldConn{local: remote, remote: local, ev: event{w: w}}
	a.peer, b.peer = b, a
	return a, b
}

func passed(w *world, deadline time.Time) bool {
	return !deadline.IsZero() && !w.now.Before(deadline)
}

func (c *worldConn) Read(p []byte) (int, error) {
	if c.datagrams {
		n, _, err := c.ReadFrom(p)
		return n, err
	}
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case passed(c.ev.w, c.readUntil):
			return 0, os.ErrDeadlineExceeded
		case len(c.in) > 0:
			n := copy(p, c.in)
			c.in = c.in[n:]
			return n, nil
		case c.reset:
			return 0, syscall.ECONNRESET
		case c.eof:
			return 0, io.EOF
		}
		c.ev.wait(c.readUntil)
	}
}

func (c *worldConn) Write(p []byte) (n int, err error) {
	if c.datagrams {
		return c.WriteTo(p, net.UDPAddrFromAddrPort(c.remote))
	}
	w := c.ev.w
	for len(p) > 0 {
		switch {
		case c.closed:
			return n, net.ErrClosed
		case passed(w, c.writtenUntil):
			return n, os.ErrDeadlineExceeded
		case c.reset:
			return n, syscall.ECONNRESET
		case c.unsent >= sendBuffer:
			c.ev.wait(c.writtenUntil)
			continue
		}
		part := append([]byte(nil), p[:min(len(p), 1448, sendBuffer-c.unsent)]...)
		p = p[len(part):]
		n += len(part)
		c.unsent += len(part)
		c.written += int64(len(part))
		ready := w.now
		if c.paced > 0 {
			c.pace.bps = c.paced
			ready = c.pace.at(w.now, len(part))
		}
		left, arrives := w.depart(c.local.Addr(), len(part), ready)
		w.at(left, func() { c.unsent -= len(part); c.sent += int64(len(part)); c.ev.fire() })
		w.at(arrives, func() { c.peer.arrive(part) })
		w.at(arrives.Add(w.delay), func() { c.acked += int64(len(part)); c.ev.fire() })
	}
	return n, nil
}

func (c *worldConn) arrive(part []byte) {
	if c.closed {
		c.ev.w.at(c.ev.w.now.Add(c.ev.w.delay), func() { c.peer.reset = true; c.peer.ev.fire() })
		return
	}
	c.in = append(c.in, part...)
	c.ev.fire()
}

func (c *worldConn) Close() error {
	if c.datagrams {
		return c.worldPacketConn.Close()
	}
	if c.closed {
		return nil
	}
	c.closed = true
	c.ev.fire()
	_, arrives := c.ev.w.depart(c.local.Addr(), 0, c.ev.w.now)
	c.ev.w.at(arrives, func() { c.peer.eof = true; c.peer.ev.fire() })
	return nil
}

func (c *worldConn) LocalAddr() net.Addr {
	if c.datagrams {
		return c.worldPacketConn.LocalAddr()
	}
	return net.TCPAddrFromAddrPort(c.local)
}

func (c *worldConn) RemoteAddr() net.Addr {
	if c.datagrams {
		return net.UDPAddrFromAddrPort(c.remote)
	}
	return net.TCPAddrFromAddrPort(c.remote)
}

func (c *worldConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *worldConn) SetReadDeadline(t time.Time) error {
	if c.datagrams {
		return c.worldPacketConn.SetReadDeadline(t)
	}
	c.readUntil = t
	c.ev.fire()
	return nil
}

func (c *worldConn) SetWriteDeadline(t time.Time) error {
	if c.datagrams {
		return c.worldPacketConn.SetWriteDeadline(t)
	}
	c.writtenUntil = t
	c.ev.fire()
	return nil
}

// A worldPacketConn is a UDP socket.
type worldPacketConn struct {
	event
	h      *worldHost
	local  netip.AddrPort
	in     []datagram
	closed bool
	until  time.Time

	writtenUntil time.Time
	paced        map[netip.AddrPort]*pacing
}

type datagram struct {
	from netip.AddrPort
	b    []byte
}

func (c *worldPacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		switch {
		case c.closed:
			return 0, nil, net.ErrClosed
		case passed(c.w, c.until):
			return 0, nil, os.ErrDeadlineExceeded
		case len(c.in) > 0:
			d := c.in[0]
			c.in = c.in[1:]
			return copy(p, d.b), net.UDPAddrFromAddrPort(d.from), nil
		}
		c.wait(c.until)
	}
}

func (c *worldPacketConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.w.narrow > 0 && len(p) > c.w.narrow {
		return 0, &net.OpError{Op: "write", Net: "udp", Addr: addr, Err: syscall.EMSGSIZE}
	}
	to := addrPort(addr)
	ready := c.w.now
	pc := c.paced[to]
	if pc != nil && len(p) > len(hello) {
		for pc.waiting >= mostWaiting {
			if passed(c.w, c.writtenUntil) {
				return 0, os.ErrDeadlineExceeded
			}
			c.wait(c.writtenUntil)
		}
		ready = pc.at(c.w.now, len(p))
	}
	left, arrives := c.w.depart(c.local.Addr(), len(p), ready)
	if pc != nil && len(p) > len(hello) {
		pc.waiting++
		c.w.at(left, func() {
			pc.waiting--
			pc.out.Packets++
			pc.out.Bytes += int64(len(p))
			c.fire()
		})
	}
	if c.w.hellos != nil && len(p) == len(hello) && c.w.hellos(p) {
		return len(p), nil
	}
	if c.w.faults != nil && len(p) > len(hello) {
		c.w.grams++
		drop, late := c.w.faults(c.w.grams, p)
		if drop {
			return len(p), nil
		}
		arrives = arrives.Add(late)
	}
	d := datagram{c.local, append([]byte(nil), p...)}
	c.w.at(arrives, func() {
		if peer := c.h.others[to.Addr()]; peer != nil && peer.udp[to.Port()] != nil {
			pc := peer.udp[to.Port()]
			pc.in = append(pc.in, d)
			pc.fire()
		}
	})
	return len(p), nil
}

func (c *worldPacketConn) Close() error {
	if !c.closed {
		c.closed = true
		delete(c.h.udp, c.local.Port())
		c.fire()
	}
	return nil
}

func (c *worldPacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

func (c *worldPacketConn) SetReadDeadline(t time.Time) error {
	c.until = t
	c.fire()
	return nil
}

func (c *worldPacketConn) SetWriteDeadline(t time.Time) error {
	c.writtenUntil = t
	c.fire()
	return nil
}

func (c *worldPacketConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
