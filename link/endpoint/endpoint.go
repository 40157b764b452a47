// Package endpoint is the link endpoint of a gVisor network stack: the door between
// TCP/IP and the devices below it.
//
// # The way of a packet down
//
//	WritePackets   any goroutine, a connection's lock held: keep a reference, return
//	Flush          the clock's goroutine: copy into a link.Frame, find its flow
//	 pacer.Depart  the flow's pacer says when it may leave; none: as soon as it can
//	 Transmit      the device below (a link.Hold) has it
//	Departed       it left, or was dropped: the flow has room again, the reference ends
//
// A pacer is asked for a departure at the earliest one full frame's wire time from now.
// By then the wire is free of whatever nobody paces, and what is paced is not late from
// its first packet on.
//
// A TCP segment that is sent again while its original still waits for its departure is
// dropped and counted, as Linux does not retransmit what is still in the host's queue: a
// low rate makes the wait longer than any timeout.
//
// The reference that is kept until then holds the bytes charged to the socket that wrote
// them, and so a UDP writer is stopped by what waits for its departure. TCP knows no such
// stop; for it the bound is Config.FlowLimit.
//
// # And up
//
//	Receive        the clock's goroutine: check, copy into a packet buffer
//	DeliverNetworkPacket  UDP and ICMP are handled at once, TCP on the stack's goroutines
//
// # Limits
//
// Checksums are computed and verified in software. Segments are at most one MTU: there
// is no GSO. There is no GRO either: netstack takes joined segments only from an
// interface that says it has verified all checksums.
package endpoint

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config sets up an Endpoint.
type Config struct {
	// FlowLimit is how many bytes of frames of one flow may wait for their departure;
	// beyond it they are dropped and counted. 0 means 32 MiB, which is more than a
	// connection with the buffers of package stack can have in flight.
	FlowLimit int

	// Enter, if not nil, is called on the clock's goroutine before packets are given to
	// the stack, and before a release of packets may wake its sockets.
	Enter func()
}

// Endpoint implements gVisor's LinkEndpoint over a link.Device.
type Endpoint struct {
	clk    clock.Clock
	below  link.Device
	info   link.Info
	config Config
	lead   time.Duration // from the asking of a pacer to the earliest departure

	wake clock.Timer // runs Flush

	mu       sync.Mutex // for the fields that follow, which other goroutines use
	queue    []*gstack.PacketBuffer
	mtu      uint32
	address  tcpip.LinkAddress
	up       gstack.NetworkDispatcher
	pacers   map[pacer.Flow]pacer.Pacer
	ended    []pacer.Flow // to be forgotten
	onClose  func()
	detached bool

	// What follows belongs to the clock's goroutine.
	taken   []*gstack.PacketBuffer // the queue's other half
	frames  []*link.Frame          // to be transmitted, the oldest first
	full    bool
	flows   map[pacer.Flow]*flow
	last    *flow
	sweepAt int
	spare   []*waiting

	// Sent and Received count frames and drops of either direction. They belong to the
	// clock's goroutine.
	Sent, Received link.Stats
}

// flow is one direction of a connection, as far as its frames wait for departure.
type flow struct {
	key    pacer.Flow
	queued int // bytes
	tcp    waitingData
}

// waiting is a packet whose frame has not left.
type waiting struct {
	pkt  *gstack.PacketBuffer
	flow *flow
	size int
	data bool   // it is TCP data that the flow keeps account of,
	end  uint32 // and this the sequence number behind it
}

// New returns an endpoint above below.
func New(below link.Device, clk clock.Clock, config Config) *Endpoint {
	if config.FlowLimit == 0 {
		config.FlowLimit = 32 << 20
	}
	info := below.Info()
	e := &Endpoint{
		clk: clk, below: below, info: info, config: config,
		mtu:     uint32(info.MTU),
		address: tcpip.LinkAddress(info.Address),
		lead:    link.WireTime(link.WireBytes(link.EthernetHeader+info.MTU), info.Speed),
		pacers:  make(map[pacer.Flow]pacer.Pacer),
		flows:   make(map[pacer.Flow]*flow),
		sweepAt: 1024,
	}
	// A timer can only be made running.
	e.wake = clk.AfterFunc(time.Duration(clock.Never), e.Flush)
	e.wake.Stop()
	below.Attach(e)
	return e
}

// SetPacer says who asks for the departures of a flow's frames, from the next frame on.
// nil means nobody. It may be called from any goroutine; p is then the endpoint's.
func (e *Endpoint) SetPacer(f pacer.Flow, p pacer.Pacer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p == nil {
		delete(e.pacers, f)
		return
	}
	e.pacers[f] = p
}

// Forget ends the pacing of a flow behind the last packet that was written. It may be
// called from any goroutine.
func (e *Endpoint) Forget(f pacer.Flow) {
	e.mu.Lock()
	e.ended = append(e.ended, f)
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
		e.queue = append(e.queue, pkt.IncRef())
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
	now := e.clk.Now()
	e.mu.Lock()
	e.taken, e.queue = e.queue, e.taken[:0]
	for i, pkt := range e.taken {
		e.taken[i] = nil
		if f := e.frame(pkt, now); f != nil {
			e.frames = append(e.frames, f)
		}
	}
	for _, f := range e.ended {
		delete(e.pacers, f)
	}
	e.ended = e.ended[:0]
	e.mu.Unlock()
	e.transmit()
}

// frame makes a frame of a packet and asks for its departure, or drops it.
func (e *Endpoint) frame(pkt *gstack.PacketBuffer, now clock.Time) *link.Frame {
	size := pkt.Size()
	if size > e.info.MTU+e.info.Header() {
		e.Sent.Drops[link.TooLong]++
		e.enter()
		pkt.DecRef()
		return nil
	}
	f := link.NewFrame(size)
	fill(f.Bytes(), pkt)
	f.Measure(e.info.Header())

	fl := e.flow(f.Flow)
	w := e.newWaiting()
	*w = waiting{pkt: pkt, flow: fl, size: size}
	fl.queued += size
	f.Origin, f.Cookie = e, w
	if fl.queued > e.config.FlowLimit {
		e.Sent.Drop(f, link.FlowFull)
		return nil
	}
	if f.Flow.Proto == pacer.ProtoTCP && f.Size.Payload > 0 {
		seq := sequence(f.Bytes()[e.info.Header():])
		end := seq + uint32(f.Size.Payload)
		if fl.tcp.holds(seq, end) {
			e.Sent.Drop(f, link.Duplicate)
			return nil
		}
		w.data, w.end = true, end
	}
	f.Depart = now
	if p := e.pacers[f.Flow]; p != nil {
		f.Paced = true
		f.Depart = p.Depart(f.Size, now.Add(e.lead))
	}
	return f
}

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

// sweep forgets the flows that have nothing waiting.
func (e *Endpoint) sweep() {
	for key, fl := range e.flows {
		if fl.queued == 0 {
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

func (e *Endpoint) transmit() {
	if e.full || len(e.frames) == 0 {
		return
	}
	n, err := e.below.Transmit(e.frames)
	e.Sent.Frames += uint64(n)
	rest := e.frames[:copy(e.frames, e.frames[n:])]
	clear(e.frames[len(rest):])
	e.frames = rest
	switch err {
	case nil:
	case link.ErrFull:
		e.full = true
	default:
		e.drop(link.Closed)
	}
}

// drop gives up all frames that could not be transmitted.
func (e *Endpoint) drop(why link.Cause) {
	for i, f := range e.frames {
		e.frames[i] = nil
		e.Sent.Drop(f, why)
	}
	e.frames = e.frames[:0]
}

// Ready implements link.Handler.
func (e *Endpoint) Ready() {
	e.full = false
	e.transmit()
}

// Departed implements link.Origin.
func (e *Endpoint) Departed(f *link.Frame) {
	w := f.Cookie.(*waiting)
	w.flow.queued -= w.size
	if w.data {
		w.flow.tcp.departed(w.end)
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
