package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/pacer"
)

// Outgoing is what has become of what was written to a socket, in bytes of payload:
//
//	Written = Left + Dropped + Waiting
//
// where what was dropped before it left is TCP's to send again, and waits. Of UDP the
// datagrams are counted as well.
type Outgoing struct {
	Written, Left, Dropped, Waiting endpoint.Datagrams

	// Acknowledged is what the peer has taken, in bytes. Of UDP nothing is known of that.
	Acknowledged int64
}

// outgoing is a TCP connection's account. It belongs to control.mu.
type outgoing struct {
	written, left, acked int64 // bytes since the connection began
	lost                 []gap // of what left, those that did not
	spare                []gap // memory for the next lost
}

// gap is what was dropped before it left, and has not left since: from seq to end.
type gap struct{ seq, end pacer.Seq }

// Outgoing returns what has become of what was written to the connection.
func (c *TCPConn) Outgoing() (o Outgoing) {
	t := c.control
	t.mu.Lock()
	defer t.mu.Unlock()
	o.Written.Bytes, o.Left.Bytes, o.Acknowledged = t.out.written, t.out.left, t.out.acked
	if c.toSelf { // nothing of it comes to the link
		o.Left.Bytes, o.Acknowledged = o.Written.Bytes, o.Written.Bytes
	}
	o.Waiting.Bytes = o.Written.Bytes - o.Left.Bytes
	return o
}

// Drain waits until the peer has acknowledged all that was written. until is a time of
// Host.Now, after which os.ErrDeadlineExceeded is returned; the deadline of writing does not
// count.
func (c *TCPConn) Drain(until time.Time) error {
	if err := c.usable(); err != nil {
		return c.fail("drain", err)
	}
	c.drained.deadline(c.host, until)
	err := c.block(&c.drained, func() tcpip.Error {
		if o := c.Outgoing(); o.Acknowledged >= o.Written.Bytes {
			return nil
		}
		switch c.control.ep.EndpointState() {
		case tcp.StateEstablished, tcp.StateCloseWait, tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck:
			return &tcpip.ErrWouldBlock{}
		}
		return &tcpip.ErrConnectionReset{}
	})
	return c.fail("drain", err)
}

// departed notes that the data from seq to end has left, or was dropped. Both come in
// order, but for what is sent again. mu is held, and left is as it was before.
func (c *control) departed(seq, end pacer.Seq, left bool) {
	o := &c.out
	if c.left.Before(end) { // for the first time
		seq = seq.Later(c.left)
		if left {
			o.left += int64(end.From(seq))
		} else {
			o.lost = append(o.lost, gap{seq, end})
		}
		return
	}
	if left && len(o.lost) > 0 {
		o.fill(seq, end)
	}
}

// fill notes that what was dropped from seq to end has left now. Segments keep their bounds,
// unless the path turns out to take less.
func (o *outgoing) fill(seq, end pacer.Seq) {
	rest := o.spare[:0]
	for _, g := range o.lost {
		from, to := g.seq.Later(seq), g.end
		if end.Before(to) {
			to = end
		}
		if !from.Before(to) {
			rest = append(rest, g)
			continue
		}
		o.left += int64(to.From(from))
		for _, part := range [...]gap{{g.seq, from}, {to, g.end}} {
			if part.seq != part.end {
				rest = append(rest, part)
			}
		}
	}
	o.lost, o.spare = rest, o.lost
}

// acknowledged notes what an acknowledgement says and reports whether nothing is left that
// it could have said. mu is held.
func (c *control) acknowledged(ack pacer.Seq) (all bool) {
	if ack == c.written+1 { // of a FIN, which has no payload
		ack = c.written
	}
	if !c.acked.Before(ack) || c.written.Before(ack) {
		return false
	}
	c.out.acked += int64(ack.From(c.acked))
	c.acked = ack
	return ack == c.written
}
