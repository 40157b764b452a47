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
	own   int          // the interface's MTU
	known atomic.Int32 // entries of paths

	mu    sync.Mutex
	paths map[netip.Addr]pathMTU
}

type pathMTU struct {
	mtu   int // of the IP packet, in bytes
	until clock.Time
}

const (
	pathMTUTime = 10 * time.Minute // Linux' mtu_expires; RFC 1191, section 6.3
	mostPaths   = 4096
)

// tooBig takes in that a packet of f did not fit. It is called on the clock's goroutine.
func (p *pathMTUs) tooBig(f pacer.Flow, mtu int) {
	dst := netip.AddrFrom16(f.Dst).Unmap()
	now := p.clk.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	old, ok := p.paths[dst]
	if p.paths == nil || !ok && len(p.paths) >= mostPaths {
		p.paths = make(map[netip.Addr]pathMTU)
	}
	if !ok || mtu < old.mtu || old.until < now {
		p.paths[dst] = pathMTU{mtu, now.Add(pathMTUTime)}
	}
	p.known.Store(int32(len(p.paths)))
}

// fits reports whether a datagram with that payload fits the path to dst, as far as is
// known.
func (p *pathMTUs) fits(dst netip.Addr, payload int) bool {
	if p.known.Load() == 0 {
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
	path, ok := p.paths[dst]
	if ok && path.until < p.clk.Now() {
		delete(p.paths, dst)
		p.known.Store(int32(len(p.paths)))
		return true
	}
	return !ok || payload+headers <= path.mtu
}
