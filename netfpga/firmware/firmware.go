// Package firmware runs a NetThreads program in place of the native generator: it is what
// sends on the faithful card (tech doc sections 4 and 5).
//
// The life of a packet:
//
//	Receive   a message comes over the bus, and is put into the machine's input memory
//	advance   the program does with it what it does, cycle by cycle
//	line      it launches a packet, which waits in the card's memory for its line
//	launched  that is known when the machine has come there, ahead of the clock
//	Sent      it has left the port
//
// A packet for a host port goes to the driver.
//
// Caliper's bit file has no output queues: a packet stays in the card's memory until its line
// is free, and whoever launches the next one waits for that. So nothing is dropped, and a
// program knows when a packet has really left.
//
// # Time
//
// A cycle of the machine is a tick of the card's counter, and the machine's time register
// shows what that does. At a time t the cycles up to tick Down(t) have passed, and what
// arrives at t is seen by the next one. So that a launch is known at its time, and not
// after it, the machine is ahead of the clock: by as much as a transfer over the bus
// takes at least, or to the end of the one under way, as nothing can come before that.
//
// In real time it is run a little at a time, and may be behind the clock.
//
// A machine that has nothing to do rests, and catches up when something arrives: if that
// is certain (netthreads.Machine.Idle), or when all that it was given has left, all of its
// input slots are free, and it has launched nothing for a millisecond.
//
// # Limitations
//
// What the Ethernet ports receive does not reach the program. What it launches of its own
// accord while the machine rests leaves only when that catches up.
//
// That a packet goes from the memory to the MAC at 8 bytes a cycle, when its line has become
// free, is an assumption. So is a queue of 512 KiB for the messages to the driver, which drops
// and counts what it has no room for. One as large keeps the frames that a device below has
// no room for, which a line always has.
package firmware

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config sets up a Generator.
type Config struct {
	Image   *netthreads.Image
	Machine netthreads.Config // but for Clock and Line, which are those of the counter and the ports

	// Counter is the card's clock. It must begin below 1<<32, as a program takes the time
	// register's 32 bits for all of the time that has passed when it begins.
	Counter drivercomm.Counter

	MACs []*mac.MAC // of Ethernet port 0 and on
	Bus  Bus

	// Busy reports whether packets that were given to the driver may still be launched.
	Busy func() bool

	// Launched is called for each packet that the program launches to an Ethernet port,
	// with the tick at which it leaves if its line is free. It may be called ahead of that
	// by as much as the machine is, and longer where it waits for its line. The packets
	// that are not dropped leave the port in this order. The bytes must not be kept.
	Launched func(port int, packet []byte, tick uint64, dropped bool)

	// Started is called when the program can receive messages: with its first input slot.
	Started func()

	// Failed is called when the machine has failed, with its *netthreads.Fault.
	Failed func(error)
}

// Bus is what a Generator needs to know of the bus.
type Bus interface {
	// Offer tells that there is a message. Its bytes must stay until Taken.
	Offer(msg []byte)

	// Ends returns when the transfer under way ends, and clock.Never if there is none.
	Ends() clock.Time

	// Latency is the time from the beginning of a transfer to its end, or less. It is
	// not 0.
	Latency() time.Duration
}

// Stats tells what the program did, and counts what became of packets behind the card's
// memory.
type Stats struct {
	// Slots is how many slots of the input memory the program gave the hardware, the most
	// that were free at once. A program that gave none takes no message, and the card's
	// interfaces stay down.
	Slots int

	// Behind is by how much the machine was behind the clock at most, in real time.
	Behind time.Duration

	Launched  uint64 // by the program, to any port or none
	NoPort    uint64 // dropped, as they went to none of the ports that the card has
	TooLong   uint64 // dropped, as they were longer than a frame, or than a message
	QueueFull uint64 // dropped, as the driver, or the device below, did not take them
}

// Generator is the machine as a card's generator. It is not safe for concurrent use: all
// of it runs on the clock's goroutine.
type Generator struct {
	clk     clock.Clock
	counter drivercomm.Counter
	machine *netthreads.Machine
	timer   clock.Timer // when the machine is to go on
	config  Config
	real    bool // the clock is

	ports   []egress
	host    host
	active  uint64 // cycle in which a message arrived or a packet was launched last
	started bool
	stopped bool
	fault   error // is told at the time that the machine came to

	passed pktgen.Stats
	stats  Stats
}

// New returns a generator whose program begins at the clock's time 0. Start must be called
// when all is connected.
func New(clk clock.Clock, config Config) (*Generator, error) {
	_, virtual := clk.(*clock.Virtual)
	g := &Generator{clk: clk, real: !virtual, counter: config.Counter}
	config.Machine.Clock = uint32(config.Counter.Start)
	config.Machine.Line = g.line
	m, err := netthreads.New(config.Image, &config.Machine)
	if err != nil {
		return nil, err
	}
	g.machine, g.config = m, config
	g.timer = clk.AfterFunc(time.Hour, g.goOn)
	g.timer.Stop()
	g.ports = make([]egress, len(config.MACs))
	for i := range g.ports {
		g.ports[i] = egress{g: g, n: i, mac: config.MACs[i], taken: config.MACs[i].Occupancy()}
	}
	g.host.init(g)
	return g, nil
}

// Start lets the program run.
func (g *Generator) Start() {
	if g.real { // on the clock's goroutine
		g.timer.ResetAt(g.clk.Now())
		return
	}
	g.advance()
}

// Sender returns what a port tells that its frame has left.
func (g *Generator) Sender(port int) mac.Sender { return &g.ports[port] }

// hostPort is the number of the port that the driver's messages come by.
const hostPort = 1

// Receive takes a message from the driver, with its bytes, which has arrived over the bus. It
// is not kept.
func (g *Generator) Receive(msg *drivercomm.Message) {
	if g.stopped || g.fault != nil {
		return
	}
	g.passed.Messages++
	g.run(g.bound(g.cycle(g.clk.Now())))
	g.active = g.machine.Cycle()
	if !g.machine.Offer(hostPort, msg.Bytes) {
		g.passed.InputFull++
	}
	g.advance()
}

// cycle returns the first cycle that has not begun at a time.
func (g *Generator) cycle(at clock.Time) uint64 { return g.counter.Tick.Down(at) + 1 }

// advance runs the machine as far ahead as nothing can come for it.
func (g *Generator) advance() {
	until := g.config.Bus.Ends()
	if until == clock.Never {
		until = g.clk.Now().Add(g.config.Bus.Latency())
	}
	g.run(g.bound(g.cycle(until)))
	g.stats.Slots = max(g.stats.Slots, g.machine.Free())
	switch {
	case g.fault == nil && g.machine.Cycle() < g.cycle(until):
		g.again()
	case g.fault != nil:
		g.timer.ResetAt(g.counter.Time(g.tick(g.machine.Cycle())))
	case g.rests():
		g.timer.Stop()
	default:
		// With a message on its way to the driver the machine does not rest yet.
		if quiet := g.machine.Quiet(); quiet > g.cycle(until) && g.host.waiting.Len() == 0 {
			until = g.counter.Time(g.tick(quiet - 1))
		}
		g.timer.ResetAt(until)
	}
	if !g.started && g.stats.Slots > 0 {
		g.started = true
		g.config.Started()
	}
}

// settled is for how many cycles a machine must have been silent that rests.
const settled = 125_000

// rests reports whether the machine has nothing to do.
func (g *Generator) rests() bool {
	free := g.machine.Free()
	return g.machine.Idle() ||
		g.started && free == g.stats.Slots && (g.machine.Quiet() > g.machine.Cycle() || g.machine.Cycle() > g.active+settled) && g.host.waiting.Len() == 0 && !g.config.Busy()
}

// goOn is called when the clock has come to where the machine is.
func (g *Generator) goOn() {
	if g.fault == nil {
		g.advance()
		return
	}
	g.Stop()
	g.config.Failed(g.fault)
}

// run executes the cycles before limit.
func (g *Generator) run(limit uint64) {
	for g.fault == nil {
		stop, err := g.machine.Run(limit)
		switch stop {
		case netthreads.Limit:
			return
		case netthreads.Launched:
			p, _ := g.machine.Output()
			g.active = p.Depart
			g.launched(&p)
		case netthreads.Failed:
			g.fault = err
		}
	}
}

// tick returns the tick that a cycle is.
func (g *Generator) tick(cycle uint64) uint64 { return g.counter.Start + cycle }

// line returns the cycle in which the lines are free that a packet goes to, and takes them.
func (g *Generator) line(ports uint16, bytes int, cycle uint64) uint64 {
	if bytes > drivercomm.MaxWire {
		return cycle
	}
	due := g.tick(cycle)
	for i := range g.ports {
		if ports&drivercomm.MACBit(i) != 0 {
			due = max(due, g.ports[i].free())
		}
	}
	for i := range g.ports {
		if ports&drivercomm.MACBit(i) != 0 {
			g.ports[i].taken.Take(due, bytes, 0)
		}
	}
	return due - g.counter.Start
}

// launched has a packet leave by the ports that it goes to.
func (g *Generator) launched(p *netthreads.Packet) {
	const hosts = 0b10101010
	g.stats.Launched++
	known := p.Ports & hosts
	if known != 0 {
		g.host.push(p.Bytes, g.tick(p.Depart))
	}
	for i := range g.ports {
		if bit := drivercomm.MACBit(i); p.Ports&bit != 0 {
			known |= bit
			g.ports[i].push(p.Bytes, g.tick(p.Due))
		}
	}
	if known == 0 {
		g.stats.NoPort++
	}
}

// Stop ends the generator: nothing more is launched or offered.
func (g *Generator) Stop() {
	g.stopped = true
	g.timer.Stop()
	g.host.stop()
	for i := range g.ports {
		g.ports[i].stop()
	}
}

// Stats returns the counters that the native generator has, too. What the program makes of
// messages and of late packets is not known.
func (g *Generator) Stats() pktgen.Stats { return g.passed }

// Program returns what the program did, and what became of packets behind the card's memory.
func (g *Generator) Program() Stats { return g.stats }

// Profile returns where the machine's cycles went. It may be ahead of the clock.
func (g *Generator) Profile() netthreads.Profile { return g.machine.Profile() }
