package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// What waits for its departure is what leaves in a millisecond, or two segments, whatever
// the window: it is not parked in the pacer. And what is to leave is always there. Only the
// initial window waits as a whole.
func TestLittleWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		rate int64 // of payload; 0 is that of the bottleneck
		most int   // packets that may wait
	}{
		{"line", 0, 1_000_000_000/8/1000/segment + 3},
		{"100 Mbit/s", 100e6, 100_000_000/8/1000/segment + 3},
		{"1 Mbit/s", 1e6, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := (&path{rate: 1e9, rtt: 2 * time.Millisecond, queue: 1000, congestion: newController("cubic")}).open(t, 1)
			f := &flow{rate: c.rate}
			most, samples, empty := 0, 0, 0
			p.run(t, []*flow{f}, 500*time.Millisecond, 50*time.Microsecond, func(now time.Duration) {
				if f.conn == nil {
					return
				}
				n, _ := p.hold.Queued(f.conn.control.flow)
				if now > 200*time.Millisecond { // the initial window has left
					most = max(most, n)
					samples++
					if n == 0 {
						empty++
					}
				}
			})
			t.Logf("at most %d packets waited; none at %d of %d looks", most, empty, samples)
			if most > c.most {
				t.Errorf("%d packets waited, want %d at most", most, c.most)
			}
			if c.rate == 0 {
				return
			}
			if empty > 0 {
				t.Errorf("nothing waited at %d of %d looks: the pacer was out of work", empty, samples)
			}
			want := float64(c.rate) / 1e6
			if got := mbits(f.got, 500*time.Millisecond); got < 0.9*want || got > 1.01*want {
				t.Errorf("%.2f Mbit/s arrived, want %.1f", got, want)
			}
		})
	}
}

// A connection that is not bounded has its window waiting.
func TestUnbounded(t *testing.T) {
	p := (&path{rate: 1e9, rtt: 2 * time.Millisecond, queue: 1000, unbounded: true, congestion: newController("cubic")}).open(t, 1)
	f := &flow{rate: 10e6}
	most := 0
	p.run(t, []*flow{f}, time.Second, 10*time.Millisecond, func(time.Duration) {
		n, _ := p.hold.Queued(f.conn.control.flow)
		most = max(most, n)
	})
	if most < 100 {
		t.Errorf("only %d packets waited", most)
	}
}

// BBR gets a pacer where there was none, on all connections or on one.
func TestBBRBringsItsPacer(t *testing.T) {
	for _, all := range []bool{true, false} {
		p := &path{rate: 100e6, rtt: 10 * time.Millisecond, queue: 100}
		if all {
			p.congestion = newController("bbr")
		}
		p.open(t, 1)
		got, fb := p.transfer(t, 2e6, func(c *TCPConn) {
			if !all {
				if err := c.SetCongestion(newController("bbr")()); err != nil {
					t.Error(err)
				}
			}
		})
		if got != 2e6 || fb.Rate == 0 || fb.Rate != fb.PacingRate {
			t.Errorf("%d bytes, paced at %d bit/s, asked for %d", got, fb.Rate, fb.PacingRate)
		}
	}
}

// The rate of a connection changes while it sends, and it is that rate which is measured.
func TestSetPacingRate(t *testing.T) {
	p := (&path{rate: 1e9, rtt: 2 * time.Millisecond, queue: 1000}).open(t, 1)
	f := &flow{}
	var before, rate int64
	const quarter = 250 * time.Millisecond
	rates := []int64{20e6, 80e6, 5e6, 40e6}
	p.run(t, []*flow{f}, 9*quarter, quarter, func(now time.Duration) {
		i := int(now / quarter)
		switch {
		case i%2 == 1 && i/2 < len(rates):
			rate = rates[i/2]
			if err := f.conn.SetPacingRate(rate, pacer.Payload); err != nil {
				t.Error(err)
			}
		case i%2 == 0: // what was on its way before has arrived
			before = f.got
			if fb := f.conn.Feedback(); fb.Rate != rate || fb.NextDeparture <= p.world.Clock().Now() || fb.Queued == 0 {
				t.Errorf("%+v", fb)
			}
		}
		if i%2 == 1 && i > 1 {
			got, want := mbits(f.got-before, quarter), float64(rates[i/2-1])/1e6
			if got < 0.99*want || got > 1.01*want {
				t.Errorf("%.2f Mbit/s at a rate of %.0f", got, want)
			}
		}
	})
}
