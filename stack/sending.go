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

// sendings are a UDP socket's accounts of what it has sent: one for its peer, and one for
// each remote that somebody asked about, or that datagrams are sent to in fragments, which
// netstack's send buffer does not charge to the writer.
type sendings struct {
	mu   sync.Mutex
	to   map[netip.AddrPort]*sending
	made int
	long atomic.Bool // a datagram was sent that may need fragments
}

// sending is what a socket sends to one remote.
type sending struct {
	*endpoint.Account
	flow    pacer.Flow
	order   int  // among those of the socket
	asked   bool // somebody wants to know
	paced   bool
	limit   atomic.Int64 // bytes that may wait
	freed   task         // wakes the writers
	written endpoint.Datagrams
}

// Bounds of what a UDP writer may have waiting for its departure: what its pacer's rate
// sends in the time that a goroutine may take to be there again, and otherwise as much as
// netstack's send buffer has.
const (
	aheadTime    = 5 * time.Millisecond
	mostAhead    = 212 << 10 // bytes
	mostSendings = 64        // that nobody asked about
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
func (c *UDPConn) ask(remote net.Addr) (*sending, error) {
	if err := c.host.inside(); err != nil {
		return nil, err
	}
	to, from, err := c.ends(remote)
	if err != nil {
		return nil, err
	}
	c.sendings.mu.Lock()
	defer c.sendings.mu.Unlock()
	if c.isClosed() {
		return nil, net.ErrClosed
	}
	o := c.open(to, from)
	o.asked = true
	return o, nil
}

// open returns the account for a remote, or makes it. The lock is held.
func (c *UDPConn) open(to, from netip.AddrPort) *sending {
	if o := c.sendings.to[to]; o != nil {
		return o
	}
	if c.sendings.to == nil {
		c.sendings.to = make(map[netip.AddrPort]*sending)
	}
	o := &sending{flow: pacer.FlowOf(pacer.ProtoUDP, from, to), order: c.sendings.made}
	o.limit.Store(mostAhead)
	o.freed.run = func() {
		c.write.wake()
		c.drained.wake()
	}
	o.Account = c.host.ep.Account(o.flow, func(free bool) { c.host.gone(o, free) })
	c.sendings.made++
	c.sendings.to[to] = o
	return o
}

// writes returns the account that n bytes for a remote are written to, nil if there is
// none.
func (c *UDPConn) writes(n int, to netip.AddrPort) *sending {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if c.host.owns(to.Addr()) {
		return nil // it does not come to the link
	}
	headers := header.IPv4MinimumSize + header.UDPMinimumSize
	if to.Addr().Is6() {
		headers = header.IPv6MinimumSize + header.UDPMinimumSize
	}
	long := n+headers > c.host.below.Info().MTU
	if long && !c.sendings.long.Swap(true) {
		// Else netstack gives fragments the flag DF, and with it one identification to all
		// of them (RFC 6864). It knows the option.
		_ = c.ep.SetSockOptInt(tcpip.MTUDiscoverOption, int(tcpip.PMTUDiscoveryDont))
	}
	c.sendings.mu.Lock()
	defer c.sendings.mu.Unlock()
	if o := c.sendings.to[to]; o != nil || !long && !c.remote.IsValid() {
		return o
	}
	from, err := c.host.sourceOf(c.localPort(), to)
	if err != nil || c.isClosed() {
		return nil // which writing will tell
	}
	if len(c.sendings.to) >= mostSendings {
		for a, o := range c.sendings.to {
			if _, _, waiting := o.Counts(); !o.asked && waiting.Packets == 0 {
				c.host.ep.CloseAccount(o.flow)
				delete(c.sendings.to, a)
			}
		}
	}
	return c.open(to, from)
}

// full reports whether a writer of n more bytes has to wait.
func (o *sending) full(n int) bool { return o.Full(n, int(o.limit.Load())) }

// gone notes that a datagram waits no longer: the pacer's rate may be another one since. It is
// called on the clock's goroutine.
func (h *Host) gone(o *sending, free bool) {
	var s pacer.Status
	if h.sched != nil {
		s = h.sched.Do(pacer.Command{Flow: o.flow})
	}
	o.limit.Store(int64(ahead(s.Rate)))
	if free {
		h.softirq.raise(&o.freed)
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
func (c *UDPConn) wrote(o *sending, packets int, bytes int) {
	c.sendings.mu.Lock()
	defer c.sendings.mu.Unlock()
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
	c.sendings.mu.Lock()
	out.Written = o.written
	c.sendings.mu.Unlock()
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
	o.limit.Store(int64(ahead(rate)))
	c.sendings.mu.Lock()
	o.paced = true
	c.sendings.mu.Unlock()
	h.ep.Before(func() { h.sched.Do(command) })
	return nil
}

// closeSendings ends the accounts, and the pacing behind the last datagram.
func (c *UDPConn) closeSendings() {
	c.sendings.mu.Lock()
	defer c.sendings.mu.Unlock()
	var paced []*sending
	for _, o := range c.sendings.to {
		c.host.ep.CloseAccount(o.flow)
		if o.paced {
			paced = append(paced, o)
		}
	}
	c.sendings.to = nil
	if len(paced) == 0 {
		return
	}
	slices.SortFunc(paced, func(a, b *sending) int { return a.order - b.order })
	c.host.ep.After(func() {
		for _, o := range paced {
			c.host.sched.Do(pacer.Command{Op: pacer.Forget, Flow: o.flow})
		}
	})
}
