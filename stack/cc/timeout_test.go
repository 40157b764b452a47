package cc_test

import (
	"testing"

	"github.com/netcaliper/caliper/stack/cc"
)

// A recovery has failed: 200 packets were sent, all but 12 of them are selectively
// acknowledged or lost, and the timer expires. It is the window of the recovery that counts,
// else the connection would go on from one of 6.
func TestTimeoutInRecovery(t *testing.T) {
	for name, want := range map[string]int{"reno": 70, "cubic": 98} {
		ctl := controller(t, name)
		c := cc.Conn{Cwnd: 140, Ssthresh: 140, MSS: 1000, Outstanding: 12, Una: 1<<32 - 1000, Nxt: 199_000}
		ctl.Timeout(&c)
		if c.Ssthresh != want || c.Cwnd != 1 {
			t.Errorf("%s: threshold %d and window %d, want %d and 1", name, c.Ssthresh, c.Cwnd, want)
		}
	}
}
