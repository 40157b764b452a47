package endpoint

import (
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

func TestWaitingData(t *testing.T) {
	const start = 1<<32 - 2000 // the sequence numbers wrap on the way
	var d waitingData
	seq := func(n pacer.Seq) pacer.Seq { return start + n }
	holds := func(from, to pacer.Seq, want bool) {
		t.Helper()
		if got := d.holds(seq(from), seq(to)); got != want {
			t.Errorf("data %d to %d waits: %v, want %v", from, to, got, want)
		}
	}
	// # three segments are written
	holds(0, 1000, false)
	holds(1000, 2000, false)
	holds(2000, 3000, false)
	// # a timeout: the first is written again, and waits
	holds(0, 1000, true)
	// # it leaves, and is lost on the way: it may leave again, the second one still waits
	d.departed(seq(1000))
	holds(0, 1000, false)
	holds(1000, 2000, true)
	holds(1500, 1600, true)
	// # old data together with new is new
	holds(2500, 3500, false)
	// # all leave, and the retransmission last
	for _, end := range []pacer.Seq{2000, 3000, 3500, 1000} {
		d.departed(seq(end))
	}
	holds(3000, 3500, false)
	d.departed(seq(3500))
	// # the flow begins anew, anywhere
	holds(1<<31, 1<<31+10, false)
	holds(1<<31, 1<<31+10, true)
}

// What is sent again and leaves between new data says nothing of what lies between the two.
func TestWaitingDataSentAgainBeforeNew(t *testing.T) {
	var d waitingData
	for _, s := range []struct {
		from, to pacer.Seq
		want     bool
	}{
		{0, 1000, false}, {1000, 9000, false},
	} {
		if d.holds(s.from, s.to) != s.want {
			t.Errorf("data %d to %d", s.from, s.to)
		}
		d.departed(s.to)
	}
	// # two were lost: the first is sent again, then something new
	if d.holds(2000, 3000) || d.holds(9000, 10000) {
		t.Error("nothing of it waited")
	}
	d.departed(3000)
	// # and while that waits, the second one: it has left before
	if d.holds(4000, 5000) {
		t.Error("what was lost would never be sent again")
	}
	if !d.holds(4000, 5000) || !d.holds(9000, 10000) {
		t.Error("both wait now")
	}
}
