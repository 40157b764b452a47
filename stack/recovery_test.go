package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// What is lost is sent again, once, and nothing else is; nobody waits for a timer. There is
// more to send at the time: at the end of the data RFC 6675 sends one segment more, to be
// rescued by it.
func TestRecoverySendsAgainWhatWasLost(t *testing.T) {
	needsLayout(t)
	for _, c := range combinations {
		for _, l := range []struct {
			name string
			lose []int
		}{
			{"one", []int{200}},
			{"five in a window", []int{200, 207, 211, 230, 244}},
			{"five in a row", []int{200, 201, 202, 203, 204}},
		} {
			t.Run(c.name+" "+l.name, func(t *testing.T) {
				p := (&path{rate: 100e6, rtt: 20 * time.Millisecond, queue: 2000, lose: l.lose,
					congestion: c.congestion, pacing: c.pacing}).open(t, 1)
				got, fb := p.transfer(t, 2e6, nil)
				if got != 2e6 || p.loss.again != len(l.lose) || p.timeouts() != 0 || p.drops() != 0 {
					t.Errorf("%d bytes arrived, %d segments were sent again, %d timeouts, %d dropped: want 2000000, %d, and none",
						got, p.loss.again, p.timeouts(), p.drops(), len(l.lose))
				}
				if fb.Retransmits != uint64(len(l.lose)) {
					t.Errorf("Feedback has %d retransmits", fb.Retransmits)
				}
			})
		}
	}
}

// All of 2 MB arrives through whatever happens.
func TestAllArrives(t *testing.T) {
	lossy := link.Faults{Drop: 0.02}
	for _, c := range combinations {
		for _, w := range []struct {
			name   string
			faults *link.FaultConfig
			outage [2]clock.Time
		}{
			{name: "2 % lost", faults: &link.FaultConfig{Seed: 5, Sent: lossy, Received: lossy}},
			{name: "blackout", outage: [2]clock.Time{200e6, 900e6}},
			{name: "both", faults: &link.FaultConfig{Seed: 6, Sent: lossy, Received: lossy}, outage: [2]clock.Time{300e6, 2300e6}},
		} {
			t.Run(c.name+" "+w.name, func(t *testing.T) {
				p := (&path{rate: 20e6, rtt: 20 * time.Millisecond, queue: 20, faults: w.faults, outage: w.outage,
					congestion: c.congestion, pacing: c.pacing}).open(t, 1)
				got, _ := p.transfer(t, 2e6, nil)
				if got != 2e6 {
					t.Errorf("%d bytes arrived", got)
				}
				if p.loss.again == 0 {
					t.Error("nothing was sent again: the run says nothing")
				}
				t.Logf("%v, %d segments sent again, %d timeouts", p.now(), p.loss.again, p.timeouts())
			})
		}
	}
}
