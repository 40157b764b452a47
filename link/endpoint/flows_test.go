package endpoint

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// deaf is a Loop that does nothing.
type deaf struct{}

func (deaf) Departed(pacer.Seq, pacer.Seq, clock.Optional, int) link.Stop { return 0 }
func (deaf) Handshake(time.Duration)                                      {}
func (deaf) Arrived(*pacer.Segment, clock.Time)                           {}

func key(n int) pacer.Flow {
	return pacer.Flow{SrcPort: uint16(n), DstPort: uint16(n >> 16), Proto: pacer.ProtoTCP}
}

// A sweep forgets the flows of which nothing waits and that nobody listens to, and no other.
func TestSweepKeepsWhatLives(t *testing.T) {
	var table flows
	waits, listens, opens, idle := table.get(key(0)), table.get(key(1)), table.get(key(2)), table.get(key(3))
	waits.waiting = 1
	table.listen(listens, deaf{})
	table.open(opens, opens.opening.left(5))
	if table.heard != 2 {
		t.Errorf("%d flows are heard, want 2", table.heard)
	}
	for n := 4; n < minFlows; n++ {
		table.get(key(n))
	}
	if len(table.known) != minFlows || table.find(key(3)) != idle {
		t.Fatalf("%d flows are known before the sweep", len(table.known))
	}
	last := table.get(key(minFlows))
	if table.find(key(0)) != waits || table.find(key(1)) != listens {
		t.Error("a flow that lives is forgotten")
	}
	if table.find(key(2)) != nil || table.find(key(3)) != nil || table.find(key(minFlows-1)) != nil || len(table.known) != 3 {
		t.Errorf("%d flows are known, want 3", len(table.known))
	}
	if table.heard != 1 {
		t.Errorf("%d flows are heard, want the one with a loop", table.heard)
	}
	if table.get(key(minFlows)) != last || table.get(key(0)) != waits {
		t.Error("a flow is made anew")
	}
	// # of many that live, there are twice as many before the next sweep
	for n := range 3 * minFlows {
		table.get(key(n)).waiting = 1
	}
	for n := 3 * minFlows; n < 3*minFlows+100; n++ {
		table.get(key(n))
	}
	if n := len(table.known); n < 3*minFlows+100 || table.sweepAt < minFlows*2 {
		t.Errorf("%d flows are known, the next sweep at %d", n, table.sweepAt)
	}
}

// The count of flows that are heard follows loops and handshakes.
func TestHeard(t *testing.T) {
	var table flows
	fl := table.get(key(1))
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() { table.open(fl, fl.opening.left(1)) }, 1},
		{func() { table.open(fl, fl.opening.left(2)) }, 0}, // two SYNs
		{func() { table.open(fl, handshake{}) }, 0},
		{func() { table.open(fl, fl.opening.left(3)) }, 1},
		{func() { table.listen(fl, deaf{}) }, 1},
		{func() { table.open(fl, fl.opening.answered(4)) }, 1},
		{func() { table.listen(fl, deaf{}) }, 1},
		{func() { table.listen(fl, nil) }, 0},
		{func() { table.listen(fl, nil) }, 0},
	} {
		if step.do(); table.heard != step.want {
			t.Errorf("step %d: %d are heard, want %d", i, table.heard, step.want)
		}
	}
}

// The handshake's round trip is from the one SYN to the first answer; of two SYNs nothing is
// known (Karn).
func TestHandshake(t *testing.T) {
	var h handshake
	if h = h.answered(7); h.rtt != 0 {
		t.Errorf("an answer to nothing took %v", h.rtt)
	}
	h = h.left(10).answered(17)
	if h.rtt != 7 || h.sent.IsSet() {
		t.Errorf("%+v, want a round trip of 7", h)
	}
	if h = h.answered(30); h.rtt != 7 {
		t.Errorf("a second answer makes it %v", h.rtt)
	}
	for _, h := range []handshake{
		handshake{}.left(10).left(20).answered(27),
		handshake{}.left(10).left(20).left(30).answered(37),
		handshake{}.left(10).answered(17).left(20).answered(27),
	} {
		if h.rtt != 0 || h.sent.IsSet() {
			t.Errorf("%+v after two SYNs", h)
		}
	}
}
