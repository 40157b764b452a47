package pktgen

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
)

// A Kernel sends the packets of a plan through a UDP socket of the kernel, each when the
// clock says that it is time, which the clock waits for busily. A packet has left when it
// is handed to the kernel: what the kernel and the network card do to its time is not seen.
type Kernel struct {
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

	plan    *Plan
	tally   *Tally
	timer   clock.Timer
	start   clock.Time
	at      clock.Time // when the next packet is to leave
	payload []byte     // of the next packet
	zeros   []byte

	// What send makes and what became of it; a field so that sending makes no closure.
	send func(fd uintptr) bool
	sent clock.Time
	call time.Duration // that it took, during which the packet left
	err  error
}

// OpenKernel opens a socket for packets to an address, from a port that is 0 where the
// kernel shall choose one. Close must be called.
func OpenKernel(clk *clock.Real, to netip.AddrPort, from uint16) (*Kernel, error) {
	k := &Kernel{clk: clk, headers: 28}
	if to.Addr().Is6() {
		k.headers = 48
	}
	local, err := k.probe(to)
	if err != nil {
		return nil, err
	}
	network := "udp4"
	if to.Addr().Is6() {
		network = "udp6"
	}
	k.conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, from)))
	if err != nil {
		return nil, err
	}
	if err := k.open(to); err != nil {
		k.conn.Close()
		return nil, err
	}
	return k, nil
}

// probe asks the kernel which way packets go: from which address, and with what MTU.
func (k *Kernel) probe(to netip.AddrPort) (netip.Addr, error) {
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
	err = raw.Control(func(fd uintptr) { k.mtu, asked = unix.GetsockoptInt(int(fd), level, option) })
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
func (k *Kernel) open(to netip.AddrPort) (err error) {
	if k.raw, err = k.conn.SyscallConn(); err != nil {
		return err
	}
	level, option, do := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO
	if to.Addr().Is6() {
		level, option, do = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO
	}
	var set error
	err = k.raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, do) })
	if err = errors.Join(err, set); err != nil {
		return fmt.Errorf("forbid fragments: %w", err)
	}
	local, ok := k.conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return errors.New("a UDP socket without an address")
	}
	k.flow = pacer.FlowOf(pacer.ProtoUDP, local.AddrPort(), to)
	if to.Addr().Is4() {
		k.to = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		zone := uint32(0)
		if name := to.Addr().Zone(); name != "" {
			face, err := net.InterfaceByName(name)
			if err != nil {
				return fmt.Errorf("interface %s: %w", name, err)
			}
			zone = uint32(face.Index)
		}
		k.to = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: zone}
	}
	k.send = func(fd uintptr) bool {
		k.sent = k.clk.Now()
		k.err = unix.Sendto(int(fd), k.payload, 0, k.to)
		k.call = k.clk.Now().Sub(k.sent)
		return true // also without room: who waits for it here misses the next times
	}
	k.timer = k.clk.AfterFunc(time.Duration(clock.Never), k.pump)
	k.timer.Stop()
	return nil
}

// Flow returns the flow of the packets.
func (k *Kernel) Flow() pacer.Flow { return k.flow }

// MTU returns the largest IP packet in bytes that the interface takes which packets leave
// by.
func (k *Kernel) MTU() int { return k.mtu }

// Begin says what to send.
func (k *Kernel) Begin(plan *Plan, tally *Tally) {
	k.plan, k.tally = plan, tally
	k.zeros = make([]byte, plan.Sizes.Most())
}

// Start begins: the first packet leaves when lead has passed.
func (k *Kernel) Start(lead time.Duration) {
	k.start = k.clk.Now().Add(lead)
	if k.next() {
		k.timer.ResetAt(k.at)
	}
}

// Stop ends the plan.
func (k *Kernel) Stop() {
	k.timer.Stop()
	if k.payload != nil {
		k.payload = nil
		k.tally.drop()
	}
	k.tally.end(nil)
}

// next prepares the next packet.
func (k *Kernel) next() bool {
	at, payload, ok := k.plan.Next(k.clk.Now().Sub(k.start))
	if !ok {
		k.payload = nil
		k.tally.end(nil)
		return false
	}
	k.at, k.payload = k.start.Add(at), k.zeros[:payload]
	k.tally.give()
	return true
}

// pump sends the packet that is due.
func (k *Kernel) pump() {
	if err := k.raw.Write(k.send); err != nil {
		k.fail(err)
		return
	}
	switch k.err {
	case nil:
		k.leave()
		if !k.next() {
			return
		}
	case unix.EAGAIN, unix.ENOBUFS:
		k.Full++
	case unix.EINTR:
	default:
		k.fail(k.err)
		return
	}
	// Not in the past, so that others have their turn when the schedule is not kept.
	k.timer.ResetAt(max(k.at, k.clk.Now()))
}

// fail ends the plan with the packet that could not be sent.
func (k *Kernel) fail(err error) {
	k.tally.drop()
	k.tally.end(fmt.Errorf("send %d bytes as %v: %w", len(k.payload), k.flow, err))
	k.payload = nil
}

// leave writes down the packet that was sent.
func (k *Kernel) leave() {
	n := len(k.payload)
	ip := k.headers + n
	k.Departures.Add(&link.Departure{Flow: k.flow, Paced: true, Depart: k.at, Enqueued: k.sent, Sent: k.sent, Call: k.call})
	k.tally.leave(departure{k.at, k.sent},
		pacer.Size{Wire: link.WireBytes(link.EthernetHeader + ip), IP: ip, Payload: n})
}

// Close closes the socket.
func (k *Kernel) Close() error { return k.conn.Close() }
