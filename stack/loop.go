package stack

import (
	"sync/atomic"
	"time"

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

// shared is what all sides have.
type shared struct {
	host  *Host
	flow  pacer.Flow
	first pacer.Seq // of the connection's bytes

	words   words
	samples mailbox[measured]

	repace   func()      // the link side's
	repaces  atomic.Bool // will be called
	todo     atomic.Uint32
	doing    task // does what there is to do
	firstMSS int  // before anybody said that the path takes less
}

// words are what one side says and others read.
type words struct {
	// The link's side.
	left          seqWord      // what comes before it has left, or was dropped
	leftBytes     atomic.Int64 // that have left, each counted once
	acked         atomic.Int64 // bytes
	waiting, lead atomic.Int64 // the bounds
	srtt          atomic.Int64 // ns
	paced         atomic.Bool
	follows       atomic.Bool // the pacer is a Follower

	// TCP's side.
	next       seqWord // what comes before it was sent, when netstack was last looked at
	mss        atomic.Int64
	cwnd       atomic.Int64 // bytes
	ssthresh   atomic.Int64 // bytes; 0 while none was set
	rate       atomic.Int64 // that the controller asks for, in bit/s
	recovering atomic.Bool  // netstack sets the window
	narrowed   atomic.Bool  // netstack's window is less than the controller's
	clamped    atomic.Bool  // netstack is to be asked for more; cleared by the link's side
	hears      atomic.Bool  // the controller is a cc.Sampler
	needsPacer atomic.Bool

	// The application's side.
	written atomic.Int64 // bytes given to netstack
	writing atomic.Int32 // calls of Write
	nagle   atomic.Bool  // small segments wait
	full    atomic.Bool  // a writer waits until more has left; cleared by the link's side
}

// seqWord is a pacer.Seq that others may read.
type seqWord struct{ n atomic.Uint32 }

func (w *seqWord) Load() pacer.Seq   { return pacer.Seq(w.n.Load()) }
func (w *seqWord) Store(s pacer.Seq) { w.n.Store(uint32(s)) }

// writtenTo returns the sequence number behind what was given to netstack.
func (s *shared) writtenTo() pacer.Seq { return s.first + pacer.Seq(s.words.written.Load()) }

// bounds returns the bounds that hold now.
func (w *words) bounds() bounds { return bounds{int(w.waiting.Load()), int(w.lead.Load())} }

// mayLead returns how far a writer may be ahead of what has left, in bytes.
func (w *words) mayLead() int {
	return w.bounds().mayLead(int(w.cwnd.Load()), time.Duration(w.srtt.Load()))
}

// What the softirq has to do for a loop.
const (
	todoHear = 1 << iota // tell the controller of what was measured
	todoPush             // have netstack send what the window allows now
	todoWake             // wake who waits for room, or for the peer to have all
)

// leave leaves something to the softirq.
func (s *shared) leave(todo uint32) {
	if todo != 0 {
		s.todo.Or(todo)
		s.host.softirq.raise(&s.doing)
	}
}

// askRepace has the link's side repace, before what netstack sends from now on.
func (s *shared) askRepace() {
	if s.repaces.CompareAndSwap(false, true) {
		s.host.ep.Before(s.repace)
	}
}

// newLoop closes the loop of a connection that has not sent anything yet. writers are those
// who wait for room.
func newLoop(h *Host, ep *tcp.Endpoint, flow pacer.Flow, controller cc.Controller, writers *waiter.Queue) (*loop, error) {
	l := &loop{shared: shared{host: h, flow: flow}, app: appSide{writers: writers}}
	l.link.shared, l.tcp.shared, l.app.shared = &l.shared, &l.shared, &l.shared
	l.repace, l.doing.run = l.link.repaceNow, l.do
	if err := l.tcp.begin(ep, controller); err != nil {
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
