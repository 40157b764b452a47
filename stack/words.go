package stack

import (
	"sync/atomic"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// shared is what all sides have.
type shared struct {
	host  *Host
	flow  pacer.Flow
	first pacer.Seq // of the connection's bytes; 0 where netstack does not tell (see linkSide.origin)

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
	builtin    atomic.Bool  // it is netstack's own
	needsPacer atomic.Bool

	// The application's side.
	written atomic.Int64 // bytes given to netstack
	writing atomic.Int32 // calls of Write
	nagle   atomic.Bool  // small segments wait
	full    atomic.Bool  // a writer waits until more has left; cleared by who wakes it
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

// measured is what an acknowledgement tells, or the handshake.
type measured struct {
	sample       pacer.Sample
	srtt, minRTT time.Duration // with this sample
	opening      bool          // there is no sample: it is the handshake
}

// join makes of last and v what one acknowledgement would have told that came for both.
func join(last *measured, v measured) {
	acked, lost, rtt := last.sample.Acked, last.sample.Lost, last.sample.RTT
	rate, limited := last.sample.Rate, last.sample.AppLimited
	*last = v
	s := &last.sample
	s.Acked += acked
	s.Lost += lost
	if s.RTT == 0 {
		s.RTT = rtt
	}
	if s.Rate == 0 {
		s.Rate, s.AppLimited = rate, limited
	}
}
