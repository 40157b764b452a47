package stack

import (
	"runtime"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
)

// Of two worlds with one seed all frames are the same, whatever the number of processors:
// with two connections that share a bottleneck, losses in both directions, and all that
// paces.
func TestLoopRepeats(t *testing.T) {
	drop := link.Faults{Drop: 0.002, Reorder: 0.001}
	run := func(c combination, seed uint64) string {
		p := (&path{rate: 50e6, rtt: 10 * time.Millisecond, queue: 20, congestion: c.congestion, pacing: c.pacing,
			faults: &link.FaultConfig{Seed: 1, Sent: drop, Received: drop}}).open(t, seed)
		p.run(t, []*flow{{}, {start: 100 * time.Millisecond}}, time.Second, time.Second, func(time.Duration) {})
		if p.loss.again == 0 {
			t.Errorf("%s: nothing was sent again", c.name)
		}
		return p.recorder.Hash()
	}
	for _, c := range combinations {
		want := run(c, 1)
		for _, procs := range []int{1, 4} {
			before := runtime.GOMAXPROCS(procs)
			got := run(c, 1)
			runtime.GOMAXPROCS(before)
			if got != want {
				t.Errorf("%s: trace %s with GOMAXPROCS %d, and %s before", c.name, got, procs, want)
			}
		}
		if run(c, 2) == want {
			t.Errorf("%s: another seed, and the same trace", c.name)
		}
	}
}
