package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// What waits for its departure is what leaves in a millisecond, or two segments, whatever
// the window: it is not parked in the pacer. And what is to leave is always there. Only the
// initial window waits as a whole.
func TestLittleWaits(t *testing.T) {
	needsLayout(t)
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
				n := int(p.hold.Do(pacer.Command{Flow: f.conn.loop.flow}).Frames)
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

// What waits follows the rate of a schedule, too, which no acknowledgement changes.
func TestLittleWaitsOfASchedule(t *testing.T) {
	needsLayout(t)
	p := (&path{rate: 1e9, rtt: 2 * time.Millisecond, queue: 1000, congestion: newController("cubic")}).open(t, 1)
	steps := []pacer.Step{{BitsPerSecond: 200e6}, {At: 100 * time.Millisecond, BitsPerSecond: 10e6}}
	schedule, err := pacer.NewSchedule(steps, 0, pacer.Payload)
	if err != nil {
		t.Fatal(err)
	}
	f, paced, most := &flow{}, false, 0
	p.run(t, []*flow{f}, 500*time.Millisecond, 50*time.Microsecond, func(now time.Duration) {
		if f.conn != nil && !paced {
			if err := f.conn.SetPacing(schedule); err != nil {
				t.Fatal(err)
			}
			paced = true
		}
		if now > 200*time.Millisecond { // what the first step has let wait has left
			n := int(p.hold.Do(pacer.Command{Flow: f.conn.loop.flow}).Frames)
			most = max(most, n)
			if rate := f.conn.Feedback().Rate; rate != 10e6 {
				t.Fatalf("a rate of %d is reported at %v, want that of the step, 10e6", rate, now)
			}
		}
	})
	if most > 3 {
		t.Errorf("%d packets waited, want 3 at most", most)
	}
}

// A connection that is not bounded has its window waiting.
func TestUnbounded(t *testing.T) {
	needsLayout(t)
	p := (&path{rate: 1e9, rtt: 2 * time.Millisecond, queue: 1000, unbounded: true, congestion: newController("cubic")}).open(t, 1)
	f := &flow{rate: 10e6}
	most := 0
	p.run(t, []*flow{f}, time.Second, 10*time.Millisecond, func(time.Duration) {
		n := int(p.hold.Do(pacer.Command{Flow: f.conn.loop.flow}).Frames)
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

// doorway is a device that takes one frame, and is full until its time has passed.
type doorway struct {
	link.Device
	clk   clock.Clock
	time  time.Duration
	above link.Handler
	shut  bool
	owed  bool
}

func (d *doorway) Info() link.Info {
	i := d.Device.Info()
	i.Speed = int64(8*link.WireBytes(1514)) * int64(time.Second/d.time)
	return i
}

func (d *doorway) Attach(h link.Handler) { d.above = h; d.Device.Attach(h) }

func (d *doorway) Transmit(frames []*link.Frame) (int, error) {
	if d.shut {
		d.owed = true
		return 0, link.ErrFull
	}
	d.shut = true
	d.clk.AfterFunc(d.time, func() {
		d.shut = false
		if d.owed {
			d.owed = false
			d.above.Ready()
		}
	})
	n, err := d.Device.Transmit(frames[:1])
	if err == nil && n < len(frames) {
		d.owed, err = true, link.ErrFull
	}
	return n, err
}

// TestDeviceThatIsFull has many connections above a device that takes a frame at a time: none
// parks its window there, the writers are held back, and nothing is dropped.
func TestDeviceThatIsFull(t *testing.T) {
	w := NewWorld(1)
	defer w.Close()
	a, b := newCable(w.Clock(), 1500)
	near, err := w.NewHost(Config{Device: &doorway{Device: a, clk: w.Clock(), time: 100 * time.Microsecond}, Addrs: hostAddrs(1)})
	if err != nil {
		t.Fatal(err)
	}
	far, err := w.NewHost(Config{Device: b, Addrs: hostAddrs(2)})
	if err != nil {
		t.Fatal(err)
	}
	got := sink(t, w, far)
	const conns = 32
	var open []*TCPConn
	written := 0
	for range conns {
		w.Go(func() {
			c, err := near.Dial("tcp", "10.0.0.2:80")
			if err != nil {
				t.Error(err)
				return
			}
			open = append(open, c.(*TCPConn))
			for err == nil {
				var n int
				n, err = c.Write(make([]byte, 1<<16))
				written += n
			}
		})
	}
	most := 0
	for range 300 {
		w.RunFor(10 * time.Millisecond)
		for _, c := range open {
			most = max(most, c.loop.words.next.Load().From(c.loop.words.left.Load()))
		}
	}
	if len(open) != conns || most > 20*1460 || written-int(*got) > conns*(mostLead+1<<17) {
		t.Errorf("%d bytes of a connection waited, and %d were written that did not arrive", most, written-int(*got))
	}
	if drops := near.Counters().Sent.Drops.Total(); drops != 0 {
		t.Errorf("%d were dropped: %v", drops, near.Counters().Sent.Drops)
	}
	if want := int64(3 * 10_000 * 1400 * 9 / 10); *got < want {
		t.Errorf("%d bytes arrived, want %d", *got, want)
	}
}
