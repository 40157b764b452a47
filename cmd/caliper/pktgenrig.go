package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/cmd/caliper/internal/socket"
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/traffic"
)

// readCard checks which card sends: one of this process.
func (t *pktgenTest) readCard(c *cli.Context) error {
	switch {
	case t.bench.card.kind == "none" && !c.IsSet("replay"):
		return badInput(nil, "--card none: packets at given times need a card").hint("leave -N out for the kernel's sockets")
	case t.netlink != nil && c.IsSet("card"):
		return badInput(nil, "--card is for a card of this process, and --netlink says another's")
	}
	return nil
}

// A generator has packets sent.
type generator interface {
	Start(lead time.Duration)
	Stop()
}

// pktgenRig is the card with a generator above it:
//
//	generator -> card -> monitor -> trace -> capture -> the outlet
//
// What is replayed goes through a hold.Hold, which has a card send frames in order, or
// without one sends them. The bench has the clock and the interface of a real port, the recorder and the capture.
type pktgenRig struct {
	*bench
	virtual   *clock.Virtual // nil in real time
	hold      *hold.Hold     // nil but for a replay
	card      *netfpga.Card  // nil for a replay without one
	trace     *link.Trace
	counters  *traffic.Counters
	generator generator       // nil for a card that serves others
	player    *traffic.Player // the generator of a replay
}

// newPktgenRig puts a rig together. What it has opened when something fails it closes
// again.
func newPktgenRig(t *pktgenTest) (g *pktgenRig, err error) {
	g = &pktgenRig{bench: &bench{recorder: newRecorder(t.bench.hash || !t.bench.port.real() && !t.serves)}, counters: traffic.NewCounters()}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if t.bench.port.real() {
		if err := g.openOutlet(t.bench); err != nil {
			return g, err
		}
	} else if t.serves {
		g.real = startClock()
	} else {
		g.virtual = clock.NewVirtual()
	}
	if err := g.openCapture(t.bench); err != nil {
		return g, err
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
	top := g.port(&t.bench)
	if g.capture != nil {
		top = pcap.NewCapture(top, clk, g.capture)
	}
	g.trace = link.NewTrace(top, clk, g.recorder)
	if g.real != nil {
		g.trace.Departures.Tick = realTick
		g.trace.Departures.Software = true
	}
	monitor := traffic.NewMonitor(g.trace, clk, cardSpeed, g.counters)
	if t.bench.card.kind == "none" {
		g.replay(t, monitor)
		return nil
	}
	if g.card, err = netfpga.New(clk, monitor, t.bench.card.config()); err != nil {
		return err
	}
	if t.serves {
		g.card.Attach(nobody{})
		return nil
	}
	if t.capture == nil {
		g.card.Attach(nobody{})
		g.generator = traffic.NewGenerator(clk, &t.plan, g.counters, func(ready func()) traffic.Injector {
			return &injector{g.card.NewSender(netfpga.SenderConfig{Ready: ready}), t.like()}
		})
		return nil
	}
	g.replay(t, g.card)
	return nil
}

// injector has a card's driver make the packets of a generator.
type injector struct {
	sender *netfpga.Sender
	packet netfpga.Description
}

// Inject implements traffic.Injector.
func (i *injector) Inject(p *traffic.Packet) error {
	describe(&i.packet, p)
	return i.sender.Inject(&i.packet)
}

// like returns what all packets of a plan have in common, as a card's driver is told.
func (t *pktgenTest) like() netfpga.Description {
	return netfpga.Description{Src: t.src, Dst: t.dst, DstMAC: t.mac}
}

// describe says how large a packet is and when it leaves.
func describe(d *netfpga.Description, p *traffic.Packet) {
	d.Payload, d.Absolute, d.Departure = p.Payload, p.Absolute, p.Departure
}

// replay puts a player above the device.
func (g *pktgenRig) replay(t *pktgenTest, below link.Device) {
	g.hold = hold.New(below, g.clock(), nil)
	g.hold.Attach(nobody{})
	g.player = traffic.NewPlayer(g.clock(), g.hold, t.capture, t.replay, g.counters)
	g.generator = g.player
}

// port returns the last device.
func (g *pktgenRig) port(c *benchConfig) link.Device {
	o := &c.port
	switch o.kind {
	case "tun", "packet":
		return g.out
	case "pcap":
		return &sink{mtu: c.mtu}
	}
	near := wire.Config{Name: "near", Address: nearMAC, MTU: c.mtu, Rate: o.rate, Line: o.line, Delay: o.delay, QueueFrames: o.queue}
	far := near
	far.Name, far.Address = "far", farMAC
	x, y := wire.New(g.virtual, &near, &far)
	y.Attach(nobody{})
	g.wires = []*wire.End{x, y}
	g.step(g.virtual, o.steps)
	return x
}

// dropped returns how many frames were lost on the way to where they leave.
func (g *pktgenRig) dropped() (d link.Drops) {
	if g.card != nil {
		s := g.card.Stats()
		d.Add(&s.Stats)
	}
	if g.hold != nil {
		d.Add(&g.hold.Stats.Stats)
	}
	if g.out != nil {
		sent := g.out.Counters().Sent
		d.Add(&sent)
	}
	return d
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
type sink struct {
	link.Bottom
	link.Stats
	mtu int
}

func (s *sink) Info() link.Info {
	return link.Info{Name: "sink", MTU: s.mtu, Address: nearMAC}
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
	*socket.Sender
	clk      *clock.Real
	counters *traffic.Counters
}

// newPktgenKernel opens the socket.
func newPktgenKernel(t *pktgenTest) (*pktgenKernel, error) {
	g := &pktgenKernel{clk: startClock(), counters: traffic.NewCounters()}
	var err error
	if g.Sender, err = socket.Open(g.clk, t.dst, t.src.Port()); err != nil {
		g.clk.Close()
		return nil, failed(err, "").hint("ip route get %v shows which way packets to it go", t.dst.Addr())
	}
	if err := t.checkSizes(g.MTU()); err != nil {
		g.close()
		return nil, err
	}
	g.Departures.Tick = realTick
	g.Begin(&t.plan, g.counters)
	return g, nil
}

func (g *pktgenKernel) close() {
	g.clk.Close()
	g.Close()
}
