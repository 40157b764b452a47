package stack

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/pacer"
)

// outlets are a UDP socket's accounts of what it has sent: one for its peer, and one for
// each remote that somebody asked about, or that datagrams are sent to in fragments, which
// netstack's send buffer does not charge to the writer.
type outlets struct {
	mu   sync.Mutex
	to   map[netip.AddrPort]*outlet
	made int
	long atomic.Bool // a datagram was sent that may need fragments
}

type outlet struct {
	*endpoint.Account
	flow    pacer.Flow
	order   int  // among those of the socket
	asked   bool // somebody wants to know
	paced   bool
	limit   int // bytes that may wait
	written endpoint.Datagrams
}

// Bounds of what a UDP writer may have waiting for its departure: what its pacer's rate
// sends in the time that a goroutine may take to be there again, and otherwise as much as
// netstack's send buffer has.
const (
	aheadTime   = 5 * time.Millisecond
	mostAhead   = 212 << 10 // bytes
	mostOutlets = 64        // that nobody asked about
)

// ends returns the two ends of what is sent to remote, of which a connected socket has no
// choice.
func (c *UDPConn) ends(remote net.Addr) (to, from netip.AddrPort, err error) {
	if to = c.remote; !to.IsValid() {
		u, ok := remote.(*net.UDPAddr)
		if !ok {
			return to, from, errors.New("a UDP socket sends to whom it is told: give a remote address")
		}
		to = u.AddrPort()
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	from, err = c.host.sourceOf(c.localPort(), to)
	return to, from, err
}

// ask returns the account of what is sent to remote from now on.
func (c *UDPConn) ask(remote net.Addr) (*outlet, error) {
	if err := c.host.inside(); err != nil {
		return nil, err
	}
	to, from, err := c.ends(remote)
	if err != nil {
		return nil, err
	}
	c.outlets.mu.Lock()
	defer c.outlets.mu.Unlock()
	if c.isClosed() {
		return nil, net.ErrClosed
	}
	o := c.open(to, from)
	o.asked = true
	return o, nil
}

// open returns the account for a remote, or makes it. The lock is held.
func (c *UDPConn) open(to, from netip.AddrPort) *outlet {
	if o := c.outlets.to[to]; o != nil {
		return o
	}
	if c.outlets.to == nil {
		c.outlets.to = make(map[netip.AddrPort]*outlet)
	}
	o := &outlet{flow: pacer.FlowOf(pacer.ProtoUDP, from, to), limit: mostAhead, order: c.outlets.made}
	o.Account = endpoint.NewAccount(func(free bool) { c.gone(o, free) })
	c.outlets.made++
	c.outlets.to[to] = o
	c.host.ep.Account(o.flow, o.Account)
	return o
}

// writes returns the account that n bytes for a remote are written to, nil if there is
// none.
func (c *UDPConn) writes(n int, to netip.AddrPort) *outlet {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if c.host.owns(to.Addr()) {
		return nil // it does not come to the link
	}
	headers := header.IPv4MinimumSize + header.UDPMinimumSize
	if to.Addr().Is6() {
		headers = header.IPv6MinimumSize + header.UDPMinimumSize
	}
	long := n+headers > c.host.below.Info().MTU
	if long && !c.outlets.long.Swap(true) {
		// Else netstack gives fragments the flag DF, and with it one identification to all
		// of them (RFC 6864). It knows the option.
		_ = c.ep.SetSockOptInt(tcpip.MTUDiscoverOption, int(tcpip.PMTUDiscoveryDont))
	}
	c.outlets.mu.Lock()
	defer c.outlets.mu.Unlock()
	if o := c.outlets.to[to]; o != nil || !long && !c.remote.IsValid() {
		return o
	}
	from, err := c.host.sourceOf(c.localPort(), to)
	if err != nil || c.isClosed() {
		return nil // which writing will tell
	}
	if len(c.outlets.to) >= mostOutlets {
		for a, o := range c.outlets.to {
			if _, _, waiting := o.Counts(); !o.asked && waiting.Packets == 0 {
				c.host.ep.Account(o.flow, nil)
				delete(c.outlets.to, a)
			}
		}
	}
	return c.open(to, from)
}

// full reports whether a writer of n more bytes has to wait.
func (c *UDPConn) full(o *outlet, n int) bool {
	c.outlets.mu.Lock()
	defer c.outlets.mu.Unlock()
	return o.Full(n, o.limit)
}

// gone notes that a datagram waits no longer: the pacer's rate may be another one since.
func (c *UDPConn) gone(o *outlet, free bool) {
	var s pacer.Status
	if c.host.sched != nil {
		s = c.host.sched.Do(pacer.Command{Flow: o.flow})
	}
	limit := ahead(s.Rate)
	c.outlets.mu.Lock()
	o.limit = limit
	c.outlets.mu.Unlock()
	if free {
		c.write.wake()
		c.drained.wake()
	}
}

// ahead returns how many bytes may wait for their departure at a rate in bit/s, 0 if there
// is none.
func ahead(rate int64) int {
	if rate > 0 {
		return int(min(mostAhead, rate/8/int64(time.Second/aheadTime)))
	}
	return mostAhead
}

// wrote notes that datagrams were written.
func (c *UDPConn) wrote(o *outlet, packets int, bytes int) {
	c.outlets.mu.Lock()
	defer c.outlets.mu.Unlock()
	o.written.Packets += int64(packets)
	o.written.Bytes += int64(bytes)
}

// Outgoing returns what has become of what was written for remote since somebody asked
// for the first time, or since the socket was connected; of a connected socket remote is
// not looked at. Datagrams that netstack did not hand down, as it found nobody at the
// address, are among those that were dropped.
func (c *UDPConn) Outgoing(remote net.Addr) (Outgoing, error) {
	o, err := c.ask(remote)
	if err != nil {
		return Outgoing{}, c.fail("account", remote, err)
	}
	var out Outgoing
	out.Left, out.Dropped, out.Waiting = o.Counts()
	c.outlets.mu.Lock()
	out.Written = o.written
	c.outlets.mu.Unlock()
	out.Dropped.Packets = out.Written.Packets - out.Left.Packets - out.Waiting.Packets
	out.Dropped.Bytes = out.Written.Bytes - out.Left.Bytes - out.Waiting.Bytes
	return out, nil
}

// Drain waits until nothing that was written for remote waits any more: all of it has left,
// or was dropped. until is a time of Host.Now, after which os.ErrDeadlineExceeded is
// returned; the deadline of writing does not count.
func (c *UDPConn) Drain(remote net.Addr, until time.Time) error {
	o, err := c.ask(remote)
	if err == nil {
		c.drained.deadline(c.host, until)
		err = c.block(&c.drained, func() tcpip.Error {
			if _, _, waiting := o.Counts(); waiting.Packets > 0 {
				return &tcpip.ErrWouldBlock{}
			}
			return nil
		})
	}
	return c.fail("drain", remote, err)
}

// SetPacing says who asks for the departures of what the socket sends to remote, from the
// next datagram on; nil means nobody. Of a connected socket remote is not looked at. p
// belongs to the host from then on. It returns an error if the host's device is no
// hold.Hold.
func (c *UDPConn) SetPacing(remote net.Addr, p pacer.Pacer) error {
	h := c.host
	if h.sched == nil {
		return c.fail("pace", remote, errNoHold)
	}
	o, err := c.ask(remote)
	if err != nil {
		return c.fail("pace", remote, err)
	}
	rate := int64(0)
	if r, ok := p.(interface{ BitRate() int64 }); ok {
		rate = r.BitRate()
	}
	command := pacer.Pace(o.flow, p)
	c.outlets.mu.Lock()
	o.limit, o.paced = ahead(rate), true
	c.outlets.mu.Unlock()
	h.ep.Before(func() { h.sched.Do(command) })
	return nil
}

// closeOutlets ends the accounts, and the pacing behind the last datagram.
func (c *UDPConn) closeOutlets() {
	c.outlets.mu.Lock()
	defer c.outlets.mu.Unlock()
	var paced []*outlet
	for _, o := range c.outlets.to {
		c.host.ep.Account(o.flow, nil)
		if o.paced {
			paced = append(paced, o)
		}
	}
	c.outlets.to = nil
	if len(paced) == 0 {
		return
	}
	slices.SortFunc(paced, func(a, b *outlet) int { return a.order - b.order })
	c.host.ep.After(func() {
		for _, o := range paced {
			c.host.sched.Do(pacer.Command{Op: pacer.Forget, Flow: o.flow})
		}
	})
}
