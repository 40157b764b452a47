package endpoint

import "testing"

func TestWaitingData(t *testing.T) {
	const start = 1<<32 - 2000 // the sequence numbers wrap on the way
	var d waitingData
	seq := func(n uint32) uint32 { return start + n }
	holds := func(from, to uint32, want bool) {
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
	for _, end := range []uint32{2000, 3000, 3500, 1000} {
		d.departed(seq(end))
	}
	holds(3000, 3500, false)
	d.departed(seq(3500))
	// # the flow begins anew, anywhere
	holds(1<<31, 1<<31+10, false)
	holds(1<<31, 1<<31+10, true)
}
