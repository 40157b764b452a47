package cc_test

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// watch runs p in steps of a millisecond and shows each to f.
func (p *path) watch(from, to time.Duration, f func(at time.Duration)) {
	for at := from; at < to; at += time.Millisecond {
		p.run(clock.Time(at))
		f(at)
	}
}

func TestBBRKeepsTheQueueEmpty(t *testing.T) {
	p := &path{rate: 100e6, delay: 20 * time.Millisecond, queue: 1000}
	f := p.add(new(cc.BBR), true, 0)
	const bdp = 167 // packets
	most := 0
	p.watch(0, time.Second, func(time.Duration) { most = max(most, f.flight) })
	t.Logf("in the first second up to %d packets are in flight", most)
	if most > 2*bdp+20 {
		t.Errorf("that is more than 2 BDP")
	}
	most = 0
	p.queued, p.came = 0, 0
	since := f.una
	p.watch(time.Second, 60*time.Second, func(time.Duration) { most = max(most, f.flight) })
	goodput, queue := f.goodput(since, 59*time.Second), float64(p.queued)/float64(p.came)
	t.Logf("then up to %d; a packet meets %.1f in the queue; %.1f Mbit/s", most, queue, goodput)
	if most > 3*bdp/2 || queue > 5 || goodput < 92 {
		t.Errorf("want at most %d, 5, and at least 92", 3*bdp/2)
	}
	if f.drops > 0 {
		t.Errorf("%d packets are lost in a queue that does not overflow", f.drops)
	}
}

func TestBBRFindsTheRoundTripAgain(t *testing.T) {
	p := &path{rate: 100e6, delay: 20 * time.Millisecond, queue: 100}
	f := p.add(new(cc.BBR), true, 0)
	p.run(3e9)
	t.Log("# the path becomes longer: it takes ten seconds to believe it")
	p.delay = 30 * time.Millisecond
	least, when := 1<<20, time.Duration(0)
	p.watch(3*time.Second, 20*time.Second, func(at time.Duration) {
		if f.conn.Cwnd < least {
			least, when = f.conn.Cwnd, at
		}
	})
	t.Logf("at %v the window is %d", when, least)
	if least > 167/2+5 || when < 13*time.Second || when > 13100*time.Millisecond {
		t.Error("want half of what the path held, at 13 s")
	}
	since := f.una
	p.run(30e9)
	if got := f.goodput(since, 10*time.Second); got < 92 {
		t.Errorf("then %.1f Mbit/s, want 92", got)
	}
}

func TestBBRTimeout(t *testing.T) {
	s := newStory(t, new(cc.BBR))
	s.say("before anything is known the window doubles")
	s.ack(10, 0)
	s.want(20, cc.NoSsthresh)

	s.say("100 Mbit/s of payload and 20 ms: two products, and three packets")
	delivered := int64(0)
	bbr := s.ctl.(*cc.BBR)
	for range 10 {
		delivered += 250_000
		s.c.Now = s.c.Now.Add(20 * time.Millisecond)
		bbr.Sample(&s.c, &pacer.Sample{At: s.c.Now, Acked: 250_000, Delivered: delivered, Prior: delivered - 250_000,
			RTT: 20 * time.Millisecond, Rate: 100e6, InFlight: 300_000})
		s.ack(177, 0)
	}
	const window = (2*250_000+mss-1)/mss + 3
	s.want(window, cc.NoSsthresh)

	s.say("a timeout: one packet, and then doubling up to that")
	s.c.Outstanding = window
	s.ctl.Timeout(&s.c)
	s.want(1, window)
	for _, want := range []int{2, 4, 8, 16, 32, 64, 128, 256, window, window} {
		s.ack(s.c.Cwnd, 0)
		s.want(want, window)
	}

	s.say("what is sent again is told as lost, once more, and the bounds are none the lower")
	s.c.Una, s.c.Nxt = 1000, 1000+window*mss
	s.ctl.Timeout(&s.c)
	for range 20 {
		delivered += 4 * mss
		s.c.Now = s.c.Now.Add(20 * time.Millisecond)
		bbr.Sample(&s.c, &pacer.Sample{At: s.c.Now, Acked: 4 * mss, Delivered: delivered, Prior: delivered - 4*mss,
			RTT: 20 * time.Millisecond, Rate: 1e6, InFlight: 4 * mss, Lost: 4 * mss})
	}
	s.ack(2*window, 0)
	s.want(window, window)

	s.say("netstack's recovery has the same window, and so has what follows it")
	s.c.Outstanding = window
	s.ctl.Loss(&s.c)
	s.want(window, window-3)
	s.c.Cwnd = s.c.Ssthresh
	s.ctl.Recovered(&s.c)
	s.want(window, window-3)
}

// Before anything is delivered the rate is Startup's with the window in the handshake's round
// trip, or in 1 ms where that gave none; and then of the first round trip that is seen.
func TestBBRStart(t *testing.T) {
	const bits, rtt = 277 * cc.InitialWindow * mss * 8 / 100, 20 * time.Millisecond
	for _, srtt := range []time.Duration{0, rtt, 200 * time.Microsecond} {
		s := newStory(t, new(cc.BBR))
		bbr := s.ctl.(*cc.BBR)
		s.c.SRTT = srtt
		bbr.Start(&s.c)
		taken := srtt
		if srtt == 0 {
			taken = time.Millisecond
		}
		want := float64(bits) / taken.Seconds()
		if got := float64(s.c.PacingRate); got < 0.999*want || got > want {
			t.Errorf("with a round trip of %v: %.0f bit/s, want %.0f", srtt, got, want)
		}
		// # something has arrived that says nothing of the rate, and the window has not grown
		before := s.c.PacingRate
		s.c.RTT, s.c.SRTT, s.c.MinRTT = rtt, rtt, rtt
		bbr.Sample(&s.c, &pacer.Sample{At: s.c.Now, Acked: mss, Delivered: mss, RTT: rtt, InFlight: 9 * mss})
		want = float64(before)
		if srtt == 0 {
			want = float64(bits) / rtt.Seconds()
		}
		if got := float64(s.c.PacingRate); got < 0.999*want || got > want {
			t.Errorf("after a round trip of %v, with one of %v at first: %.0f bit/s, want %.0f", rtt, srtt, got, want)
		}
	}
}
