package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netcaliper/caliper/link/endpoint"
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
