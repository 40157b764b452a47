// Package endpoint is the link endpoint of a gVisor network stack: the door between
// TCP/IP and the devices below it.
//
// # The way of a packet down
//
//	WritePackets   any goroutine, a connection's lock held: keep a reference, return
//	Flush          the clock's goroutine: copy into a link.Frame, find its flow
//	 Transmit      the device below has it; a hold.Hold asks the flow's pacer when its
//	               turn has come
//	Departed       it left, or was dropped: the reference ends, the flow's Loop hears of it
//
// A TCP segment that is sent again while its original still waits for its departure is
// dropped and counted, as Linux does not retransmit what is still in the host's queue: a
// low rate makes the wait longer than any timeout.
//
// The reference that is kept until then holds the bytes charged to the socket that wrote
// them, and so a UDP writer is stopped by what waits for its departure. TCP knows no such
// stop: package stack makes one of what the Loop hears. While the device below is full a
// bounded number of frames wait here, and what comes then is dropped and counted.
//
// # And up
//
//	Receive        the clock's goroutine: check, tell the Loop of acknowledgements; an
//	               ICMP error that is about nothing in flight is dropped
//	DeliverNetworkPacket  UDP and ICMP are handled at once, TCP on the stack's goroutines
//
// # Limits
//
// Checksums are computed and verified in software. Segments are at most one MTU: there
// is no GSO. There is no GRO either: netstack takes joined segments only from an
// interface that says it has verified all checksums.
package endpoint

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config sets up an Endpoint.
type Config struct {
	// Arrived, if not nil, is told when a frame came in that is given to the stack next,
	// and then, without a time, that it was.
	Arrived func(clock.Optional)

	// Enter, if not nil, is called on the clock's goroutine before packets are given to
	// the stack, and before a release of packets may wake its sockets.
	Enter func()

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

	mu       sync.Mutex // for the fields that follow, which other goroutines use
	queue    []written
	accounts accounts
	before   []func() // to be run on the clock's goroutine, before the queue is sent
	after    []func() // and behind it
	mtu      uint32
	address  tcpip.LinkAddress
	up       gstack.NetworkDispatcher
	onClose  func()
	detached bool

	// What follows belongs to the clock's goroutine.
	taken   []written // the queue's other half
	ops     []func()  // before's or after's
	frames  ring      // to be transmitted
	full    bool
	flows   map[pacer.Flow]*flow
	last    *flow
	loops   int           // flows that have a Loop
	opening int           // flows that have sent a SYN, and nobody has answered
	segment pacer.Segment // that a Loop is told of
	sweepAt int
	spare   []*waiting
	pool    link.Pool

	// Sent and Received count frames and drops of either direction. They belong to the
	// clock's goroutine.
	Sent, Received link.Stats
}

// flow is one direction of a connection.
type flow struct {
	key      pacer.Flow
	waiting  int // frames
	largest  int // IP packet so far, in bytes
	sequence sequence
	tcp      waitingData
	loop     Loop
	opening  handshake
	stopped  link.Stop // by whom, when a frame of it left last
}

// written is a packet that the stack has written.
type written struct {
	pkt    *gstack.PacketBuffer
	parcel parcel
}

// waiting is a packet whose frame has not left.
type waiting struct {
	written
	flow     *flow
	data     bool      // it is TCP data that the flow keeps account of,
	seq, end pacer.Seq // and these its sequence numbers: the first, and the one behind it
	syn      bool      // it opens the flow
}

// New returns an endpoint above below.
func New(below link.Device, clk clock.Clock, config Config) *Endpoint {
	info := below.Info()
	e := &Endpoint{
		clk: clk, below: below, info: info, config: config,
		mtu:     uint32(info.MTU),
		address: tcpip.LinkAddress(info.Address),
		flows:   make(map[pacer.Flow]*flow),
		sweepAt: 1024,
	}
	// A timer can only be made running.
	e.wake = clk.AfterFunc(time.Duration(clock.Never), e.Flush)
	e.wake.Stop()
	below.Attach(e)
	return e
}

// Before has f run on the clock's goroutine before what was not yet flushed is sent. It
// may be called from any goroutine; in virtual time it is at the same instant, when the
// event that runs now is over.
func (e *Endpoint) Before(f func()) { e.do(&e.before, f) }

// After is Before for what follows on the packets written so far.
func (e *Endpoint) After(f func()) { e.do(&e.after, f) }

func (e *Endpoint) do(list *[]func(), f func()) {
	e.mu.Lock()
	*list = append(*list, f)
	e.mu.Unlock()
	e.wake.Reset(0)
}

// WritePackets implements LinkWriter. It takes a reference of each packet and returns;
// TCP would not hear of an error, and UDP is stopped by the reference.
func (e *Endpoint) WritePackets(pkts gstack.PacketBufferList) (int, tcpip.Error) {
	e.mu.Lock()
	if e.detached {
		e.mu.Unlock()
		return 0, &tcpip.ErrClosedForSend{}
	}
	first := len(e.queue) == 0
	for _, pkt := range pkts.AsSlice() {
		e.queue = append(e.queue, written{pkt.IncRef(), e.parcel(pkt)})
	}
	e.mu.Unlock()
	if first {
		e.wake.Reset(0)
	}
	return pkts.Len(), nil
}

// Flush makes frames of the packets that were written and sends them. It is called on the
// clock's goroutine, by itself when there are packets.
func (e *Endpoint) Flush() {
	e.run(&e.before)
	now := e.clk.Now()
	e.mu.Lock()
	e.taken, e.queue = e.queue, e.taken[:0]
	e.mu.Unlock()
	for i, out := range e.taken {
		e.taken[i] = written{}
		if f := e.frame(out, now); f != nil {
			e.put(f)
		}
	}
	e.transmit()
	e.run(&e.after)
}

// run runs what was asked for. What it asks for in turn comes at the next Flush.
func (e *Endpoint) run(list *[]func()) {
	e.mu.Lock()
	if len(*list) == 0 {
		e.mu.Unlock()
		return
	}
	ops := *list
	*list = e.ops[:0]
	e.mu.Unlock()
	for i, f := range ops {
		ops[i] = nil
		f()
	}
	e.ops = ops[:0]
}

// frame makes a frame of a packet, or drops it.
func (e *Endpoint) frame(out written, now clock.Time) *link.Frame {
	pkt := out.pkt
	size := pkt.Size()
	if size > e.info.MTU+e.info.Header() {
		e.Sent.Drops[link.TooLong]++
		out.parcel.gone(false)
		e.enter()
		pkt.DecRef()
		return nil
	}
	f := e.pool.Frame(size)
	fill(f.Bytes(), pkt)
	f.Measure(e.info.Header())
	if out.parcel.whole != nil {
		if header.IPVersion(f.Bytes()[e.info.Header():]) == header.IPv6Version {
			// A flow without ports, as ICMP errors quote it. Fragments of IPv4 are for
			// routers to cut, and none is an error's.
			e.flow(f.Flow).sent(f)
		}
		out.parcel.measure(f)
	}
	f.Tag.Mark = pkt.Mark
	if pkt.Owner != nil {
		f.Tag.Owner = pkt.Owner.KUID()
	}
	f.Depart = now

	fl := e.flow(f.Flow)
	f.Stop = fl.stopped
	w := e.newWaiting()
	*w = waiting{written: out, flow: fl}
	fl.waiting++
	f.Origin, f.Cookie = e, w
	fl.sent(f)
	if f.Flow.Proto != pacer.ProtoTCP {
		return f
	}
	tcp := tcpHeader(f.Bytes()[e.info.Header():])
	fl.sequence.sent(tcp, f.Size.Payload)
	if f.Size.Payload == 0 {
		w.syn = fl.loop == nil && tcp.Flags().Contains(header.TCPFlagSyn)
		return f
	}
	w.seq = pacer.Seq(tcp.SequenceNumber())
	w.end = w.seq + pacer.Seq(f.Size.Payload)
	if fl.tcp.holds(w.seq, w.end) {
		e.Sent.Drop(f, link.Duplicate)
		return nil
	}
	w.data = true
	return f
}

// sent notes how large a packet of the flow is.
func (fl *flow) sent(f *link.Frame) { fl.largest = max(fl.largest, f.Size.IP) }

// fill copies a packet, with all its headers, to b.
func fill(b []byte, pkt *gstack.PacketBuffer) {
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		data := v.AsSlice()
		if skip >= len(data) {
			skip -= len(data)
			continue
		}
		b = b[copy(b, data[skip:]):]
		skip = 0
	}
}

func (e *Endpoint) flow(key pacer.Flow) *flow {
	if e.last != nil && e.last.key == key {
		return e.last
	}
	fl := e.flows[key]
	if fl == nil {
		if len(e.flows) >= e.sweepAt {
			e.sweep()
		}
		fl = &flow{key: key}
		e.flows[key] = fl
	}
	e.last = fl
	return fl
}

// sweep forgets the flows that have nothing waiting, and nobody who listens.
func (e *Endpoint) sweep() {
	for key, fl := range e.flows {
		if fl.waiting == 0 && fl.loop == nil {
			e.forget(fl)
			delete(e.flows, key)
		}
	}
	e.last = nil
	e.sweepAt = max(1024, 2*len(e.flows))
}

func (e *Endpoint) newWaiting() *waiting {
	if n := len(e.spare); n > 0 {
		w := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return w
	}
	return new(waiting)
}

// put puts a frame behind those that wait to be transmitted. If the device below has no
// room for so many it is dropped, as an interface's queue does.
func (e *Endpoint) put(f *link.Frame) {
	if e.frames.push(f) {
		return
	}
	e.transmit()
	if !e.frames.push(f) {
		e.Sent.Drop(f, link.QueueFull)
	}
}

func (e *Endpoint) transmit() {
	for !e.full && e.frames.n > 0 {
		n, err := e.below.Transmit(e.frames.first())
		e.Sent.Frames += uint64(n)
		e.frames.take(n)
		switch err {
		case nil:
		case link.ErrFull:
			e.full = true
		default:
			e.drop(link.Closed)
		}
	}
}

// drop gives up all frames that could not be transmitted.
func (e *Endpoint) drop(why link.Cause) {
	for e.frames.n > 0 {
		f := e.frames.first()[0]
		e.frames.take(1)
		e.Sent.Drop(f, why)
	}
}

// Ready implements link.Handler.
func (e *Endpoint) Ready() {
	e.full = false
	e.transmit()
}

// Departed implements link.Origin.
func (e *Endpoint) Departed(f *link.Frame) {
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
		e.opened(fl, sent)
	}
	if w.parcel.account != nil {
		w.parcel.gone(f.Sent.IsSet())
		fl.stopped = w.parcel.account.stopped()
	}
	e.enter()
	w.pkt.DecRef()
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
