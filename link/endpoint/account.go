package endpoint

import (
	"net/netip"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// An Account counts what becomes of the datagrams that a UDP flow has given to the
// endpoint: each of them waits for its departure, then has left or was dropped. One that
// is sent in fragments waits until the last of them has left, and was dropped if one of
// them was. The methods may be called from any goroutine.
type Account struct {
	door *door // has the lock of what follows

	left, dropped, waiting Datagrams
	limit                  int // a writer who has so many bytes waiting is told to stop
	full                   bool
	gone                   func(free bool)

	writers atomic.Int32 // that are at it
}

// Datagrams is a number of UDP datagrams, and the bytes of payload in them.
type Datagrams struct{ Packets, Bytes int64 }

func (d *Datagrams) add(packets int, bytes int) {
	d.Packets += int64(packets)
	d.Bytes += int64(bytes)
}

// Account counts what becomes of the datagrams of the UDP flow f from now on, until
// CloseAccount. gone is called on the clock's goroutine when a datagram has left or was
// dropped, and must not block; free tells that a writer who was told to stop may go on, or that
// nothing waits any more. It may be called from any goroutine.
func (e *Endpoint) Account(f pacer.Flow, gone func(free bool)) *Account {
	a := &Account{door: &e.door, gone: gone}
	e.door.mu.Lock()
	defer e.door.mu.Unlock()
	e.door.accounts.set(f, a)
	return a
}

// CloseAccount ends the account of a flow, for what is written from now on.
func (e *Endpoint) CloseAccount(f pacer.Flow) {
	e.door.mu.Lock()
	defer e.door.mu.Unlock()
	e.door.accounts.set(f, nil)
}

// Counts returns how many datagrams have left, were dropped before that, and wait.
func (a *Account) Counts() (left, dropped, waiting Datagrams) {
	a.door.mu.Lock()
	defer a.door.mu.Unlock()
	return a.left, a.dropped, a.waiting
}

// Full reports whether a writer of n more bytes has to wait: so that limit bytes wait at
// most, and always as much as two such datagrams. One who was stopped goes on when half of
// it has left.
func (a *Account) Full(n, limit int) bool {
	a.door.mu.Lock()
	defer a.door.mu.Unlock()
	a.limit = max(limit, 2*n)
	most := int64(a.limit)
	if a.full {
		most = int64(a.limit/2 + n)
	}
	a.full = a.waiting.Bytes > 0 && a.waiting.Bytes+int64(n) > most
	return a.full
}

// Writing notes that a writer has begun, with 1, or is done, with -1.
func (a *Account) Writing(n int) { a.writers.Add(int32(n)) }

// stopped returns who keeps more from being there.
func (a *Account) stopped() link.Stop {
	if a.writers.Load() > 0 {
		return link.StopWriter
	}
	return link.StopApplication
}

// A parcel is a packet of an Account.
type parcel struct {
	account *Account // nil if nobody keeps one
	whole   *datagram
	payload int  // bytes
	first   bool // it has the UDP header
}

// A datagram is one that is sent in fragments.
type datagram struct {
	flow    pacer.Flow
	account *Account

	// Of the door's lock.
	payload, waiting  int // bytes so far; fragments
	complete, dropped bool
}

// wrote notes that a packet waits from now on. The door's lock is held.
func (p *parcel) wrote(last bool) {
	a := p.account
	if d := p.whole; d != nil {
		d.waiting++
		d.payload += p.payload
		d.complete = d.complete || last
		a.waiting.add(0, p.payload)
		if !p.first {
			return
		}
		a.waiting.add(1, 0)
		return
	}
	a.waiting.add(1, p.payload)
}

// measure has a fragment belong to the flow of its datagram, which is paced as a whole.
func (p *parcel) measure(f *link.Frame) { f.Flow, f.Size.Payload = p.whole.flow, p.payload }

// gone notes that a packet waits no longer. It is called on the clock's goroutine.
func (p *parcel) gone(left bool) {
	a := p.account
	if a == nil {
		return
	}
	a.door.mu.Lock()
	done := p.end(left)
	free := a.full && a.waiting.Bytes <= int64(a.limit/2) || a.waiting.Bytes == 0
	if done && free {
		a.full = false
	}
	a.door.mu.Unlock()
	if done {
		a.gone(free)
	}
}

// refused notes that a packet was dropped at the door. Whoever waits for room hears of it when
// one of those leaves that fill the door. The door's lock is held.
func (p *parcel) refused() {
	if p.account != nil {
		p.end(false)
	}
}

// end counts a packet that waits no longer, and reports whether that was all of its datagram.
// The door's lock is held.
func (p *parcel) end(left bool) bool {
	a, payload := p.account, p.payload
	if d := p.whole; d != nil {
		d.waiting--
		d.dropped = d.dropped || !left
		if d.waiting > 0 || !d.complete {
			return false
		}
		left, payload = !d.dropped, d.payload
	}
	a.waiting.add(-1, -payload)
	if left {
		a.left.add(1, payload)
	} else {
		a.dropped.add(1, payload)
	}
	return true
}

// accounts finds the Account of a packet.
type accounts struct {
	of    map[pacer.Flow]*Account
	parts map[fragmented]*datagram // that are not complete
}

// fragmented is what the fragments of a datagram have in common.
type fragmented struct {
	src, dst [16]byte
	id       uint32
}

func (s *accounts) set(f pacer.Flow, a *Account) {
	if a == nil {
		delete(s.of, f)
		return
	}
	if s.of == nil {
		s.of = make(map[pacer.Flow]*Account)
		s.parts = make(map[fragmented]*datagram)
	}
	s.of[f] = a
}

// headSize is what has to be seen of a packet: the longest IPv4 header, or IPv6's with a
// fragment header, and the ports of UDP, which all fit.
const headSize = 64

// parcel takes a packet that was written, behind a link header of that length, into its
// account, if it has one.
func (s *accounts) parcel(pkt *gstack.PacketBuffer, link int) parcel {
	if len(s.of) == 0 {
		return parcel{}
	}
	var buf [headSize]byte
	b := buf[:peek(buf[:], pkt, link)]
	var f pacer.Flow
	var key fragmented
	var length, offset int
	var more bool
	var l4 []byte
	switch header.IPVersion(b) {
	case header.IPv4Version:
		ip := header.IPv4(b)
		if len(b) < header.IPv4MinimumSize || ip.Protocol() != pacer.ProtoUDP || len(b) < int(ip.HeaderLength()) {
			return parcel{}
		}
		f = pacer.FlowOf(pacer.ProtoUDP, portless(ip.SourceAddress()), portless(ip.DestinationAddress()))
		length, offset, more = int(ip.PayloadLength()), int(ip.FragmentOffset()), ip.More()
		key.id, l4 = uint32(ip.ID()), b[ip.HeaderLength():]
	case header.IPv6Version:
		ip := header.IPv6(b)
		if len(b) < header.IPv6MinimumSize {
			return parcel{}
		}
		next := ip.NextHeader()
		length, l4 = int(ip.PayloadLength()), b[header.IPv6MinimumSize:]
		if next == header.IPv6FragmentHeader && len(l4) >= header.IPv6FragmentHeaderSize {
			part := header.IPv6Fragment(l4)
			next, offset, more, key.id = part.NextHeader(), int(part.FragmentOffset()), part.More(), part.ID()
			length, l4 = length-header.IPv6FragmentHeaderSize, l4[header.IPv6FragmentHeaderSize:]
		}
		if next != pacer.ProtoUDP {
			return parcel{}
		}
		f = pacer.FlowOf(pacer.ProtoUDP, portless(ip.SourceAddress()), portless(ip.DestinationAddress()))
	default:
		return parcel{}
	}
	key.src, key.dst = f.Src, f.Dst
	p := parcel{payload: length, first: offset == 0}
	if p.first && len(l4) < header.UDPMinimumSize {
		return parcel{}
	}
	if p.first {
		udp := header.UDP(l4)
		f.SrcPort, f.DstPort = udp.SourcePort(), udp.DestinationPort()
		p.account = s.of[f]
		p.payload -= header.UDPMinimumSize
		if more && p.account != nil {
			p.whole = &datagram{flow: f, account: p.account}
			s.parts[key] = p.whole
		}
	} else if p.whole = s.parts[key]; p.whole != nil {
		p.account = p.whole.account
		if !more {
			delete(s.parts, key)
		}
	}
	if p.account != nil {
		p.wrote(!more)
	}
	return p
}

func portless(a tcpip.Address) netip.AddrPort {
	n, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(n, 0)
}

// peek copies the first bytes of a packet behind a link header of the given length to b,
// and returns how many there are.
func peek(b []byte, pkt *gstack.PacketBuffer, header int) (n int) {
	views, skip := pkt.AsViewList()
	skip += header
	for v := views.Front(); v != nil && n < len(b); v = v.Next() {
		data := v.AsSlice()
		if skip >= len(data) {
			skip -= len(data)
			continue
		}
		n += copy(b[n:], data[skip:])
		skip = 0
	}
	return n
}
