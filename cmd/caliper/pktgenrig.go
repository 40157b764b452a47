package main

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/cmd/caliper/internal/pktgen"
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// An outlet is where the card's MAC leads: one of portSpec's, or
//
//	pcap:FILE    a capture file that takes every frame at once, in virtual time
type outlet struct{ portSpec }

// file returns the name of the file that the outlet is, or "".
func (o outlet) file() string {
	if o.kind == "pcap" {
		return o.name
	}
	return ""
}

// String writes the outlet as it is reported.
func (o outlet) String() string {
	if o.kind == "pcap" {
		return "pcap:" + o.name
	}
	return o.portSpec.String()
}

// address returns the outlet's own address for packets to another.
func (o outlet) address(to netip.Addr, own []netip.Prefix) (netip.Addr, error) {
	switch {
	case o.real():
		i := slices.IndexFunc(own, func(p netip.Prefix) bool { return p.Addr().Is4() == to.Is4() })
		if i < 0 {
			return netip.Addr{}, badInput(nil, "-i %v: no --addr is of its kind", to).hint("give --addr for IPv4 and for IPv6")
		}
		return own[i].Addr(), nil
	case to.Is4():
		return near4.Addr(), nil
	}
	return near6.Addr(), nil
}

// readCard reads which card sends: one of this process.
func (t *pktgenTest) readCard(c *cli.Context) (err error) {
	kind := c.String("card")
	switch {
	case kind == "none":
		return badInput(nil, "--card none: packets at given times need a card").hint("leave -N out for the kernel's sockets")
	case t.netlink != nil && c.IsSet("card"):
		return badInput(nil, "--card is for a card of this process, and --netlink says another's")
	}
	t.card, err = readCard(c, kind, !t.outlet.real())
	return err
}

// readOutlet reads where the card's MAC leads.
func (t *pktgenTest) readOutlet(c *cli.Context) (err error) {
	spec := c.String("port")
	if name, ok := strings.CutPrefix(spec, "pcap:"); ok {
		t.outlet = outlet{portSpec{kind: "pcap", name: name}}
		switch {
		case name == "":
			return badInput(nil, "--port pcap: the file needs a name").hint("for instance --port pcap:out.pcapng")
		case t.pcap != "":
			return badInput(nil, "--pcap and --port %v exclude each other", t.outlet).hint("the port is a capture file already")
		}
	} else if t.outlet.portSpec, err = parsePort(spec); err != nil {
		return err
	}
	if t.own, err = parseAddrs(c.StringSlice("addr")); err != nil {
		return err
	}
	switch {
	case !t.outlet.real() && len(t.own) > 0:
		return badInput(nil, "--addr is for a real port").hint("-I says from which address packets come")
	case t.outlet.real() && len(t.own) == 0:
		return badInput(nil, "--port %v needs an address for our side", t.outlet).hint("for instance --addr 10.99.0.2/24")
	}
	var wanted []netip.Addr
	if to, err := netip.ParseAddr(c.String("i")); err == nil {
		wanted = append(wanted, to.Unmap())
	}
	t.kernel, err = kernelSide(t.own, wanted)
	return err
}

// A generator has packets sent.
type generator interface {
	Start(lead time.Duration)
	Stop()
}

// pktgenRig is the card with a generator above it:
//
//	generator -> card -> meter -> trace -> capture -> the outlet
//
// What is replayed goes through a hold.Hold, which has a card send frames in order. The
// bench has the clock and the interface of a real port, the recorder and the capture.
type pktgenRig struct {
	*bench
	virtual   *clock.Virtual // nil in real time
	hold      *hold.Hold     // nil but for a replay
	card      *netfpga.Card
	trace     *link.Trace
	tally     *pktgen.Tally
	generator generator      // nil for a card that serves others
	player    *pktgen.Player // the generator of a replay
}

// newPktgenRig puts a rig together. What it has opened when something fails it closes
// again.
func newPktgenRig(t *pktgenTest) (g *pktgenRig, err error) {
	g = &pktgenRig{bench: &bench{recorder: new(link.Recorder)}, tally: pktgen.NewTally()}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if t.outlet.real() {
		if err := g.openOutlet(benchConfig{port: t.outlet.portSpec, mtu: cardMTU, kernel: t.kernel}); err != nil {
			return g, err
		}
	} else if t.serves {
		g.real = startClock()
	} else {
		g.virtual = clock.NewVirtual()
	}
	flag, name := "--pcap", t.pcap
	if file := t.outlet.file(); file != "" {
		flag, name = "--port", file
	}
	// After the interface, so that a file which is there already is not emptied in vain.
	if name != "" {
		if g.capture, err = link.CreateCapture(name); err != nil {
			return g, badInput(err, "%s", flag)
		}
	}
	g.onClock(func() { err = g.chain(t) })
	return g, err
}

func (g *pktgenRig) clock() clock.Clock {
	if g.virtual != nil {
		return g.virtual
	}
	return g.real
}

// chain puts the devices on top of each other, and the generator above them.
func (g *pktgenRig) chain(t *pktgenTest) (err error) {
	clk := g.clock()
	top := g.port(t.outlet)
	if g.capture != nil {
		top = link.NewCapture(top, clk, g.capture)
	}
	g.trace = link.NewTrace(top, clk, g.recorder)
	if g.real != nil {
		g.trace.Departures.Tick = realTick
		g.trace.Departures.Software = true
	}
	if g.card, err = netfpga.New(clk, pktgen.NewMeter(g.trace, clk, cardSpeed, g.tally), t.card.config()); err != nil {
		return err
	}
	if t.serves {
		g.card.Attach(nobody{})
		return nil
	}
	if t.capture == nil {
		g.card.Attach(nobody{})
		like := netfpga.Description{Src: t.src, Dst: t.dst, DstMAC: t.mac}
		g.generator = pktgen.NewGenerator(clk, g.card, &t.plan, like, g.tally)
		return nil
	}
	g.hold = hold.New(g.card, clk, &hold.Config{Horizon: t.card.horizon()})
	g.hold.Attach(nobody{})
	g.player = pktgen.NewPlayer(clk, g.hold, t.capture, t.replay, g.tally)
	g.generator = g.player
	return nil
}

// port returns the last device.
func (g *pktgenRig) port(o outlet) link.Device {
	switch o.kind {
	case "tun", "packet":
		return g.out
	case "pcap":
		return new(sink)
	}
	near := wire.Config{Name: "near", Address: nearMAC, Rate: o.rate, Line: o.line, Delay: o.delay, QueueFrames: o.queue}
	far := near
	far.Name, far.Address = "far", farMAC
	x, y := wire.New(g.virtual, &near, &far)
	y.Attach(nobody{})
	g.wires = []*wire.End{x, y}
	g.step(g.virtual, o.steps)
	return x
}

// dropped returns how many frames were lost on the way to where they leave.
func (g *pktgenRig) dropped() uint64 {
	s := g.card.Stats()
	n := s.Dropped()
	if g.hold != nil {
		n += g.hold.Stats.Dropped()
	}
	if g.out != nil {
		sent, _ := g.out.Stats()
		n += sent.Dropped()
	}
	return n
}

// close closes everything, and returns what went wrong with the capture.
func (g *pktgenRig) close() error {
	switch {
	case g.hold != nil:
		g.onClock(func() { g.hold.Close() })
	case g.card != nil:
		g.onClock(func() { g.card.Close() })
	}
	if g.player != nil {
		g.player.Close()
	}
	return g.bench.close()
}

// nobody throws away what arrives.
type nobody struct{}

func (nobody) Receive(frames []*link.Frame) {
	for _, f := range frames {
		f.Free()
	}
}

func (nobody) Ready() {}

// sink is a port that takes every frame at once and leads nowhere.
type sink struct{ link.Stats }

func (*sink) Info() link.Info {
	return link.Info{Name: "sink", MTU: cardMTU, Address: nearMAC}
}

func (s *sink) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		s.Frames++
		s.Bytes += uint64(f.Len())
		f.Free()
	}
	return len(frames), nil
}

func (*sink) Attach(link.Handler) {}
func (*sink) Close() error        { return nil }

// pktgenKernel is the way through the kernel's sockets.
type pktgenKernel struct {
	*pktgen.Kernel
	clk   *clock.Real
	tally *pktgen.Tally
}

// newPktgenKernel opens the socket.
func newPktgenKernel(t *pktgenTest) (*pktgenKernel, error) {
	g := &pktgenKernel{clk: startClock(), tally: pktgen.NewTally()}
	var err error
	if g.Kernel, err = pktgen.OpenKernel(g.clk, t.dst, t.src.Port()); err != nil {
		g.clk.Close()
		return nil, failed(err, "").hint("ip route get %v shows which way packets to it go", t.dst.Addr())
	}
	if err := t.checkSizes(g.MTU()); err != nil {
		g.close()
		return nil, err
	}
	g.Departures.Tick = realTick
	g.Begin(&t.plan, g.tally)
	return g, nil
}

func (g *pktgenKernel) close() {
	g.clk.Close()
	g.Close()
}
