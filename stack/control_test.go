package stack

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netcaliper/caliper/stack/cc"
)

// clone is netstack's own Reno written again, with what is wrong with it: it divides by
// the new window.
type clone struct{ acked int }

func (r *clone) Ack(c *cc.Conn, n int) {
	if c.Cwnd < c.Ssthresh {
		w := c.Cwnd + n
		if w >= c.Ssthresh {
			w, r.acked = c.Ssthresh, 0
		}
		n -= w - c.Cwnd
		if c.Cwnd = w; n == 0 {
			return
		}
	}
	r.acked += n
	if r.acked >= c.Cwnd {
		c.Cwnd += r.acked / c.Cwnd
		r.acked %= c.Cwnd
	}
}

func (r *clone) Loss(c *cc.Conn)      { c.Ssthresh = max(c.Outstanding/2, 2) }
func (r *clone) Recovered(c *cc.Conn) {}
func (r *clone) Timeout(c *cc.Conn) {
	r.Loss(c)
	c.Cwnd = 1
}

// What is installed is what decides: netstack's Reno and its clone of ours send the same
// frames at the same times.
func TestCloneOfReno(t *testing.T) {
	run := func(builtIn bool) (string, int) {
		p := (&path{
			rate: 20e6, rtt: 20 * time.Millisecond, queue: 20, bare: true, unbounded: true,
			lose:       []int{700, 701, 1500, 1502, 1504},
			congestion: func() cc.Controller { return new(clone) },
		}).open(t, 7)
		got, _ := p.transfer(t, 8e6, func(c *TCPConn) {
			if builtIn { // which throws ours out
				reno := tcpip.CongestionControlOption("reno")
				if err := c.ep.SetSockOpt(&reno); err != nil {
					t.Fatal(err)
				}
			}
		})
		if got != 8e6 {
			t.Fatalf("%d bytes arrived", got)
		}
		return p.recorder.Hash(), p.loss.again
	}
	theirs, again := run(true)
	ours, _ := run(false)
	if theirs != ours {
		t.Errorf("netstack's Reno has trace %s, its clone %s", theirs, ours)
	}
	if again < 5 {
		t.Errorf("%d retransmissions: the run says nothing of recovery", again)
	}
	t.Logf("%d retransmissions", again)
}
