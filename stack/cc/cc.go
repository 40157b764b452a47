package cc

import (
	"math"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Controller decides how much of one connection may be in flight and, where it likes, how
// fast it leaves. It works on the Conn that it is given, and keeps what else it needs.
//
// Its methods are called one at a time, with the connection's lock held: they must not use
// the connection. In fast recovery it is netstack that sets the window: Ack is not called
// between Loss and Recovered.
type Controller interface {
	// Ack is called when n packets were newly acknowledged, outside of fast recovery.
	Ack(c *Conn, n int)

	// Loss is called when duplicate or selective acknowledgements tell of a loss, before
	// fast recovery. It sets c.Ssthresh, which will be the window of the recovery and,
	// unless Recovered sets another, the one after it.
	Loss(c *Conn)

	// Recovered is called at the end of fast recovery, with c.Cwnd = c.Ssthresh.
	Recovered(c *Conn)

	// Timeout is called when the retransmission timer has expired. It sets c.Ssthresh and
	// c.Cwnd.
	Timeout(c *Conn)
}

// A Sampler is a Controller that hears of every acknowledgement at the link, also in fast
// recovery, and before Ack does. It may set c.PacingRate, and leaves the window to the other
// methods.
type Sampler interface {
	Controller
	Sample(c *Conn, s *pacer.Sample)
}

// A Pacing controller does not work unless its packets leave at c.PacingRate. Where nobody
// paces, it is refused.
type Pacing interface {
	Controller

	// Start is called before the first packet leaves under the controller. It sets
	// c.PacingRate, for the first window already, with c.SRTT that of the handshake; 0 if
	// that gave none.
	Start(c *Conn)
}

// Conn is what a Controller sees of its connection, and what it says. Packets are segments
// of MSS bytes of payload at most, as netstack counts.
type Conn struct {
	Cwnd       int   // congestion window, in packets; at least 1
	Ssthresh   int   // slow start threshold, in packets; NoSsthresh while none was set
	PacingRate int64 // in bit/s of payload; 0 for none

	// What follows is for the Controller to read.
	MSS         int // bytes of payload
	Outstanding int // packets sent and neither acknowledged nor taken for lost

	// Limited tells that the window was full when the acknowledged packets were sent:
	// that it was the window which limited what was sent, and not the application, the
	// peer, or the wait for departures. A window that is not used does not grow (RFC
	// 5681 and 9438 with RFC 7661's reasoning).
	Limited bool

	// Paced tells that a pacer spaces the packets, so that a window that grows by many
	// packets at once makes no burst.
	Paced bool

	Una, Nxt pacer.Seq // sequence numbers: the first not acknowledged, the next to be sent

	Now clock.Time
	// RTT is the last sample, at the link; 0 if this acknowledgement gave none. Its
	// smoothed value and the least of all are below; 0 before the first sample.
	RTT, SRTT, MinRTT time.Duration
}

// flight is what a timeout halves, in packets: RFC 5681's FlightSize, which has in it what was
// selectively acknowledged or lost, but no more than the window. At the end of a recovery
// that did not succeed a few packets may be Outstanding, and two windows not acknowledged.
func (c *Conn) flight() int {
	return max(c.Outstanding, min(c.Cwnd, c.Nxt.From(c.Una)/max(c.MSS, 1)))
}

// NoSsthresh is what Conn.Ssthresh is before the first loss.
const NoSsthresh = math.MaxInt

// InitialWindow is the window a connection begins with, in packets (RFC 6928).
const InitialWindow = 10
