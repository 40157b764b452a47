package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// pathMTUs is what routers have said of the paths of UDP (RFC 1191, RFC 8201). Of TCP
// netstack takes care itself.
type pathMTUs struct {
	clk   clock.Clock
	own   int // the interface's MTU
	told  mailbox[pathMTU]
	known atomic.Bool // somebody was told of

	mu    sync.Mutex // of those who write
	paths map[netip.Addr]pathMTU
}

type pathMTU struct {
	dst netip.Addr
	mtu int        // of the IP packet, in bytes
	at  clock.Time // when that was said
}

const (
	pathMTUTime = 10 * time.Minute // Linux' mtu_expires; RFC 1191, section 6.3
	mostPaths   = 4096
)

// tooBig takes in that a packet of f did not fit. It is called on the clock's goroutine.
func (p *pathMTUs) tooBig(f pacer.Flow, mtu int) {
	path := pathMTU{netip.AddrFrom16(f.Dst).Unmap(), mtu, p.clk.Now()}
	// What is told in vain is told again, by the next datagram that does not fit.
	p.told.put(path, func(last *pathMTU, v pathMTU) { *last = v })
	p.known.Store(true)
}

// learn takes in what was told, with the lock.
func (p *pathMTUs) learn(path *pathMTU) {
	old, ok := p.paths[path.dst]
	if p.paths == nil || !ok && len(p.paths) >= mostPaths {
		p.paths = make(map[netip.Addr]pathMTU)
	}
	if !ok || path.mtu < old.mtu || path.at.Sub(old.at) > pathMTUTime {
		p.paths[path.dst] = *path
	}
}

// fits reports whether a datagram with that payload fits the path to dst, as far as is
// known.
func (p *pathMTUs) fits(dst netip.Addr, payload int) bool {
	if !p.known.Load() {
		return true
	}
	dst = dst.Unmap().WithZone("")
	headers := 20 + 8
	if dst.Is6() {
		headers = 40 + 8
	} else if payload+headers > p.own {
		return true // in fragments, which routers may cut further
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told.take(p.learn)
	path, ok := p.paths[dst]
	if ok && p.clk.Now().Sub(path.at) > pathMTUTime {
		delete(p.paths, dst)
		return true
	}
	return !ok || payload+headers <= path.mtu
}
