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

// outgoing tells what of a TCP connection's bytes has left and was acknowledged, each counted
// once.
type outgoing struct {
	left  pacer.Seq // what comes before it has left, or was dropped
	acked pacer.Seq // what comes before it has been acknowledged
	lost  []gap     // what was dropped, and has not left since
	spare []gap     // memory for the next lost
}

// gap is what was dropped before it left, and has not left since: from seq to end.
type gap struct{ seq, end pacer.Seq }

// Outgoing returns what has become of what was written to the connection.
func (c *TCPConn) Outgoing() (o Outgoing) {
	w := &c.loop.words
	o.Acknowledged = w.acked.Load() // in this order, as each of them is at most the next
	o.Left.Bytes = w.leftBytes.Load()
	o.Written.Bytes = w.written.Load()
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
		switch c.loop.tcp.ep.EndpointState() {
		case tcp.StateEstablished, tcp.StateCloseWait, tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck:
			return &tcpip.ErrWouldBlock{}
		}
		return &tcpip.ErrConnectionReset{}
	})
	return c.fail("drain", err)
}

// departed notes that the data from seq to end has left, or was dropped, and returns how many
// bytes have left by that for the first time. Both come in order, but for what is sent again.
func (o *outgoing) departed(seq, end pacer.Seq, left bool) int64 {
	switch {
	case o.left.Before(end):
		seq = seq.Later(o.left)
		o.left = end
		if left {
			return int64(end.From(seq))
		}
		o.lost = append(o.lost, gap{seq, end})
	case left && len(o.lost) > 0:
		return o.fill(seq, end)
	}
	return 0
}

// fill notes that what was dropped from seq to end has left now, and returns how many bytes
// that is. Segments keep their bounds, unless the path turns out to take less.
func (o *outgoing) fill(seq, end pacer.Seq) (left int64) {
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
		left += int64(to.From(from))
		for _, part := range [...]gap{{g.seq, from}, {to, g.end}} {
			if part.seq != part.end {
				rest = append(rest, part)
			}
		}
	}
	o.lost, o.spare = rest, o.lost
	return left
}

// acknowledged notes an acknowledgement, where written is what could be acknowledged, and
// returns how many bytes it is the first to acknowledge.
func (o *outgoing) acknowledged(ack, written pacer.Seq) int64 {
	if ack == written+1 { // of a FIN, which has no payload
		ack = written
	}
	if !o.acked.Before(ack) || written.Before(ack) {
		return 0
	}
	bytes := ack.From(o.acked)
	o.acked = ack
	return int64(bytes)
}
