package iperf3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Hello and answer with which a UDP stream is opened. Releases before 3.12 know the old
// pair only; a server takes any four bytes, and answers the old hello as it expects.
var (
	hello     = []byte{0x39, 0x38, 0x37, 0x36}
	answer    = []byte{0x36, 0x37, 0x38, 0x39}
	oldHello  = []byte{0x15, 0xcd, 0x5b, 0x07}
	oldAnswer = []byte{0xb1, 0x68, 0xde, 0x3a}
)

// A hello or its answer may be lost: it is sent again every second, ten times.
const (
	helloEvery = time.Second
	helloTimes = 10
)

// greet opens a UDP stream from the client's end. Between hellos it looks whether the
// server has something to say instead.
func (t *test) greet(conn net.Conn) error {
	var b [64]byte
	for range helloTimes {
		if _, err := conn.Write(hello); err != nil {
			return t.because(err)
		}
		if err := conn.SetReadDeadline(t.host.Now().Add(helloEvery)); err != nil {
			return err
		}
		for {
			n, err := conn.Read(b[:])
			if isTimeout(err) {
				break
			}
			if err != nil {
				return t.because(err)
			}
			if bytes.Equal(b[:n], answer) || bytes.Equal(b[:n], oldAnswer) {
				return conn.SetReadDeadline(time.Time{})
			}
		}
		if err := t.objection(time.Millisecond); err != nil {
			return err
		}
		if t.started { // it has had the hello, and it was the answer that was lost
			return conn.SetReadDeadline(time.Time{})
		}
	}
	return fmt.Errorf("no answer to %d datagrams; is UDP let through to that port?", helloTimes)
}

// sendUDP writes datagrams until the test is over or the amount is written. The stamp of a
// datagram that the Host paces is that of its departure, which it waits for after it was
// written: jitter (RFC 3550, 6.4.1) compares the stamp with the arrival.
func (t *test) sendUDP(s *stream) error {
	b := bytes.Clone(t.payload)
	th := throttle{rate: t.params.rate(), start: t.host.Now()}
	for n := int64(1); ; n++ {
		if !t.pace(s, &th) || !t.take() {
			return nil
		}
		stamp := t.host.Now()
		if s.departs != nil {
			stamp = s.departs(len(b), stamp)
		}
		putHead(b, stamp.Sub(t.epoch), n, t.params.UDPCounters64)
		if _, err := s.conn.Write(b); err != nil {
			if errors.Is(err, syscall.EMSGSIZE) {
				return fmt.Errorf("datagrams of %d bytes are too long for the path; give fewer with -l: %w", len(b), err)
			}
			return err
		}
		s.count(len(b), 1)
		th.sent += int64(len(b))
	}
}

// receiveUDP reads datagrams until the socket is closed.
func (t *test) receiveUDP(s *stream) error {
	b := make([]byte, maxUDPBlock+1)
	for {
		n, at, err := t.read(s.reader, b)
		if err != nil {
			return err
		}
		s.receive(b[:n], at.Sub(t.epoch), t.params.UDPCounters64)
		t.arrived(n)
	}
}

// A stamper is a UDP socket that knows when a datagram arrived, which may be long before
// its reader is there.
type stamper interface {
	ReadStamped(b []byte) (n int, from netip.AddrPort, at time.Time, err error)
}

// read reads one datagram, and returns when it arrived or, where that is not known, when
// it was read.
func (t *test) read(r io.Reader, b []byte) (n int, at time.Time, err error) {
	if s, ok := r.(stamper); ok {
		n, _, at, err = s.ReadStamped(b)
		return n, at, err
	}
	n, err = r.Read(b)
	return n, t.host.Now(), err
}

// A socket is a server's: one for all UDP streams of a test, told apart by the client's
// address and port.
type socket struct {
	net.PacketConn
	client netip.Addr
	by     map[netip.AddrPort]*stream
}

// A peer is one client of a socket, as a dataConn.
type peer struct {
	net.PacketConn
	remote net.Addr
}

func (p peer) Write(b []byte) (int, error) { return p.WriteTo(b, p.remote) }
func (p peer) RemoteAddr() net.Addr        { return p.remote }

// serve reads everything that comes to the socket until it is closed. A hello from the
// client's host opens a stream while some are missing. Data that an earlier test left in
// the network is longer than a hello, and opens none.
func (k *socket) serve(t *test) {
	b := make([]byte, maxUDPBlock+1)
	for {
		n, from, at, err := k.receive(t.host, b)
		if t.stopping.Load() && err != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// A datagram that one of the streams sent was refused; the next may be read.
			t.host.Sleep(time.Millisecond)
			continue
		}
		s := k.by[from]
		if n != len(hello) {
			if s != nil && !s.sends {
				s.receive(b[:n], at.Sub(t.epoch), t.params.UDPCounters64)
			}
			continue
		}
		remote := net.UDPAddrFromAddrPort(from)
		if s == nil {
			if from.Addr() != k.client || t.complete() {
				continue
			}
			k.by[from] = t.add(peer{k.PacketConn, remote}, nil)
		}
		reply := answer
		if bytes.Equal(b[:n], oldHello) {
			reply = oldAnswer
		}
		// An answer that is lost, on the way or here, is asked for again.
		_, _ = k.WriteTo(reply, remote)
		if t.complete() {
			t.ctl.wake()
		}
	}
}

// receive reads one datagram, without allocating where the connection can, and returns
// when it arrived or was read.
func (k *socket) receive(h Host, b []byte) (int, netip.AddrPort, time.Time, error) {
	if c, ok := k.PacketConn.(stamper); ok {
		n, from, at, err := c.ReadStamped(b)
		return n, unmapped(from), at, err
	}
	if c, ok := k.PacketConn.(interface {
		ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	}); ok {
		n, from, err := c.ReadFromUDPAddrPort(b)
		return n, unmapped(from), h.Now(), err
	}
	n, from, err := k.ReadFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, h.Now(), err
	}
	return n, addrPort(from), h.Now(), nil
}

// addrPort returns an address as a value that compares.
func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return unmapped(a.AddrPort())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmapped(ap)
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
