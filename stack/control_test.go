package stack

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netcaliper/caliper/link"
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
// frames at the same times, through losses one by one and in a row, at random in both
// directions, and when the connection was idle and begins again.
func TestCloneOfReno(t *testing.T) {
	both := link.Faults{Drop: 0.01}
	for _, c := range []struct {
		name   string
		lose   []int
		faults *link.FaultConfig
		also   func(p *path, c *TCPConn)
		again  int // retransmissions, at least
	}{
		{name: "losses", lose: []int{700, 701, 1500, 1502, 1504}, again: 5},
		{name: "lossy", faults: &link.FaultConfig{Seed: 3, Sent: both, Received: both}, again: 50},
		{name: "idle", lose: []int{700}, again: 1, also: func(p *path, c *TCPConn) {
			for range 3 {
				p.write(t, c, 500_000)
				p.world.Sleep(3 * time.Second)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func(builtIn bool) (string, int) {
				p := (&path{
					rate: 20e6, rtt: 20 * time.Millisecond, queue: 20, bare: true, unbounded: true, lose: c.lose, faults: c.faults,
					congestion: func() cc.Controller { return new(clone) },
				}).open(t, 7)
				p.transfer(t, 8e6, func(conn *TCPConn) {
					if builtIn { // which throws ours out
						reno := tcpip.CongestionControlOption("reno")
						if err := conn.ep.SetSockOpt(&reno); err != nil {
							t.Fatal(err)
						}
					}
					if c.also != nil {
						c.also(p, conn)
					}
				})
				return p.recorder.Hash(), p.loss.again
			}
			theirs, again := run(true)
			ours, _ := run(false)
			if theirs != ours {
				t.Errorf("netstack's Reno has trace %s, its clone %s", theirs, ours)
			}
			if again < c.again {
				t.Errorf("%d retransmissions: the run says nothing of recovery", again)
			}
		})
	}
}
