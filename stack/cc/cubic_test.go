package cc_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

func float(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }

// wCubic is RFC 9438's W_cubic(t), figures 1 and 2, for an epoch that begins at cwnd.
func wCubic(t, wMax, cwnd float64) float64 {
	k := float(1)
	if wMax <= cwnd {
		k = float(0)
	} else {
		x := new(big.Float).Quo(new(big.Float).Sub(float(wMax), float(cwnd)), new(big.Float).Quo(float(2), float(5)))
		for range 200 { // Newton: k = (2k + x/k^2) / 3
			square := new(big.Float).Mul(k, k)
			k = new(big.Float).Quo(new(big.Float).Add(new(big.Float).Add(k, k), new(big.Float).Quo(x, square)), float(3))
		}
	}
	d := new(big.Float).Sub(float(t), k)
	w := new(big.Float).Mul(new(big.Float).Mul(d, d), d)
	w.Quo(w.Mul(w, float(2)), float(5))
	f, _ := w.Add(w, float(wMax)).Float64()
	return f
}

// follow compares the window with the curve at the end of each round trip, for a time. On
// its plateau the curve is no lower than what Reno would have.
func (s *story) follow(rtt, length time.Duration, wMax float64) {
	s.Helper()
	cwnd := float64(s.c.Cwnd)
	s.c.RTT, s.c.SRTT = rtt, rtt
	start := s.c.Now.Add(rtt / time.Duration(s.c.Cwnd)) // the first acknowledgement
	for s.c.Now.Sub(start) < length {
		s.window(rtt)
		t := s.c.Now.Sub(start).Seconds()
		w := wCubic(t, wMax, cwnd)
		if wMax == cwnd {
			w = max(w, cwnd+t/rtt.Seconds())
		}
		if off := s.c.Cwnd - int(w); off < -1 || off > 1 {
			s.Fatalf("after %.3f s the window is %d, want %.2f", t, s.c.Cwnd, w)
		}
	}
	s.Logf("up to %v the window is within one packet of the curve: now %d", length, s.c.Cwnd)
}

func TestCubicFollowsTheCurve(t *testing.T) {
	for _, test := range []struct {
		cwnd   int
		rtt    time.Duration
		length time.Duration
	}{
		{1000, 100 * time.Millisecond, 20 * time.Second},
		{1000, 20 * time.Millisecond, 10 * time.Second},
		{170, 200 * time.Millisecond, 12 * time.Second},
		{100_000, 50 * time.Millisecond, 3 * time.Second},
	} {
		s := newStory(t, new(cc.Cubic))
		s.c.Cwnd, s.c.Ssthresh = test.cwnd, 2
		s.loss()
		s.want(test.cwnd*7/10, test.cwnd*7/10)
		s.follow(test.rtt, test.length, float64(test.cwnd))
	}
}

func TestCubicConvergesFast(t *testing.T) {
	s := newStory(t, new(cc.Cubic))
	s.c.Cwnd, s.c.Ssthresh = 1000, 2
	s.loss()
	s.say("the next loss comes before the window is back: somebody else needs room")
	s.c.Cwnd = 800
	s.loss()
	s.want(560, 560)
	s.follow(100*time.Millisecond, 15*time.Second, 800*0.85)
}

func TestCubicIsNoSlowerThanReno(t *testing.T) {
	const rtt = 10 * time.Millisecond
	s := newStory(t, new(cc.Cubic))
	s.c.Cwnd, s.c.Ssthresh = 40, 2
	s.loss()
	s.c.RTT, s.c.SRTT = rtt, rtt
	s.say("9/17 of a packet per round trip up to the window before the loss, and then one")
	seventeenths := 28 * 17
	for i := range 40 {
		if seventeenths < 40*17 {
			seventeenths += 9
		} else {
			seventeenths += 17
		}
		s.ack(s.c.Cwnd, rtt)
		if s.c.Cwnd != seventeenths/17 {
			t.Fatalf("after %d round trips the window is %d, want %d and %d/17", i+1, s.c.Cwnd, seventeenths/17, seventeenths%17)
		}
	}
}

func TestCubicTakesUnusedTimeOut(t *testing.T) {
	const rtt = 100 * time.Millisecond
	busy, idle := newStory(t, new(cc.Cubic)), newStory(t, new(cc.Cubic))
	for _, s := range []*story{busy, idle} {
		s.c.Cwnd, s.c.Ssthresh, s.c.SRTT = 500, 2, rtt
		s.loss()
		for range 20 {
			s.window(rtt)
		}
	}
	idle.say("for a minute the application has little to send")
	idle.c.Limited = false
	for range 60 {
		idle.ack(1, time.Second)
	}
	idle.c.Limited = true
	for i := range 100 {
		busy.window(rtt)
		idle.window(rtt)
		if busy.c.Cwnd != idle.c.Cwnd {
			t.Fatalf("after %d round trips more the window is %d, and %d where nothing came between", i, idle.c.Cwnd, busy.c.Cwnd)
		}
	}
}

func TestCubicTimeout(t *testing.T) {
	s := newStory(t, new(cc.Cubic))
	s.c.Cwnd, s.c.Ssthresh, s.c.Outstanding = 100, 2, 100
	s.ctl.Timeout(&s.c)
	s.want(1, 70)
	s.say("again for the same packet")
	s.c.Outstanding = 1
	s.ctl.Timeout(&s.c)
	s.want(1, 70)
	for s.c.Cwnd < 70 {
		s.ack(1, time.Millisecond)
	}
	s.say("the epoch begins on its plateau: K is 0")
	s.follow(200*time.Millisecond, 6*time.Second, 70)
}

func TestCubicTakesOverNetstacksWindow(t *testing.T) {
	s := newStory(t, new(cc.Cubic))
	s.c.Cwnd, s.c.Ssthresh, s.c.SRTT = 1000, 2, 100*time.Millisecond
	s.loss()
	s.window(100 * time.Millisecond)
	s.say("after an idle time the window is 10")
	s.c.Cwnd = 10
	s.ack(1, time.Millisecond)
	s.want(11, 700)
}

// rounds feeds round trips of a window each. rtt says what packet i of n measures.
func (s *story) round(rtt func(i, n int) time.Duration) {
	n := s.c.Cwnd
	end := s.c.Nxt
	for i := 0; i < n; i++ {
		s.c.RTT = rtt(i, n)
		s.c.Una += mss
		s.c.Now = s.c.Now.Add(time.Millisecond)
		s.ctl.Ack(&s.c, 1)
		s.c.Nxt = s.c.Una + pacer.Seq(s.c.Cwnd)*mss
	}
	if s.c.Una.Before(end) {
		s.Fatal("the round is not over")
	}
	s.Logf("a round of %d: the window is %d, the threshold %d", n, s.c.Cwnd, s.c.Ssthresh)
}

func flat(rtt time.Duration) func(int, int) time.Duration {
	return func(int, int) time.Duration { return rtt }
}

func TestHyStart(t *testing.T) {
	const ms = time.Millisecond
	begin := func() *story {
		s := newStory(t, new(cc.Cubic))
		s.c.Nxt = cc.InitialWindow * mss
		s.say("two rounds of an empty path: the window doubles")
		s.round(flat(20 * ms))
		s.round(flat(20 * ms))
		s.want(40, cc.NoSsthresh)
		return s
	}
	s := begin()
	s.say("the second half of a round takes 1 ms more: slower by four after 8 samples")
	s.round(func(i, n int) time.Duration {
		if i < n/2 {
			return 20 * ms
		}
		return 21 * ms
	})
	s.want(40+28+12/4, cc.NoSsthresh)
	s.say("it stays so: that round and four more, and slow start is over")
	for range 3 {
		s.round(flat(21 * ms))
		if s.c.Ssthresh != cc.NoSsthresh {
			t.Fatal("it is over too early")
		}
	}
	s.round(flat(21 * ms))
	if s.c.Ssthresh != s.c.Cwnd {
		t.Fatal("it is not over")
	}
	s.say("congestion avoidance begins on a plateau")
	s.c.SRTT = 100 * ms
	s.follow(100*ms, 2*time.Second, float64(s.c.Cwnd))

	s = begin()
	s.say("it was too early: the round trip is short again, and the window doubles")
	s.round(func(i, n int) time.Duration {
		if i < n/2 {
			return 20 * ms
		}
		return 21 * ms
	})
	s.round(flat(20 * ms))
	s.want(71+69, cc.NoSsthresh) // not for the first two: the round began six packets earlier

	s = begin()
	s.say("less than 1/32 more is nothing, nor are a few late ones")
	s.round(func(i, n int) time.Duration {
		if i%4 == 0 {
			return 20*ms + 600*time.Microsecond
		}
		return 25 * ms
	})
	s.want(80, cc.NoSsthresh)

	s = begin()
	s.say("a loss when the window has doubled: half of what is outstanding")
	s.c.Outstanding = 40
	s.ctl.Loss(&s.c)
	s.want(40, 20)

	s = begin()
	s.say("nobody paces: an acknowledgement is good for 8")
	s.c.Paced = false
	s.ack(20, ms)
	s.want(48, cc.NoSsthresh)
	s.c.Paced = true
	s.ack(20, ms)
	s.want(68, cc.NoSsthresh)
	s.say("a window that is not used does not grow")
	s.c.Limited = false
	s.ack(20, ms)
	s.want(68, cc.NoSsthresh)
}
