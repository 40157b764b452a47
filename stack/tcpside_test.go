package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/stack/cc"
)

// The words say whether it is the bound that limits, and netstack is to be asked for more then
// only.
func TestNarrowedByTheBound(t *testing.T) {
	needsLayout(t)
	for _, unbounded := range []bool{false, true} {
		p := (&path{rate: 1e9, rtt: 2 * time.Millisecond, queue: 1000, unbounded: unbounded, congestion: newController("cubic")}).open(t, 1)
		f := &flow{rate: 10e6}
		narrowed, looks := 0, 0
		p.run(t, []*flow{f}, 300*time.Millisecond, time.Millisecond, func(time.Duration) {
			if f.conn == nil {
				return
			}
			looks++
			w, tcp := &f.conn.loop.words, &f.conn.loop.tcp
			is := tcp.window < tcp.conn.Cwnd
			if is {
				narrowed++
			}
			if w.narrowed.Load() != is || w.clamped.Load() && !is {
				t.Errorf("narrowed %v and clamped %v, and the window is %d of %d", w.narrowed.Load(), w.clamped.Load(), tcp.window, tcp.conn.Cwnd)
			}
		})
		if unbounded && narrowed > 0 || !unbounded && narrowed < looks/2 {
			t.Errorf("unbounded %v: the window was narrower at %d of %d looks", unbounded, narrowed, looks)
		}
	}
}

// A controller that says no rate inherits none.
func TestRateEndsWithItsController(t *testing.T) {
	p := (&path{rate: 1e8, rtt: time.Millisecond, queue: 10, congestion: newController("bbr")}).open(t, 1)
	p.connected(t, func(c *TCPConn) {
		if fb := c.Feedback(); fb.PacingRate == 0 {
			t.Error("BBR says no rate")
		}
		if err := c.SetCongestion(new(cc.Cubic)); err != nil {
			t.Error(err)
		}
		if fb := c.Feedback(); fb.PacingRate != 0 {
			t.Errorf("Cubic says a rate of %d", fb.PacingRate)
		}
	})
}

// careless is a controller that sets windows of 0.
type careless struct{ constant }

func (careless) Ack(c *cc.Conn, n int) { c.Cwnd = 0 }
func (careless) Loss(c *cc.Conn)       { c.Ssthresh = 0 }
func (careless) Timeout(c *cc.Conn)    { c.Ssthresh, c.Cwnd = 0, 0 }

// Whatever a controller says, all arrives.
func TestWindowOfNothing(t *testing.T) {
	p := (&path{rate: 1e8, rtt: time.Millisecond, queue: 10, lose: []int{5, 30, 60, 61},
		congestion: func() cc.Controller { return careless{10} }}).open(t, 1)
	if got, _ := p.transfer(t, 200_000, nil); got != 200_000 {
		t.Errorf("%d bytes arrived", got)
	}
}

// Small segments wait for each other again after netstack was asked for more.
func TestNagleStays(t *testing.T) {
	needsLayout(t)
	p := (&path{rate: 1e8, rtt: time.Millisecond, queue: 10}).open(t, 1)
	p.connected(t, func(c *TCPConn) {
		for _, on := range []bool{true, false} {
			if err := c.SetNoDelay(!on); err != nil {
				t.Error(err)
			}
			c.loop.tcp.push()
			if got := c.ep.SocketOptions().GetDelayOption(); got != on {
				t.Errorf("Nagle's algorithm is %v, want %v", got, on)
			}
		}
	})
}
