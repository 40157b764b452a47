package cc_test

import (
	"fmt"
	"time"

	"github.com/netcaliper/caliper/stack/cc"
)

// Gentle is a controller of one's own: Reno, but it stops growing while the round trip takes
// a quarter longer than an empty path, so that others find a short queue.
type Gentle struct{ cc.Reno }

func (g *Gentle) Ack(c *cc.Conn, n int) {
	if c.SRTT <= c.MinRTT*5/4 {
		g.Reno.Ack(c, n)
	}
}

// A host is given it with stack.Config{Congestion: func() cc.Controller { return new(Gentle) }}.
// Here it is told by hand what happens to a connection.
func Example() {
	var controller cc.Controller = new(Gentle)
	c := &cc.Conn{Cwnd: cc.InitialWindow, Ssthresh: cc.NoSsthresh, MSS: 1420, Limited: true}
	c.MinRTT = 20 * time.Millisecond

	for _, srtt := range []time.Duration{20, 21, 24, 27, 25} {
		c.SRTT = srtt * time.Millisecond
		for range c.Cwnd { // a round trip: all that was sent is acknowledged
			controller.Ack(c, 1)
		}
		fmt.Printf("round trip %v: window %d\n", c.SRTT, c.Cwnd)
	}
	c.Outstanding = c.Cwnd
	controller.Loss(c)
	fmt.Println("loss: threshold", c.Ssthresh)

	// Output:
	// round trip 20ms: window 20
	// round trip 21ms: window 40
	// round trip 24ms: window 80
	// round trip 27ms: window 80
	// round trip 25ms: window 160
	// loss: threshold 80
}
