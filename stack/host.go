package stack

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	grand "gvisor.dev/gvisor/pkg/rand"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// Config describes a host.
type Config struct {
	// Device is the top of the host's chain. Where connections are to be paced it is a
	// hold.Hold. The host closes it when it is closed.
	Device link.Device

	// Addrs are the host's addresses with their prefixes; at least one.
	Addrs []netip.Prefix

	// Gateways are where packets go that are for none of the prefixes; at most one for
	// IPv4 and one for IPv6.
	Gateways []netip.Addr

	// Neighbors are the Ethernet addresses of hosts on the link that need not be asked
	// for by ARP or neighbor discovery.
	Neighbors map[netip.Addr]net.HardwareAddr

	// Probe has New ask for 0.3 s whether another station on the link has one of Addrs, and
	// fail with a *DuplicateError if so. It is for an Ethernet in real time.
	Probe bool

	// Claimed, if not nil, is told on the clock's goroutine when another station on the link
	// says that it has one of Addrs, for each address every 10 s at most.
	Claimed func(a netip.Addr, by net.HardwareAddr)

	// MinRTO is TCP's minimum retransmission timeout; 0 means 200 ms, as Linux. There is
	// no tail loss probe, and so a path in virtual time wants some of its round trips. A real
	// peer delays acknowledgements by 40 ms and more: less than that makes timeouts that
	// nothing was lost for.
	MinRTO time.Duration

	// Congestion makes the congestion controller of a TCP connection; nil means CUBIC. One
	// that needs a pacer (cc.Pacing) is refused unless Device is a hold.Hold. With another
	// gVisor (CheckGVisor) all but CUBIC are refused.
	Congestion func() cc.Controller

	// Pacing makes the pacer of a TCP connection; nil means that nobody paces, unless the
	// controller needs a pacer: then it is pacer.Delivery. TCPConn.SetPacing says
	// otherwise for one connection.
	Pacing func() pacer.Pacer

	// Unbounded lets a connection have its whole window waiting for departure, as netstack
	// alone does. Otherwise it is what is sent in a millisecond, and two segments.
	Unbounded bool

	// Buffer is the size of TCP's receive buffers in bytes, and what send buffers grow to
	// with the window; 0 means 8 MiB. That of a connection that was accepted begins with
	// 256 KiB and grows with what the application reads; all of a host together have no
	// more than 32 times Buffer above that. A UDP socket has 212 KiB to send and 4 MiB to
	// receive.
	Buffer int
}

const nic tcpip.NICID = 1

// Host is a TCP/IP host.
type Host struct {
	clk    clock.Clock
	world  *World // nil in real time
	ep     *endpoint.Endpoint
	below  link.Device
	stack  *gstack.Stack
	addrs  []netip.Prefix
	once   sync.Once
	closed atomic.Bool
	ended  bool       // its stack has no goroutines left to be brought to rest
	inline *inlineTCP // in a world, if that is possible

	listening sync.Mutex // one Listen at a time
	paths     pathMTUs
	receive   receiveBuffers

	layout     error     // of CheckGVisor
	sched      scheduler // below, if it is one
	congestion func() cc.Controller
	pacing     func() pacer.Pacer
	unbounded  bool
	conflicts  map[netip.Addr]clock.Time // when one was told of last; nil before it has its addresses
	softirq    *softirq
	arrivals   *arrivalClock // likewise
}

// New makes a host in real time. clk is the clock of its devices; New must not be called
// from the clock's goroutine.
func New(clk *clock.Real, config Config) (*Host, error) {
	return newHost(&Host{clk: clk}, config)
}

// tellLayout tells once that TCP is netstack's, as it tells what it warns of itself.
var tellLayout sync.Once

// creating protects what netstack reads from the whole process when a stack is made.
var creating sync.Mutex

func newHost(h *Host, config Config) (*Host, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	h.addrs = config.Addrs
	h.paths.clk, h.paths.own = h.clk, config.Device.Info().MTU
	h.below = config.Device
	h.sched, _ = config.Device.(scheduler)
	if h.layout = checkLayout(); h.layout != nil {
		tellLayout.Do(func() { log.Warningf("%v", h.layout) })
	}
	h.congestion, h.pacing, h.unbounded = config.Congestion, config.Pacing, config.Unbounded
	if err := h.checkControl(); err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	link := endpoint.Config{TooBig: h.paths.tooBig, Segments: h.layout != nil}
	if config.Claimed != nil {
		link.Claimed = func(a netip.Addr, by net.HardwareAddr) { h.claimed(a, by, config.Claimed) }
	}
	if h.world != nil {
		link.Enter = h.enter
	} else {
		h.arrivals = newArrivalClock(h.clk)
		link.Arrived = h.arrivals.arrived
	}
	h.stack = h.newStack()
	if h.inline != nil {
		link.Direct = h.direct
	}
	h.onClock(func() { h.ep = endpoint.New(config.Device, h.clk, link) })
	if err := h.setUp(config, h.ep); err != nil {
		h.stack.Destroy()
		return nil, fmt.Errorf("stack: %w", err)
	}
	h.onClock(func() { h.conflicts = make(map[netip.Addr]clock.Time) }) // the addresses are ours
	h.softirq = newSoftirq(h)
	return h, nil
}

// newStack makes the host's stack, in a world from the world's seed.
func (h *Host) newStack() *gstack.Stack {
	options := options()
	if h.world != nil && h.world.restsInline() {
		options.TransportProtocols[0] = h.newInlineTCP
	}
	creating.Lock()
	defer creating.Unlock()
	if h.world != nil {
		seed := h.world.source()
		options.Clock = &worldClock{h}
		options.RandSource = &lockedSource{source: rand.NewSource(int64(seed.Uint64()))}
		options.SecureRNG = seed
		// IPv4 identifications come from a variable of the process, and the number of
		// TCP's goroutines from GOMAXPROCS. One goroutine keeps the segments of all
		// connections in one order.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		defer func(r io.Reader) { grand.Reader = r }(grand.Reader)
		grand.Reader = seed
	}
	if h.arrivals != nil {
		options.Clock = h.arrivals
	}
	return gstack.New(options)
}

func options() gstack.Options {
	return gstack.Options{
		NetworkProtocols: []gstack.NetworkProtocolFactory{
			ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol,
		},
		TransportProtocols: []gstack.TransportProtocolFactory{
			tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		HandleLocal: true,
	}
}

func (c *Config) check() error {
	if c.Device == nil {
		return errors.New("a host needs a device")
	}
	if len(c.Addrs) == 0 {
		return errors.New("a host needs an address")
	}
	mtu := c.Device.Info().MTU
	for _, a := range c.Addrs {
		switch {
		case !a.IsValid():
			return errors.New("an address of the host is not valid")
		case a.Addr().Is6() && mtu < header.IPv6MinimumMTU:
			return fmt.Errorf("MTU %d is too small for IPv6 address %v: at least %d", mtu, a, header.IPv6MinimumMTU)
		}
	}
	if mtu < header.IPv4MinimumMTU {
		return fmt.Errorf("MTU %d is too small: at least %d", mtu, header.IPv4MinimumMTU)
	}
	return nil
}

// setUp brings the new stack to what Config says and what the package comment promises.
func (h *Host) setUp(config Config, ep gstack.LinkEndpoint) error {
	buffer := config.Buffer
	if buffer == 0 {
		buffer = 8 << 20
	}
	h.receive.most = buffer
	minRTO := tcpip.TCPMinRTOOption(config.MinRTO)
	if minRTO == 0 {
		minRTO = tcpip.TCPMinRTOOption(200 * time.Millisecond)
	}
	sack, rack := tcpip.TCPSACKEnabled(true), tcpip.TCPRecovery(0)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: buffer, Max: buffer}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: buffer, Max: buffer}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &rack, &minRTO, &send, &receive} {
		if err := h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("set up TCP: %v", err)
		}
	}
	// A UDP receiver that is not at once there finds what has come.
	datagrams := tcpip.ReceiveBufferSizeOption{Min: 4096, Default: 4 << 20, Max: 4 << 20}
	if err := h.stack.SetOption(datagrams); err != nil {
		return fmt.Errorf("set up UDP: %v", err)
	}
	if err := h.stack.CreateNIC(nic, ep); err != nil {
		return fmt.Errorf("set up the interface: %v", err)
	}
	ethernet := ep.Capabilities()&gstack.CapabilityResolutionRequired != 0
	probes := config.Probe && ethernet && h.world == nil
	if probes {
		if err := h.probe(config.Addrs); err != nil {
			return err
		}
	}
	var routes []tcpip.Route
	for _, p := range config.Addrs {
		addr := tcpip.ProtocolAddress{
			Protocol:          protocolOf(p.Addr()),
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()},
		}
		if err := h.stack.AddProtocolAddress(nic, addr, gstack.AddressProperties{}); err != nil {
			return fmt.Errorf("add address %v: %v", p, err)
		}
		routes = append(routes, tcpip.Route{Destination: addr.AddressWithPrefix.Subnet(), NIC: nic})
	}
	for _, g := range config.Gateways {
		everywhere := header.IPv4EmptySubnet
		if g.Is6() {
			everywhere = header.IPv6EmptySubnet
		}
		routes = append(routes, tcpip.Route{Destination: everywhere, Gateway: address(g), NIC: nic})
	}
	h.stack.SetRouteTable(routes)
	if !ethernet {
		return nil
	}
	if probes {
		h.announce()
	}
	for a, mac := range config.Neighbors {
		if err := h.stack.AddStaticNeighbor(nic, protocolOf(a), address(a), tcpip.LinkAddress(mac)); err != nil {
			return fmt.Errorf("add neighbor %v: %v", a, err)
		}
	}
	return nil
}

// owns tells whether a is one of the host's addresses.
func (h *Host) owns(a netip.Addr) bool {
	return slices.ContainsFunc(h.addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}

// Addrs returns the host's addresses.
func (h *Host) Addrs() []netip.Prefix { return h.addrs }

// Clock returns the clock that the host runs on.
func (h *Host) Clock() clock.Clock { return h.clk }

// Now returns the date on the host's clock. Deadlines are meant on it.
func (h *Host) Now() time.Time { return h.clk.Wall(h.clk.Now()) }

// Speed returns the line speed of the host's port in bit/s; 0 if it has none.
func (h *Host) Speed() int64 { return h.below.Info().Speed }

// Counters returns what the host's endpoint has counted. It is called on the clock's goroutine.
func (h *Host) Counters() link.Counters { return h.ep.Counters() }

// Stats returns counters of netstack: retransmissions, checksum errors and so on.
func (h *Host) Stats() tcpip.Stats { return h.stack.Stats() }

// Flush waits until the peers have acknowledged all that was written to connections that
// are closed since, as a kernel goes on to do behind a process that has ended. It waits
// for limit at most, and reports whether nothing is left. It is for hosts in real time.
func (h *Host) Flush(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		if !slices.ContainsFunc(h.stack.RegisteredEndpoints(), closing) {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// closing reports whether a closed TCP connection still has something to send.
func closing(ep gstack.TransportEndpoint) bool {
	t, ok := ep.(*tcp.Endpoint)
	if !ok {
		return false
	}
	switch t.EndpointState() {
	case tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck:
		return true
	}
	return false
}

// Close ends all connections at once, closes the devices and waits for the stack's
// goroutines. What waits in a socket, and whatever is called after it, returns
// net.ErrClosed. A second Close does nothing. In real time it must not be called from the
// clock's goroutine, and must come before the clock is closed.
func (h *Host) Close() (err error) {
	if err := h.inside(); err != nil {
		return err
	}
	h.once.Do(func() {
		h.closed.Store(true)
		if h.world != nil {
			h.world.settle()
			h.ended = true
		}
		h.softirq.close()
		h.stack.Close()
		h.onClock(func() {
			if h.world == nil { // there the resets would come in any order
				h.ep.Flush()
			}
			err = h.below.Close()
			h.ep.Drain()
		})
		h.stack.Wait()
	})
	return err
}

// onClock runs f where the devices live.
func (h *Host) onClock(f func()) {
	if r, ok := h.clk.(*clock.Real); ok {
		r.Do(f)
		return
	}
	f()
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func addr(a tcpip.Address) netip.Addr {
	n, _ := netip.AddrFromSlice(a.AsSlice())
	return n
}
