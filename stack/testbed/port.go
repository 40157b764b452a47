package testbed

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/nic/packet"
	"github.com/netcaliper/caliper/link/nic/tuntap"
)

// openPort opens what the i'th host sends into, where that is no link.
func (b *Testbed) openPort(i int, h *HostConfig) error {
	var d *nic.Device
	var err error
	switch h.Port.Kind {
	case Pcap:
		b.ends[h.Name] = &hole{mtu: h.mtu(), address: MAC(i)}
		return nil
	case Packet:
		d, err = packet.Open(b.real, &packet.Config{Interface: h.Port.Name, MTU: h.mtu(), Tell: b.watch.tell})
	case Tun, Tap:
		d, err = tuntap.Open(b.real, &tuntap.Config{Tap: h.Port.Kind == Tap, Name: h.Port.Name, MTU: h.mtu(), KernelAddrs: h.Port.Kernel, Tell: b.watch.tell})
	}
	if err != nil {
		return err
	}
	b.ends[h.Name] = d
	b.watch.interfaces(d.Failed(), d.Err)
	return nil
}

// claimed tells that another station has said that it has an address of ours.
func (b *Testbed) claimed(a netip.Addr, by net.HardwareAddr) {
	b.watch.tell(fmt.Errorf("another station, %v, has our address %v, too: packets for one arrive at the other; give one of them another address", by, a))
}

// A watch hears of what happens to real interfaces.
type watch struct {
	news chan error // from the clock's goroutine, to one that may wait for a terminal
	told chan struct{}

	lost  chan struct{} // closed with the first interface that is lost
	ended chan struct{}
	all   sync.WaitGroup

	mu    sync.Mutex
	cause error
}

func newWatch(tell func(error)) *watch {
	w := &watch{news: make(chan error, 64), told: make(chan struct{}), lost: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.told)
		for err := range w.news {
			if tell != nil {
				tell(err)
			}
		}
	}()
	return w
}

// tell does not wait: what there is no room for is not told.
func (w *watch) tell(err error) {
	select {
	case w.news <- err:
	default:
	}
}

// interfaces watches one more interface.
func (w *watch) interfaces(failed <-chan struct{}, why func() error) {
	w.all.Go(func() {
		select {
		case <-failed:
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.cause == nil {
				w.cause = why()
				close(w.lost)
			}
		case <-w.ended:
		}
	})
}

func (w *watch) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// close comes when nobody calls tell any more.
func (w *watch) close() {
	close(w.ended)
	w.all.Wait()
	close(w.news)
	<-w.told
}

// A hole is a port that takes every frame at once and leads nowhere.
type hole struct {
	link.Bottom
	sent    link.Stats
	mtu     int
	address net.HardwareAddr
}

func (s *hole) Info() link.Info { return link.Info{Name: "sink", MTU: s.mtu, Address: s.address} }

func (s *hole) Counters() link.Counters { return link.Counters{Kind: "sink", Sent: s.sent} }

func (s *hole) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		s.sent.Frames++
		s.sent.Bytes += uint64(f.Len())
		f.Free()
	}
	return len(frames), nil
}

func (*hole) Attach(link.Handler) {}
func (*hole) Close() error        { return nil }
