package netfpga

import (
	"bytes"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// The transmit ring of an interface is what the driver and the card have of its frames, the
// oldest first. The native card sends the oldest. A program may do anything, so a frame that it
// launches is looked for by its bytes.
type txRing = queue.Ring[given]

// given is a frame that the driver was given, how many bytes of it that were, and the tick
// that it asked the card for.
type given struct {
	frame     *link.Frame // nil if the interface has been closed since
	carried   int
	tick      uint64
	overtaken int // frames behind it that have left
}

// maxOvertaken is how many frames may overtake one that is not given up yet: as many as
// the messages in the card's input memory have.
const maxOvertaken = drivercomm.Slots * perMessage

// maxTxRing is more frames than the driver and the card have room for.
const maxTxRing = 1 << 14

// give notes that the driver was given a frame.
func (i *Interface) give(g given) {
	i.txring.Push(g)
	if i.card.firmware != nil && i.txring.Len() > maxTxRing {
		i.account.sent.Drop(i.txring.Pop().frame, link.LinkError)
	}
}

// leaves reports whether these are the bytes of the frame, with what the card adds.
func (g *given) leaves(b []byte) bool {
	return g.frame != nil && len(b) == wireLen(g.frame) && bytes.Equal(b[:g.carried], g.frame.Bytes()[:g.carried])
}

// leaving is where the frames are, in their order, that leave the port.
func (i *Interface) leaving() *txRing {
	if i.card.firmware != nil {
		return &i.behind
	}
	return &i.txring
}

// launched is told of a packet that the program has launched, or that was dropped then. What
// it has added behind the bytes that were carried is the frame's from now on.
func (i *Interface) launched(b []byte, tick uint64, dropped bool) {
	g := i.take(b)
	switch {
	case dropped && g.frame != nil:
		i.account.sent.Drop(g.frame, link.QueueFull)
	case dropped:
	case g.frame == nil && !i.closed:
		i.account.foreign++
		i.behind.Push(given{frame: i.foreign(b, tick), tick: tick})
	default:
		if g.frame != nil {
			copy(g.frame.Bytes()[g.carried:], b[g.carried:])
		}
		i.behind.Push(g)
	}
}

// foreign returns a new frame.
func (i *Interface) foreign(b []byte, tick uint64) *link.Frame {
	f := i.card.pool.Frame(len(b))
	copy(f.Bytes(), b)
	f.Measure(i.info.Header())
	f.Depart = i.card.counter.Time(tick)
	f.Enqueued = clock.At(f.Depart)
	return f
}

// take takes out the oldest frame with these bytes. It is empty if there is none.
func (i *Interface) take(b []byte) given {
	n := i.txring.Len()
	if n == 0 {
		return given{}
	}
	if first := i.txring.First(); first.leaves(b) {
		return i.txring.Pop()
	}
	if k := i.find(b); k < n {
		return i.overtake(k)
	}
	return given{}
}

// find returns the place of the oldest frame with these bytes, or the number of frames.
func (i *Interface) find(b []byte) int {
	k := i.txring.Len()
	for n := range k {
		g := i.txring.Pop()
		if k > n && g.leaves(b) {
			k = n
		}
		i.txring.Push(g)
	}
	return k
}

// overtake takes out the frame in a place, and gives up those before it that too many
// have overtaken.
func (i *Interface) overtake(place int) (found given) {
	var lost []given
	for n := range i.txring.Len() {
		g := i.txring.Pop()
		if n < place {
			g.overtaken++
		}
		switch {
		case n == place:
			found = g
		case g.overtaken > maxOvertaken:
			lost = append(lost, g)
		default:
			i.txring.Push(g)
		}
	}
	for _, g := range lost { // whose Origins may close the interface
		i.account.sent.Drop(g.frame, link.LinkError)
	}
	return found
}

// forget drops all frames, of which none will leave.
func (i *Interface) forget(cause link.Cause) {
	for _, s := range []*txRing{&i.behind, &i.txring} {
		for s.Len() > 0 {
			if f := s.Pop().frame; f != nil {
				i.account.sent.Drop(f, cause)
			}
		}
	}
}
