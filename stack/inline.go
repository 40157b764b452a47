package stack

import (
	"sync/atomic"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// netstack's TCP puts a segment into its connection's queue, and a goroutine of its own takes
// it out. In a world that goroutine has to be waited for after each event (World.settle). The
// segments of open connections need not go there: inlineTCP has them processed on the
// world's goroutine, which takes two thirds of the time. That is tried once (proveInline): a
// world has the same frames either way.

// inlineTCP is netstack's TCP with that short cut.
type inlineTCP struct {
	gstack.TransportProtocol
	gstack.SendBufSizeProto
	queued queuedProtocol // the same TCP

	delivering bool          // what is queued now comes from the link; no connection is locked
	arrived    *tcp.Endpoint // has such a segment; nil for none
	woken      atomic.Bool   // the goroutine may have something to do
	known      known
}

// queuedProtocol is netstack's queuedTransportProtocol, in stack/transport_demuxer.go.
type queuedProtocol interface {
	QueuePacket(gstack.TransportEndpoint, gstack.TransportEndpointID, *gstack.PacketBuffer)
}

// newInlineTCP makes the TCP of a stack of the host.
func (h *Host) newInlineTCP(s *gstack.Stack) gstack.TransportProtocol {
	p := tcp.NewProtocolCUBIC(s)
	h.inline = &inlineTCP{TransportProtocol: p, SendBufSizeProto: p.(gstack.SendBufSizeProto), queued: p.(queuedProtocol)}
	return h.inline
}

// QueuePacket implements netstack's queuedTransportProtocol. It cannot process the segment
// itself: the caller holds a lock that the end of a connection takes.
func (p *inlineTCP) QueuePacket(ep gstack.TransportEndpoint, id gstack.TransportEndpointID, pkt *gstack.PacketBuffer) {
	e := ep.(*tcp.Endpoint)
	if !p.delivering || p.arrived != nil || !open(e.EndpointState()) {
		if p.delivering {
			p.delivering = false // what the goroutine now sends to the host itself does not
		}
		p.woken.Store(true)
		p.queued.QueuePacket(ep, id, pkt)
		return
	}
	e.LockUser() // of a user's connection nobody is woken
	p.queued.QueuePacket(ep, id, pkt)
	e.ResumeWork() // unlocks, and leaves it the user's
	p.arrived = e
	if p.known.lastIs != e {
		p.known.learn(id, e)
	}
}

// open reports whether segments of a connection in that state are processed by netstack's
// handleConnected.
func open(s tcp.EndpointState) bool {
	switch s {
	case tcp.StateEstablished, tcp.StateFinWait1, tcp.StateFinWait2, tcp.StateCloseWait, tcp.StateLastAck, tcp.StateClosing:
		return true
	}
	return false
}

// handle processes the segment that has arrived, and reports whether netstack's goroutine
// has nothing to do. It runs when the delivery is over.
func (p *inlineTCP) handle() (rests bool) {
	if p.delivering { // else the goroutine may read it now
		p.delivering = false
	}
	if e := p.arrived; e != nil {
		p.arrived = nil
		before := e.EndpointState()
		handleConnected(e)
		e.LockUser()
		e.UnlockUser()
		if e.EndpointState() != before {
			return false
		}
	}
	return !p.woken.Load()
}

// rest brings the host to rest.
func (h *Host) rest() {
	if p := h.inline; p != nil {
		if p.handle() {
			return
		}
		p.woken.Store(false)
	}
	h.stack.Pause()
	h.stack.Resume()
}

// enter is touch for a packet that is to be given to the stack next.
func (h *Host) enter() {
	h.touch()
	if h.inline != nil {
		h.inline.delivering = !h.ended
	}
}
