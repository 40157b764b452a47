package iperf3

import (
	"context"
	"errors"
	"net"
	"time"
)

// A Host is the machine that a client or a server runs on. A test that runs on it calls
// it from several tasks, which in real time are goroutines.
//
// Deadlines of its connections, and those that a context carries, are times of Now. A
// deadline that lies in the past ends a call that is blocked already, from any task. So
// does Close, with net.ErrClosed. A connection which can choose whether small segments
// wait for one another has a method SetNoDelay(bool) error.
// One of UDP that knows when a datagram arrived, as a time of Now, has ReadStamped (see
// stack.UDPConn): jitter is of arrivals, not of readers.
type Host interface {
	// DialContext connects; network is tcp or udp, with 4 or 6 behind it for only that
	// version of IP. A context may have a deadline without anybody who watches it but
	// the Host.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)

	// Listen accepts TCP connections.
	Listen(network, address string) (net.Listener, error)

	// ListenPacket receives UDP datagrams.
	ListenPacket(network, address string) (net.PacketConn, error)

	// Now returns the time.
	Now() time.Time

	// Sleep returns when d has passed.
	Sleep(d time.Duration)

	// Go runs f beside the caller. The function that it returns waits until f has
	// returned.
	Go(f func()) (wait func())

	// Pace asks that what c, a net.Conn or a net.PacketConn, sends to remote leaves at
	// bps bit/s of payload, spaced frame by frame, until c is closed; with 0 the Host may
	// space it as it likes. It returns when datagrams will leave, nil where c is of TCP,
	// and ErrNotPaced where it does not pace.
	Pace(c any, remote net.Addr, bps int64) (Departures, error)

	// Outgoing tells what has become of what was written to c, as for Pace, for remote;
	// ok is false if the Host does not know.
	Outgoing(c any, remote net.Addr) (o Outgoing, ok bool)

	// Drain waits until all that was written to c for remote has left or was dropped, and
	// over TCP has been acknowledged; until that time at most, when it returns an error
	// that is os.ErrDeadlineExceeded. A Host that does not know returns at once.
	Drain(c any, remote net.Addr, until time.Time) error

	// SetCongestion has the TCP connection c use the congestion control of that name.
	SetCongestion(c net.Conn, name string) error

	// TCPInfo returns what the Host knows of a TCP connection; ok is false if nothing.
	TCPInfo(c net.Conn) (info TCPInfo, ok bool)

	// CPUTime returns the processor time that this process has used, or 0, 0 where time
	// is virtual and processor time says nothing.
	CPUTime() (user, system time.Duration)
}

// ErrNotPaced is returned by Host.Pace where the sender must keep to the rate itself.
var ErrNotPaced = errors.New("this host does not pace")

// Departures tell when a datagram of n bytes that is written now will leave, as its pacer
// has it. They are asked once for each one, in the order of writing, by one task.
type Departures func(n int, now time.Time) time.Time

// Outgoing is what has become of what was written to a connection, since it was made or
// since somebody asked for the first time.
type Outgoing struct {
	Bytes, Packets int64 // that have left, of payload and of datagrams
	Acknowledged   int64 // bytes, of TCP
}

// TCPInfo is the state of a TCP connection at one moment. What is unknown is 0.
type TCPInfo struct {
	Retransmits int64 // segments sent again since the connection began
	Cwnd        int64 // congestion window, bytes
	SendWindow  int64 // window that the peer offers, bytes
	RTT         time.Duration
	RTTVar      time.Duration
	PMTU        int    // path MTU, bytes
	MSS         int    // segment payload, bytes
	Congestion  string // name of the congestion control, such as cubic

	Loop *Loop // nil where the Host does not pace
}

// Loop is what a Host that paces knows besides: what was measured where segments leave and
// acknowledgements arrive, at one moment, and in an Interval under the key caliper.
type Loop struct {
	RTT          time.Duration `json:"rtt_ns"`        // smoothed
	MinRTT       time.Duration `json:"min_rtt_ns"`    // the least of the connection
	Ssthresh     int64         `json:"ssthresh"`      // bytes of payload; 0 while none was set
	InFlight     int64         `json:"in_flight"`     // bytes of payload
	Queued       int64         `json:"queued"`        // bytes that wait for their departure
	PacingRate   int64         `json:"pacing_rate"`   // bit/s; 0 if there is none
	DeliveryRate int64         `json:"delivery_rate"` // bit/s of payload
	Departures   int64         `json:"departures"`    // segments that have left, in the interval
}

// deadlineContext has a deadline that the Host keeps on its own clock; there is no timer.
type deadlineContext struct {
	context.Context
	deadline time.Time
}

func (c deadlineContext) Deadline() (time.Time, bool) { return c.deadline, true }
