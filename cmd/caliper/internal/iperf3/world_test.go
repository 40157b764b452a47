package iperf3

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// A world is hosts in virtual time. All that runs in it are coroutines of the goroutine
// that calls run, so that a client or server which blocked in anything but its Host would
// stop the world for good: that run returns is the proof that they do not.
type world struct {
	t      testing.TB
	now    time.Time
	ready  []*coroutine
	alarms alarms
	seq    int
	alive  int
	here   *coroutine

	rate   int64                                                 // of each direction, bit/s
	delay  time.Duration                                         // of each direction
	busy   map[netip.Addr]time.Time                              // when the sender's wire is free
	faults func(n int, p []byte) (drop bool, late time.Duration) // of the n'th datagram
	grams  int
	hellos func(p []byte) (drop bool) // of the datagrams that open a stream
	narrow int                        // datagrams that are longer are refused
}

type coroutine struct {
	resume func() (struct{}, bool)
	yield  func(struct{}) bool
	ended  bool
	event
}

func newWorld(t testing.TB) *world {
	return &world{
		t: t, now: time.Unix(0, 0).UTC(),
		rate: 100e6, delay: time.Millisecond, busy: make(map[netip.Addr]time.Time),
	}
}

// run runs everything until nothing is left to do.
func (w *world) run() {
	for {
		switch {
		case len(w.ready) > 0:
			w.here = w.ready[0]
			w.ready = w.ready[1:]
			if _, more := w.here.resume(); !more {
				w.here.ended = true
				w.alive--
				w.here.fire()
			}
			w.here = nil
		case len(w.alarms) > 0:
			a := heap.Pop(&w.alarms).(alarm)
			w.now = a.at
			a.f()
		case w.alive > 0:
			w.t.Fatalf("%d tasks wait at %v for what never comes", w.alive, w.now)
		default:
			return
		}
	}
}

func (w *world) spawn(f func()) *coroutine {
	c := new(coroutine)
	c.resume, _ = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		f()
	})
	c.w = w
	w.alive++
	w.ready = append(w.ready, c)
	return c
}

// at calls f at a time, or as soon as can be.
func (w *world) at(t time.Time, f func()) {
	if t.Before(w.now) {
		t = w.now
	}
	w.seq++
	heap.Push(&w.alarms, alarm{t, w.seq, f})
}

type alarm struct {
	at  time.Time
	seq int
	f   func()
}

type alarms []alarm

func (a alarms) Len() int { return len(a) }
func (a alarms) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].seq < a[j].seq
}
func (a alarms) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)   { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// An event is what coroutines wait for.
type event struct {
	w       *world
	waiting []*coroutine
}

func (e *event) fire() {
	e.w.ready = append(e.w.ready, e.waiting...)
	e.waiting = nil
}

// wait blocks until fire is called, or until the deadline if it is not zero.
func (e *event) wait(deadline time.Time) {
	w := e.w
	if w.here == nil {
		w.t.Fatal("a blocking call outside of the world's coroutines")
	}
	e.waiting = append(e.waiting, w.here)
	if !deadline.IsZero() {
		w.at(deadline, e.fire)
	}
	w.here.yield(struct{}{})
}

// A worldHost is one host of a world.
type worldHost struct {
	w      *world
	ip     netip.Addr
	paces  bool
	port   uint16
	tcp    map[uint16]*worldListener
	udp    map[uint16]*worldPacketConn
	others map[netip.Addr]*worldHost
}

var _ Host = (*worldHost)(nil)

// hosts returns two hosts, near and far, of the given version of IP.
func (w *world) hosts(family int) (near, far *worldHost) {
	ips := []string{"10.0.0.1", "10.0.0.2"}
	if family == 6 {
		ips = []string{"fd00::1", "fd00::2"}
	}
	others := make(map[netip.Addr]*worldHost)
	for _, ip := range ips {
		h := &worldHost{
			w: w, ip: netip.MustParseAddr(ip), port: 40000, others: others,
			tcp: make(map[uint16]*worldListener), udp: make(map[uint16]*worldPacketConn),
		}
		others[h.ip] = h
	}
	return others[netip.MustParseAddr(ips[0])], others[netip.MustParseAddr(ips[1])]
}

func (h *worldHost) Now() time.Time { return h.w.now }

func (h *worldHost) Sleep(d time.Duration) {
	e := event{w: h.w}
	e.wait(h.w.now.Add(d))
}

func (h *worldHost) Go(f func()) (wait func()) {
	c := h.w.spawn(f)
	return func() {
		for !c.ended {
			c.wait(time.Time{})
		}
	}
}

func (h *worldHost) CPUTime() (user, system time.Duration) { return 0, 0 }

func (h *worldHost) Pace(c any, remote net.Addr, bps int64) (Departures, error) {
	if !h.paces {
		return nil, ErrNotPaced
	}
	switch c := c.(type) {
	case *worldConn:
		if c.datagrams {
			return h.Pace(c.worldPacketConn, remote, bps)
		}
		c.paced = bps
	case *worldPacketConn:
		c.paced[addrPort(remote)] = &pacing{bps: bps}
		same := &pacing{bps: bps}
		return func(n int, now time.Time) time.Time { return same.at(now, n) }, nil
	}
	return nil, nil
}

// Outgoing is known where the host paces; it counts everything since the connection began.
func (h *worldHost) Outgoing(c any, remote net.Addr) (Outgoing, bool) {
	switch c := c.(type) {
	case *worldConn:
		if c.datagrams {
			return h.Outgoing(c.worldPacketConn, remote)
		}
		return Outgoing{Bytes: c.sent, Acknowledged: c.acked}, h.paces
	case *worldPacketConn:
		if p := c.paced[addrPort(remote)]; p != nil {
			return p.out, true
		}
	}
	return Outgoing{}, false
}

func (h *worldHost) Drain(c any, remote net.Addr, until time.Time) error {
	if !h.paces {
		return nil
	}
	var ev *event
	var done func() bool
	switch c := c.(type) {
	case *worldConn:
		if c.datagrams {
			return h.Drain(c.worldPacketConn, remote, until)
		}
		ev, done = &c.ev, func() bool { return c.acked == c.written }
	case *worldPacketConn:
		p := c.paced[addrPort(remote)]
		ev, done = &c.event, func() bool { return p == nil || p.waiting == 0 }
	}
	for !done() {
		if passed(h.w, until) {
			return os.ErrDeadlineExceeded
		}
		ev.wait(until)
	}
	return nil
}

func (h *worldHost) SetCongestion(net.Conn, string) error { return nil }

func (h *worldHost) TCPInfo(c net.Conn) (TCPInfo, bool) {
	if c, ok := c.(*worldConn); !ok || c.datagrams {
		return TCPInfo{}, false
	}
	return TCPInfo{
		Cwnd: 100 * 1448, SendWindow: 1 << 20, RTT: 2 * h.w.delay, RTTVar: h.w.delay / 4,
		PMTU: 1500, MSS: 1448, Congestion: "cubic",
	}, true
}

func (h *worldHost) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	remote := netip.MustParseAddrPort(address)
	h.port++
	local := netip.AddrPortFrom(h.ip, h.port)
	peer := h.others[remote.Addr()]
	if network[:3] == "udp" {
		pc := h.listenPacket(local)
		return &worldConn{worldPacketConn: pc, remote: remote, datagrams: true}, nil
	}
	if peer == nil {
		d, ok := ctx.Deadline()
		if !ok {
			d = h.w.now.Add(2 * time.Minute)
		}
		h.Sleep(d.Sub(h.w.now))
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
	}
	h.Sleep(2 * h.w.delay)
	ln := peer.tcp[remote.Port()]
	if ln == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	a, b := h.w.pipe(local, remote)
	ln.queue = append(ln.queue, b)
	ln.fire()
	return a, nil
}

func (h *worldHost) Listen(network, address string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var n uint16
	fmt.Sscan(port, &n)
	if h.tcp[n] != nil {
		return nil, syscall.EADDRINUSE
	}
	ln := &worldListener{event: event{w: h.w}, h: h, port: n}
	h.tcp[n] = ln
	return ln, nil
}

func (h *worldHost) ListenPacket(network, address string) (net.PacketConn, error) {
	return h.listenPacket(netip.MustParseAddrPort(address)), nil
}

func (h *worldHost) listenPacket(local netip.AddrPort) *worldPacketConn {
	pc := &worldPacketConn{h: h, local: local, event: event{w: h.w}, paced: make(map[netip.AddrPort]*pacing)}
	h.udp[local.Port()] = pc
	return pc
}

type worldListener struct {
	event
	h      *worldHost
	port   uint16
	queue  []*worldConn
	closed bool
}

func (l *worldListener) Accept() (net.Conn, error) {
	for {
		if l.closed {
			return nil, net.ErrClosed
		}
		if len(l.queue) > 0 {
			c := l.queue[0]
			l.queue = l.queue[1:]
			return c, nil
		}
		l.wait(time.Time{})
	}
}

func (l *worldListener) Close() error {
	l.closed = true
	delete(l.h.tcp, l.port)
	l.fire()
	return nil
}

func (l *worldListener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.h.ip, l.port))
}
