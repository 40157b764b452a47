// Package socket sends a plan through a UDP socket of the kernel.
package socket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/traffic"
)

// A Sender sends the packets of a plan through a UDP socket of the kernel, each when the
// clock says that it is time, which the clock waits for busily. A packet has left when it
// is handed to the kernel: what the kernel and the network card do to its time is not seen.
//
// It belongs to the clock's goroutine, but for what opens and closes it.
type Sender struct {
	// Departures are the statistics of the packets that were sent.
	Departures link.Departures
	// Full is how often the socket had no room, and the packet was tried again.
	Full uint64

	clk     *clock.Real
	conn    *net.UDPConn
	raw     syscall.RawConn
	to      unix.Sockaddr
	flow    pacer.Flow
	headers int // IP and UDP, in bytes
	mtu     int

	plan     *traffic.Plan
	counters *traffic.Counters
	timer    clock.Timer
	start    clock.Time
	at       clock.Time // when the next packet is to leave
	payload  []byte     // of the next packet
	zeros    []byte

	// What send makes and what became of it; a field so that sending makes no closure.
	send func(fd uintptr) bool
	sent clock.Time
	call time.Duration // that it took, during which the packet left
	err  error
}

// Open opens a socket for packets to an address, from a port that is 0 where the
// kernel shall choose one. Close must be called.
func Open(clk *clock.Real, to netip.AddrPort, from uint16) (*Sender, error) {
	s := &Sender{clk: clk, headers: 28}
	if to.Addr().Is6() {
		s.headers = 48
	}
	local, err := s.probe(to)
	if err != nil {
		return nil, err
	}
	network := "udp4"
	if to.Addr().Is6() {
		network = "udp6"
	}
	s.conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, from)))
	if err != nil {
		return nil, err
	}
	if err := s.open(to); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

// probe asks the kernel which way packets go: from which address, and with what MTU.
func (s *Sender) probe(to netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.Addr{}, err
	}
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if to.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	var asked error
	err = raw.Control(func(fd uintptr) { s.mtu, asked = unix.GetsockoptInt(int(fd), level, option) })
	if err = errors.Join(err, asked); err != nil {
		return netip.Addr{}, fmt.Errorf("the MTU of the way to %v: %w", to.Addr(), err)
	}
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, errors.New("a UDP socket without an address")
	}
	return local.AddrPort().Addr().Unmap(), nil
}

// open prepares the socket.
func (s *Sender) open(to netip.AddrPort) (err error) {
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return err
	}
	level, option, do := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO
	if to.Addr().Is6() {
		level, option, do = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO
	}
	var set error
	err = s.raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, do) })
	if err = errors.Join(err, set); err != nil {
		return fmt.Errorf("forbid fragments: %w", err)
	}
	local, ok := s.conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return errors.New("a UDP socket without an address")
	}
	s.flow = pacer.FlowOf(pacer.ProtoUDP, local.AddrPort(), to)
	if to.Addr().Is4() {
		s.to = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		zone := uint32(0)
		if name := to.Addr().Zone(); name != "" {
			face, err := net.InterfaceByName(name)
			if err != nil {
				return fmt.Errorf("interface %s: %w", name, err)
			}
			zone = uint32(face.Index)
		}
		s.to = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: zone}
	}
	s.send = func(fd uintptr) bool {
		s.sent = s.clk.Now()
		s.err = unix.Sendto(int(fd), s.payload, 0, s.to)
		s.call = s.clk.Now().Sub(s.sent)
		return true // also without room: waiting for it here would miss the next times
	}
	s.timer = s.clk.AfterFunc(time.Duration(clock.Never), s.pump)
	s.timer.Stop()
	return nil
}

// Flow returns the flow of the packets.
func (s *Sender) Flow() pacer.Flow { return s.flow }

// MTU returns the largest IP packet in bytes that the interface takes which packets leave
// by.
func (s *Sender) MTU() int { return s.mtu }

// Begin says what to send.
func (s *Sender) Begin(plan *traffic.Plan, counters *traffic.Counters) {
	s.plan, s.counters = plan, counters
	s.zeros = make([]byte, plan.Sizes.Most())
}

// Start begins: the first packet leaves when lead has passed.
func (s *Sender) Start(lead time.Duration) {
	s.start = s.clk.Now().Add(lead)
	if s.next() {
		s.timer.ResetAt(s.at)
	}
}

// Stop ends the plan.
func (s *Sender) Stop() {
	s.timer.Stop()
	if s.payload != nil {
		s.payload = nil
		s.counters.Drop()
	}
	s.counters.End(nil)
}

// next prepares the next packet.
func (s *Sender) next() bool {
	at, payload, ok := s.plan.Next(s.clk.Now().Sub(s.start))
	if !ok {
		s.payload = nil
		s.counters.End(nil)
		return false
	}
	s.at, s.payload = s.start.Add(at), s.zeros[:payload]
	s.counters.Give()
	return true
}

// pump sends the packet that is due.
func (s *Sender) pump() {
	if err := s.raw.Write(s.send); err != nil {
		s.fail(err)
		return
	}
	switch s.err {
	case nil:
		s.leave()
		if !s.next() {
			return
		}
	case unix.EAGAIN, unix.ENOBUFS:
		s.Full++
	case unix.EINTR:
	default:
		s.fail(s.err)
		return
	}
	// Not in the past, so that others have their turn when the schedule is not kept.
	s.timer.ResetAt(max(s.at, s.clk.Now()))
}

// fail ends the plan with the packet that could not be sent.
func (s *Sender) fail(err error) {
	s.counters.Drop()
	s.counters.End(fmt.Errorf("send %d bytes as %v: %w", len(s.payload), s.flow, err))
	s.payload = nil
}

// leave writes down the packet that was sent.
func (s *Sender) leave() {
	n := len(s.payload)
	ip := s.headers + n
	s.Departures.Add(&link.Departure{Flow: s.flow, Paced: true, Depart: s.at, Enqueued: s.sent, Sent: s.sent, Call: s.call})
	s.counters.Leave(s.at, s.sent,
		pacer.Size{Wire: link.WireBytes(link.EthernetHeader + ip), IP: ip, Payload: n})
}

// Close closes the socket.
func (s *Sender) Close() error { return s.conn.Close() }
