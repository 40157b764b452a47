package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// loop closes the loop of one TCP connection:
//
//	Arrived      an ACK is at the door: measured, and TCP's side is left the sample
//	Update, ...  netstack has taken it in: the controller hears of the samples and of the ACK,
//	             and says window and rate; the window is given to netstack, as far as little
//	             enough waits below
//	repace       the pacer follows, before what netstack sends next comes to it
//	Departed     a segment has left: measured, and netstack is asked for more
//
// # Who owns what
//
// A loop has three sides. What a side has in its fields nobody else touches; no side waits
// for another, and there is no lock but those that are there anyway.
//
//	linkSide  belongs to the clock's goroutine: what was measured, what has left, the pacer. It
//	          takes no lock; what needs one it leaves to the softirq.
//	tcpSide   belongs to the connection's lock, which netstack has when it calls: the
//	          controller, its cc.Conn, the window. Controllers run here and nowhere else.
//	appSide   belongs to who writes: how much may be written.
//
// They talk by values. Samples go from the link's side to TCP's in a mailbox, which is
// emptied as soon as netstack calls, and by the softirq where netstack has no reason to, as
// for a duplicate ACK. TCP's side has the link's repace, through the endpoint's door. What a
// side must know of another at once is in words, of which each is written by one side; a flag
// is set by one, and cleared by the other.
type loop struct {
	shared
	link linkSide
	tcp  tcpSide
	app  appSide
}

// newLoop closes the loop of a connection that has not sent anything yet. writers are those
// who wait for room.
func newLoop(h *Host, ep *tcp.Endpoint, flow pacer.Flow, controller cc.Controller, writers *waiter.Queue) (*loop, error) {
	l := &loop{shared: shared{host: h, flow: flow}, app: appSide{writers: writers}}
	l.link.shared, l.tcp.shared, l.app.shared = &l.shared, &l.shared, &l.shared
	l.repace, l.doing.run = l.link.repaceNow, l.do
	l.tcp.ep = ep
	if err := l.tcp.begin(controller); err != nil {
		return nil, err
	}
	l.link.begin()
	return l, nil
}

// pace has the scheduler carry out a command that sets a pacer, or changes its rate, before
// what was not yet sent is.
func (l *loop) pace(c pacer.Command) { l.host.ep.Before(func() { l.link.pace(c) }) }

// do does what was left to the softirq.
func (l *loop) do() {
	todo := l.todo.Swap(0)
	if todo&todoHear != 0 {
		l.tcp.hearNow()
	}
	if todo&todoPush != 0 {
		l.tcp.push()
	}
	if todo&todoWake != 0 {
		l.app.wake()
	}
}
