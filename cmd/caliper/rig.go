package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
)

// realTick is the lateness that is not counted as late in real time: what it takes a
// spinning processor to see that a packet is due, and to hand it to the kernel.
const realTick = time.Microsecond

// rig is one host with its chain of devices:
//
//	host -> hold -> card -> trace -> capture -> the port
//
// The hold and the card are there where the host sends the data; the capture where a file
// was asked for.
type rig struct {
	node  *node
	hold  *hold.Hold
	card  *netfpga.Card
	trace *link.Trace
}

// bench is all that one run needs: hosts, clock, and what is written down.
type bench struct {
	world *stack.World // nil in real time
	real  *clock.Real  // nil in virtual time
	near  *rig
	far   *rig // nil on a real port

	recorder *link.Recorder // nil in real time, unless it was asked for
	capture  *pcap.Output   // nil without one
	asked    string         // by which flag the capture is
	wires    []*wire.End    // near's and far's end
	out      *nic.Device    // nil in virtual time
	told     *telling       // what happens to it; nil in virtual time
}

// benchConfig says what to put together.
type benchConfig struct {
	port    portSpec
	card    cardSpec
	mtu     int
	seed    uint64
	pcap    string
	hash    bool           // have the recorder in real time, too
	own     []netip.Prefix // of near, on a real port
	kernel  []netip.Prefix // of the kernel's side
	farSend bool           // far sends data, too
	bitrate int64          // of a stream that is paced, in bit/s; 0 or less for none
	policy  pacer.Policy   // of the streams of which no bitrate is asked
	unpaced bool           // streams keep their bitrate by themselves
	reserve bool           // see hold.Config
	tell    func(error)    // is told of what happens to a real port
	rtoMin  time.Duration  // TCP's minimum retransmission timeout; 0 for what suits the port
}

// newBench puts a run together. What it has opened when something fails it closes again.
func newBench(c benchConfig) (b *bench, err error) {
	b = &bench{recorder: newRecorder(!c.port.real() || c.hash)}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if c.port.real() {
		if err := b.openOutlet(c); err != nil {
			return b, err
		}
	}
	if err := b.openCapture(c); err != nil {
		return b, err
	}
	if b.out != nil {
		b.near, err = b.newRig(b.out, c, c.card, stack.Config{Addrs: c.own, MinRTO: c.minRTO(), Probe: true, Claimed: b.claimed})
		return b, err
	}
	return b, b.openWorld(c)
}

func newRecorder(wanted bool) *link.Recorder {
	if !wanted {
		return nil
	}
	return new(link.Recorder)
}

// traceHash returns the recorder's fingerprint, "" without one.
func (b *bench) traceHash() string {
	if b.recorder == nil {
		return ""
	}
	return b.recorder.Hash()
}

// Addresses of the hosts of a world.
var (
	nearMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01}
	farMAC  = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x02}

	near4, far4 = netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.0.2/24")
	near6, far6 = netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("fd00::2/64")
)

// minMTU6 is the MTU that IPv6 needs (RFC 8200), in bytes.
const minMTU6 = 1280

func (b *bench) openWorld(c benchConfig) error {
	b.world = stack.NewWorld(c.seed)
	config := wire.Config{Rate: c.port.rate, Line: c.port.line, Delay: c.port.delay, QueueFrames: c.port.queue, MTU: c.mtu}
	atNear, atFar := config, config
	atNear.Name, atNear.Address = "near", nearMAC
	atFar.Name, atFar.Address = "far", farMAC
	x, y := wire.New(b.world.Clock(), &atNear, &atFar)
	b.wires = []*wire.End{x, y}
	b.step(b.world.Clock(), c.port.steps)

	nearAddrs, farAddrs := []netip.Prefix{near4, near6}, []netip.Prefix{far4, far6}
	if c.mtu < minMTU6 {
		nearAddrs, farAddrs = nearAddrs[:1], farAddrs[:1]
	}
	hosts := stack.Config{MinRTO: c.minRTO()}
	hosts.Addrs = nearAddrs
	hosts.Neighbors = map[netip.Addr]net.HardwareAddr{far4.Addr(): farMAC, far6.Addr(): farMAC}
	var err error
	if b.near, err = b.newRig(x, c, c.card, hosts); err != nil {
		return err
	}
	hosts.Addrs = farAddrs
	hosts.Neighbors = map[netip.Addr]net.HardwareAddr{near4.Addr(): nearMAC, near6.Addr(): nearMAC}
	card := cardSpec{}
	if c.farSend {
		card = c.card
	}
	b.far, err = b.newRig(y, c, card, hosts)
	return err
}

// openCapture creates the file that every frame is written to, if one is asked for. It comes
// after the interface, so that a file which is there already is not emptied in vain.
func (b *bench) openCapture(c benchConfig) (err error) {
	name := c.pcap
	b.asked = "--pcap"
	if c.port.kind == "pcap" {
		name, b.asked = c.port.name, fmt.Sprintf("--port %v", c.port)
	}
	if name == "" {
		return nil
	}
	if b.capture, err = pcap.Create(name); err != nil {
		return badInput(err, "%s", b.asked)
	}
	return nil
}

// step has the rate of the wires change as time goes on.
func (b *bench) step(clk clock.Clock, steps []rateStep) {
	for _, s := range steps {
		clk.AfterFunc(s.at, func() {
			for _, w := range b.wires {
				w.SetRate(s.rate)
			}
		})
	}
}

// realRTO is Linux's minimum retransmission timeout, and what suits any real peer: it may
// keep an acknowledgement back for 40 ms (Linux) or 500 ms (RFC 9293, 3.8.6.3), on a busy
// machine it is late by more, and each timeout before that is a spurious one.
const realRTO = 200 * time.Millisecond

// minRTO is TCP's minimum retransmission timeout. There is no tail loss probe, and 200 ms
// would be most of a short test: in virtual time, where no peer delays acknowledgements and
// no machine is busy, it is four round trips of the path. A slow pacer keeps the ten segments
// of the first window longer than that.
func (c *benchConfig) minRTO() time.Duration {
	if c.rtoMin > 0 {
		return c.rtoMin
	}
	rto := realRTO
	if !c.port.real() {
		rto = min(max(10*time.Millisecond, 8*c.port.delay), realRTO)
	}
	if c.bitrate > 0 {
		const firstWindow = 10 * 1448 * 8 // bits
		rto = max(rto, min(2*firstWindow*time.Second/time.Duration(c.bitrate), time.Minute))
	}
	return rto
}

// newRig puts a host above a port. card is native, none for pacing by software, or
// nothing for a host that sends no data: its frames leave as they come.
func (b *bench) newRig(port link.Device, c benchConfig, card cardSpec, config stack.Config) (*rig, error) {
	r := new(rig)
	r.node = &node{world: b.world, mtu: c.mtu, policy: c.policy, unpaced: c.unpaced}
	var err error
	b.onClock(func() { config.Device, err = b.chain(r, port, card, c.reserve) })
	if err != nil {
		port.Close()
		return nil, err
	}
	if b.world != nil {
		r.node.names = map[string][2]netip.Addr{"near": {near4.Addr(), near6.Addr()}, "far": {far4.Addr(), far6.Addr()}}
		r.node.Host, err = b.world.NewHost(config)
	} else {
		r.node.Host, err = stack.New(b.real, config)
	}
	if err != nil {
		b.onClock(func() { config.Device.Close() })
		p := badInput(err, "")
		if errors.As(err, new(*stack.DuplicateError)) {
			p.hint("give --addr one that is free, or take it from the other station")
		}
		return nil, p
	}
	return r, nil
}

// chain puts the devices of a rig on top of each other.
func (b *bench) chain(r *rig, port link.Device, card cardSpec, reserve bool) (link.Device, error) {
	top := port
	if b.capture != nil {
		c := pcap.NewCapture(top, b.clock(), b.capture)
		c.SentOnly = b.world != nil // both ends are captured
		top = c
	}
	r.trace = link.NewTrace(top, b.clock(), b.recorder)
	if b.real != nil {
		r.trace.Departures.Tick = realTick
		r.trace.Departures.Software = true
	}
	top = r.trace
	if card.kind == "native" || card.kind == "faithful" {
		c, err := netfpga.New(b.clock(), top, card.config())
		if err != nil {
			return nil, err
		}
		r.card, top = c, c
	}
	if card.kind != "" {
		r.hold = hold.New(top, b.clock(), &hold.Config{Reserve: reserve})
		top = r.hold
	}
	return top, nil
}

func (b *bench) clock() clock.Clock {
	if b.world != nil {
		return b.world.Clock()
	}
	return b.real
}

func (b *bench) onClock(f func()) {
	if b.real != nil {
		b.real.Do(f)
		return
	}
	f()
}

// settling is for how long a server waits for the last packets of a test.
const settling = 500 * time.Millisecond

// settle waits until what was sent has left, on a real port: a FIN waits for its departure as
// data does, and is not to be counted with the next test.
func (b *bench) settle() {
	end := time.Now().Add(settling)
	b.near.node.Host.Flush(settling)
	for waiting := 1; time.Now().Before(end); time.Sleep(time.Millisecond) {
		b.onClock(func() {
			if waiting = 0; b.near.hold != nil {
				waiting = b.near.hold.Waiting()
			}
		})
		if waiting == 0 {
			return
		}
	}
}

// close closes everything, in order, and returns what went wrong with the capture.
func (b *bench) close() error {
	if b.world != nil {
		b.world.Close()
	}
	if b.real != nil {
		if b.near != nil {
			if b.lost() == nil {
				b.near.node.Host.Flush(time.Second)
			}
			b.near.node.Host.Close()
		}
		if b.out != nil {
			b.onClock(func() { b.out.Close() })
		}
		b.real.Close()
		b.told.close()
	}
	if b.capture == nil {
		return nil
	}
	if err := b.capture.Close(); err != nil {
		return failed(err, "%s", b.asked)
	}
	return nil
}
