package testbed

import (
	"net"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack"
	"github.com/netcaliper/caliper/stack/cc"
)

// A Host is a host with its chain of devices. Those that its Config leaves out are nil. The
// devices belong to the clock's goroutine: see Testbed.Do.
type Host struct {
	*stack.Host // nil for one without TCP/IP

	Name  string
	Top   link.Device // of the chain
	Hold  *hold.Hold
	Card  *netfpga.Card
	Trace *link.Trace // nil for a sink
}

// Departures are the statistics of what has left, nil for a sink. It is called on the clock's
// goroutine.
func (h *Host) Departures() *link.Departures {
	if h.Trace == nil {
		return nil
	}
	return &h.Trace.Departures
}

// Counters returns what the host and its devices have counted, from the top down. It is
// called on the clock's goroutine.
func (h *Host) Counters() (all []link.Counters) {
	if h.Host != nil {
		c := h.Host.Counters()
		c.Name = h.Name
		all = append(all, c)
	}
	for d := range link.Chain(h.Top) {
		all = append(all, d.Counters())
	}
	return all
}

// RealTick is the lateness that is not counted as late in real time: what it takes a
// spinning processor to see that a packet is due, and to hand it to the kernel.
const RealTick = time.Microsecond

// addHost puts the i'th host above what it sends into.
func (b *Testbed) addHost(i int) error {
	c := &b.config.Hosts[i]
	h := &Host{Name: c.Name, Top: b.ends[c.Name]}
	delete(b.ends, c.Name)
	b.hosts = append(b.hosts, h)
	b.byName[c.Name] = h
	if c.Kind == Sink {
		b.Do(func() { h.Top.Attach(Discard{}) })
		return nil
	}
	var err error
	b.Do(func() { err = b.chain(h, c) })
	if err != nil || c.Kind == Bare {
		return err
	}
	policy, err := c.policy()
	if err != nil {
		return err
	}
	config := stack.Config{
		Device: h.Top, Addrs: b.config.addrs(i), Gateways: c.Gateways, Neighbors: b.neighbors(c.Name),
		MinRTO: b.config.MinRTO(c.Name), Congestion: controllers(c.Congestion), Pacing: pacers(policy, h.Top.Info().Speed),
	}
	if c.Port.real() {
		config.Probe, config.Claimed = true, b.claimed
	}
	if b.world != nil {
		h.Host, err = b.world.NewHost(config)
	} else {
		h.Host, err = stack.New(b.real, config)
	}
	return err
}

// chain puts the devices of a host on top of each other.
func (b *Testbed) chain(h *Host, c *HostConfig) error {
	clk := b.Clock()
	if file := b.capture(c.captureFile()); file != nil {
		capture := pcap.NewCapture(h.Top, clk, file)
		capture.SentOnly = b.captured(c)
		h.Top = capture
	}
	h.Trace = link.NewTrace(h.Top, clk, b.recorder)
	if b.real != nil {
		h.Trace.Departures.Tick, h.Trace.Departures.Software = RealTick, true
	}
	h.Top = h.Trace
	if b.hooks.UnderCard != nil {
		h.Top = b.hooks.UnderCard(b, h.Top)
	}
	if c.Card != nil {
		config, err := c.Card.config()
		if err != nil {
			return err
		}
		if h.Card, err = netfpga.New(clk, h.Top, config); err != nil {
			return err
		}
		h.Top = h.Card
	}
	if c.Hold != nil {
		h.Hold = hold.New(h.Top, clk, &hold.Config{Reserve: c.Hold.Reserve})
		h.Top = h.Hold
	}
	return nil
}

// captured tells whether the frames that a host receives are in its file already, as the
// other end of its link has sent them.
func (b *Testbed) captured(h *HostConfig) bool {
	l, end := b.config.linkOf(h.Name)
	return l != nil && b.config.Hosts[b.config.index(l.Ends[1-end])].captureFile() == h.Capture
}

// neighbors returns the Ethernet addresses of the host at the other end of a link.
func (b *Testbed) neighbors(host string) map[netip.Addr]net.HardwareAddr {
	l, end := b.config.linkOf(host)
	if l == nil {
		return nil
	}
	all := make(map[netip.Addr]net.HardwareAddr)
	other := b.config.index(l.Ends[1-end])
	for _, p := range b.config.addrs(other) {
		all[p.Addr()] = MAC(other)
	}
	return all
}

// config returns the card's configuration.
func (c *CardConfig) config() (*netfpga.Config, error) {
	config := &netfpga.Config{Profile: c.Profile}
	if c.Kind != Faithful {
		return config, nil
	}
	config.Firmware = &netfpga.Firmware{FullPayload: c.FullPayload}
	var err error
	if c.Firmware != "" {
		config.Firmware.Image, err = programs.Open(c.Firmware, nil)
	}
	return config, err
}

// controllers makes the congestion controllers of a name that was checked; "" leaves them to
// the stack.
func controllers(name string) func() cc.Controller {
	if name == "" {
		return nil
	}
	return func() cc.Controller {
		c, _ := cc.New(name)
		return c
	}
}

// pacers makes the pacers of connections on a line of so many bit/s; none leaves them to the
// stack.
func pacers(p pacer.Policy, line int64) func() pacer.Pacer {
	if p.New(line) == nil {
		return nil
	}
	return func() pacer.Pacer { return p.New(line) }
}

// Discard is above a device where what arrives is thrown away.
type Discard struct{}

// Receive implements link.Handler.
func (Discard) Receive(frames []*link.Frame) {
	for _, f := range frames {
		f.Free()
	}
}

// Ready implements link.Handler.
func (Discard) Ready() {}
