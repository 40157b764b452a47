package stack

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// A look is what is known of a connection at a time.
type look struct {
	at       time.Duration
	cwnd     int // packets
	ssthresh int // 0 while there is none
}

// growth has one connection send, and looks at its window.
func (p *path) growth(t *testing.T, length, each time.Duration) (looks []look) {
	t.Helper()
	f := &flow{}
	p.run(t, []*flow{f}, length, each, func(now time.Duration) {
		if f.conn == nil {
			return
		}
		fb := f.conn.Feedback()
		looks = append(looks, look{now, int(fb.Cwnd / segment), int(fb.Ssthresh / segment)})
	})
	if n := p.timeouts(); n > 0 || p.loss.again != len(p.lose) || p.drops() > 0 {
		t.Fatalf("%d timeouts, %d segments sent again, %d dropped: this run was to be quiet", n, p.loss.again, p.drops())
	}
	return looks
}

// avoidance returns the looks from the first growth after the recovery on. That is one round
// trip behind it, as in recovery the window is not full.
func avoidance(looks []look) []look {
	i := 0
	for ; looks[i].ssthresh == 0 || looks[i].cwnd != looks[i].ssthresh; i++ {
	}
	for ; looks[i].cwnd == looks[i].ssthresh; i++ {
	}
	return looks[i:]
}

// After the loss of one packet, Reno's window grows by one segment a round trip (RFC 5681,
// section 3.1), never more than one packet off. Where the path is not full the round trip is R
// and the window a straight line, W(t) = W(0) + t/R. Where it is always full, a round trip
// takes as long as the window takes at the bottleneck's C packets a second, and
// (W(t) - 1/2)^2 = (W(0) - 1/2)^2 + 2Ct: from W to W+1 it takes W packets.
func TestRenoGrowsByOneSegmentARoundTrip(t *testing.T) {
	for _, c := range []struct {
		combination
		rate int64
	}{
		{combinations[0], 100e6}, {combinations[0], 10e6}, {combinations[1], 10e6},
	} {
		t.Run(fmt.Sprintf("%s %d Mbit/s", c.name, c.rate/1e6), func(t *testing.T) {
			p := (&path{rate: c.rate, rtt: 20 * time.Millisecond, queue: 300, lose: []int{60},
				congestion: c.congestion, pacing: c.pacing}).open(t, 1)
			full, length := c.rate == 10e6, 1600*time.Millisecond
			if full {
				length *= 4
			}
			looks := avoidance(p.growth(t, length, time.Millisecond))
			first, last := looks[0], looks[len(looks)-1]
			if last.cwnd < first.cwnd+60 {
				t.Fatalf("from %d to %d packets: too little to say anything", first.cwnd, last.cwnd)
			}
			for _, l := range looks {
				w, s := float64(first.cwnd), l.at-first.at
				want := w + float64(s)/float64(p.emptyRTT())
				if full {
					want = 0.5 + math.Sqrt((w-0.5)*(w-0.5)+2*float64(s)/float64(p.time()))
				}
				// Whole packets are told, rounded down: the window itself is half of one more.
				if off := float64(l.cwnd) + 0.5 - want; math.Abs(off) > 1 {
					t.Fatalf("after %v the window is %d, want %.1f", s, l.cwnd, want)
				}
			}
		})
	}
}

// After the loss of one packet, and for some seconds, CUBIC's window is the curve
//
//	W(t) = 0.4 (t-K)^3 + W_max, K = cbrt((W_max - cwnd_epoch) / 0.4)
//
// of RFC 9438, section 4.2, within one packet, before the plateau and behind it. The path is
// so long that the window is never that of Reno (section 4.3), and always full, so that the
// acknowledgements come evenly.
func TestCubicCurve(t *testing.T) {
	needsLayout(t)
	for _, c := range combinations[2:4] {
		t.Run(c.name, func(t *testing.T) {
			p := (&path{rate: 10e6, rtt: 100 * time.Millisecond, queue: 600, lose: []int{250},
				congestion: c.congestion, pacing: c.pacing}).open(t, 1)
			looks := p.growth(t, 11*time.Second, time.Millisecond)
			i := 0
			for ; looks[i].ssthresh == 0; i++ {
			}
			most := float64(looks[i-1].cwnd)
			looks = avoidance(looks)
			first, last := looks[0], looks[len(looks)-1]
			k := math.Cbrt((most - float64(first.ssthresh)) / 0.4)
			begin := k - math.Cbrt((most-float64(first.cwnd))/0.4) // the first packet took so long
			t.Logf("W_max %v, cwnd_epoch %d, K %.3f s, at the end %d", most, first.ssthresh, k, last.cwnd)
			if float64(last.cwnd) < most+10 {
				t.Fatalf("W_max is %v, and the window has only come to %d", most, last.cwnd)
			}
			for _, l := range looks {
				s := begin + (l.at - first.at).Seconds()
				want := most + 0.4*math.Pow(s-k, 3)
				if off := float64(l.cwnd) + 0.5 - want; math.Abs(off) > 1 {
					t.Fatalf("after %.3f s the window is %d, want %.2f", s, l.cwnd, want)
				}
			}
		})
	}
}

// In the long run the window goes up and down as a saw, between W, where the queue
// overflows, and beta W. W is what the path holds (B, in packets) with a full queue, the
// packet that just left it and the one too many. Below B a round trip is the empty path's, R,
// and above it a window takes W/C, where C is the bottleneck's rate in packets. With a
// packets more each round trip, from beta W up to W there are
//
//	N = (W^2 - (beta W)^2) / 2a                          packets in
//	T = (B - beta W) R / a + (W^2 - B^2) / 2aC           seconds,
//
// and if beta W is more than B the path is always full. To that comes the recovery: a
// round trip R, in which beta W packets are sent.
//
// For CUBIC it holds in the Reno-friendly region (RFC 9438, section 4.3), with beta = 0.7 and
// a = 9/17: where round trips are short and windows small.
func TestSawtooth(t *testing.T) {
	if slow || testing.Short() {
		t.Skip("takes minutes of virtual time")
	}
	for _, c := range []struct {
		combination
		rate    int64
		rtt     time.Duration
		queue   int
		beta, a float64
	}{
		{combinations[0], 20e6, 40 * time.Millisecond, 16, 0.5, 1},
		{combinations[1], 20e6, 40 * time.Millisecond, 16, 0.5, 1},
		{combinations[2], 40e6, 20 * time.Millisecond, 8, 0.7, 9. / 17},
		{combinations[3], 40e6, 20 * time.Millisecond, 8, 0.7, 9. / 17},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := (&path{rate: c.rate, rtt: c.rtt, queue: c.queue, congestion: c.congestion, pacing: c.pacing}).open(t, 1)
			got := p.bulk(t, 40*time.Second)
			r, packet := p.emptyRTT().Seconds(), p.time().Seconds()
			b := r / packet
			w := b + float64(c.queue) + 1
			low := c.beta * w
			n := (w*w-low*low)/2/c.a + low
			s := (b-low)*r/c.a + (w*w-b*b)/2/c.a*packet + r
			want := n / s * segment * 8 / 1e6
			off := got.half/want - 1
			t.Logf("%.2f Mbit/s, the saw has %.2f, %+.1f %%; %+v", got.half, want, 100*off, got)
			if math.Abs(off) > 0.02 {
				t.Errorf("%.2f Mbit/s, the saw has %.2f", got.half, want)
			}
		})
	}
}
