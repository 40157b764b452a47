// Package endpoint is the link endpoint of a gVisor network stack: the door between
// TCP/IP and the devices below it.
//
// # The way of a packet down
//
//	WritePackets   any goroutine, a connection's lock held: the door keeps a reference
//	Flush          the clock's goroutine: takes what is at the door
//	 outgoing      TCP with more than a segment becomes a super-segment, whose payload stays
//	               where netstack has it; all else is copied into a frame. Its flow is found
//	  Transmit     the device below has it; a hold.Hold asks the flow's pacer when its
//	               turn has come, and cuts that frame off the super-segment: the one copy
//	Departed       it left, or was dropped: the flow's Loop hears of it, a writer goes on
//
// A TCP segment that is sent again while its original still waits for its departure is
// dropped and counted, as Linux does not retransmit what is still in the host's queue: a
// low rate makes the wait longer than any timeout.
//
// The reference to a datagram is kept until then. It holds the bytes charged to the socket
// that wrote them, and so a UDP writer is stopped by what waits for its departure. TCP knows
// no such stop: package stack makes one of what the Loop hears. At the door, and behind it
// while the device below is full, a bounded number of packets wait, and what comes then is
// dropped and counted.
//
// # What is sent
//
// netstack is told of host GSO: it hands down up to 64 KiB of TCP behind one header, and
// leaves the checksums to us. No frame is larger than the path takes (see segmentSize), and
// each is accounted for on its own, whether it was cut here, below, or not at all.
//
// # And up
//
//	Receive        the clock's goroutine: check, tell the Loop of acknowledgements; an
//	               ICMP error that is about nothing in flight is dropped
//	DeliverNetworkPacket  UDP and ICMP are handled at once, TCP on the stack's goroutines
//
// # Limits
//
// Checksums are computed and verified in software. There is no GRO: netstack takes joined
// segments only from an interface that says it has verified all checksums. netstack does not
// segment UDP.
package endpoint

import (
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// Config sets up an Endpoint.
type Config struct {
	// Arrived, if not nil, is told when a frame came in that is given to the stack next,
	// and then, without a time, that it was.
	Arrived func(clock.Optional)

	// Enter, if not nil, is called on the clock's goroutine before packets are given to
	// the stack, and before a release of packets may wake its sockets.
	Enter func()

	// Direct, if not nil, is given each packet that is addressed to the interface alone
	// before the stack is, and reports whether it has taken it.
	Direct func(tcpip.NetworkProtocolNumber, *gstack.PacketBuffer) bool

	// Segments has netstack hand down single segments of TCP, and no super-segments.
	Segments bool

	// TooBig, if not nil, is called on the clock's goroutine when a packet of a flow that
	// is not TCP was larger than the MTU of its path, in bytes.
	TooBig func(f pacer.Flow, mtu int)

	// Claimed, if not nil, is called on the clock's goroutine when the station with the
	// Ethernet address by says that it has an IP address. It must not keep by.
	Claimed func(a netip.Addr, by net.HardwareAddr)
}

// Endpoint implements gVisor's LinkEndpoint over a link.Device.
type Endpoint struct {
	clk    clock.Clock
	below  link.Device
	info   link.Info
	config Config

	wake clock.Timer // runs Flush

	// What other goroutines use, too.
	door     door
	settings settings

	// What follows belongs to the clock's goroutine.
	flows   flows
	frames  queue.Ring[*link.Frame] // to be transmitted
	full    bool
	segment pacer.Segment // that a Loop is told of
	spare   []*waiting
	supers  []*super
	pool    link.Pool

	sent, received link.Stats
}

// New returns an endpoint above below.
func New(below link.Device, clk clock.Clock, config Config) *Endpoint {
	info := below.Info()
	e := &Endpoint{clk: clk, below: below, info: info, config: config}
	e.SetMTU(uint32(info.MTU))
	e.SetLinkAddress(tcpip.LinkAddress(info.Address))
	// A timer can only be made running.
	e.wake = clk.AfterFunc(time.Duration(clock.Never), e.Flush)
	e.wake.Stop()
	below.Attach(e)
	return e
}

// Before has f run on the clock's goroutine before what was not yet flushed is sent. It
// may be called from any goroutine; in virtual time it is at the same instant, when the
// event that runs now is over.
func (e *Endpoint) Before(f func()) {
	e.door.ask(&e.door.before, f)
	e.wake.Reset(0)
}

// After is Before for what follows on the packets written so far.
func (e *Endpoint) After(f func()) {
	e.door.ask(&e.door.after, f)
	e.wake.Reset(0)
}

// WritePackets implements LinkWriter. It takes a reference of each packet and returns;
// TCP would not hear of an error, and UDP is stopped by the reference.
func (e *Endpoint) WritePackets(pkts gstack.PacketBufferList) (int, tcpip.Error) {
	wake, open := e.door.put(pkts.AsSlice(), e.info.Header())
	if !open {
		return 0, &tcpip.ErrClosedForSend{}
	}
	if wake {
		e.wake.Reset(0)
	}
	return pkts.Len(), nil
}

// Flush makes frames of the packets that were written and sends them. It is called on the
// clock's goroutine, by itself when there are packets.
func (e *Endpoint) Flush() {
	e.door.run(&e.door.before)
	now := e.clk.Now()
	packets, lost := e.door.take()
	e.sent.Drops[link.QueueFull] += uint64(lost)
	for i := range packets {
		e.outgoing(&packets[i], now)
		packets[i] = written{}
	}
	e.transmit()
	e.door.run(&e.door.after)
}

// maxFrames is how many frames wait in the endpoint while the device below is full. A Linux
// interface has 1000 by default.
const maxFrames = 4096

// put puts a frame behind those that wait to be transmitted. If the device below has no
// room for so many it is dropped, as an interface's queue does.
func (e *Endpoint) put(f *link.Frame) {
	if e.frames.Len() == maxFrames {
		e.transmit()
	}
	if e.frames.Len() == maxFrames {
		e.sent.Drop(f, link.QueueFull)
		return
	}
	e.frames.Push(f)
}

func (e *Endpoint) transmit() {
	for !e.full && e.frames.Len() > 0 {
		frames := e.frames.Run()
		sent, bytes := count(frames)
		n, err := e.below.Transmit(frames)
		rest, restBytes := count(frames[n:])
		e.sent.Frames += uint64(sent - rest)
		e.sent.Bytes += uint64(bytes - restBytes)
		e.frames.Drop(n)
		switch err {
		case nil:
		case link.ErrFull:
			e.full = true
		default:
			e.drop(link.Closed)
		}
	}
}

// count returns how many frames leave as these, and how many bytes they have, without FCS.
func count(frames []*link.Frame) (n, bytes int) {
	for _, f := range frames {
		n += f.Frames()
		bytes += f.Total()
	}
	return n, bytes
}

// Counters returns what the endpoint has counted, as a device does. It is called on the clock's
// goroutine.
func (e *Endpoint) Counters() link.Counters {
	c := link.Counters{Kind: "endpoint", Sent: e.sent, Received: e.received}
	for i := range e.frames.Len() {
		c.Waiting += (*e.frames.At(i)).Frames()
	}
	return c
}

// drop gives up all frames that could not be transmitted.
func (e *Endpoint) drop(why link.Cause) {
	for e.frames.Len() > 0 {
		f := e.frames.Pop()
		e.sent.Drop(f, why)
	}
}

// Ready implements link.Handler.
func (e *Endpoint) Ready() {
	e.full = false
	e.transmit()
}

// Departed implements link.Origin.
func (e *Endpoint) Departed(f *link.Frame) {
	e.enter()
	w := f.Cookie.(*waiting)
	fl := w.flow
	fl.waiting--
	if w.data {
		fl.tcp.departed(w.end)
		if fl.loop != nil {
			fl.stopped = fl.loop.Departed(w.seq, w.end, f.Sent, fl.waiting)
		}
	}
	if sent, ok := f.Sent.Get(); ok && w.syn {
		e.flows.open(fl, fl.opening.left(sent))
	}
	if w.parcel.account != nil {
		w.parcel.gone(f.Sent.IsSet())
		fl.stopped = w.parcel.account.stopped()
	}
	if w.pkt != nil {
		w.pkt.DecRef()
	}
	*w = waiting{}
	e.spare = append(e.spare, w)
}

func (e *Endpoint) enter() {
	if e.config.Enter != nil {
		e.config.Enter()
	}
}

// Drain drops what was written and did not reach the device below. It is called on the
// clock's goroutine when the device has been closed.
func (e *Endpoint) Drain() {
	e.wake.Stop()
	e.Flush()
	e.drop(link.Closed)
}
