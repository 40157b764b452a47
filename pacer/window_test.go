package pacer_test

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

var (
	_ pacer.Follower = (*pacer.Window)(nil)
	_ pacer.Follower = (*pacer.Delivery)(nil)
)

// follow tells the story's pacer of a new state, now.
func (s *story) follow(fb pacer.Feedback) {
	s.Helper()
	s.pacer.(pacer.Follower).Follow(&fb, s.now)
}

func TestWindowFollows(t *testing.T) {
	w := &pacer.Window{}
	s := &story{T: t, pacer: w}
	want := func(bps int64) {
		t.Helper()
		s.Logf("%d bit/s", w.BitsPerSecond)
		if w.BitsPerSecond != bps {
			t.Fatalf("%d bit/s, want %d", w.BitsPerSecond, bps)
		}
	}

	s.say("before the first sample of the RTT nothing is paced")
	s.at(0).send(1000, 0, 0)
	s.follow(pacer.Feedback{Cwnd: 10_000})
	want(0)
	s.send(1000, 0, 0, 0)

	s.say("slow start: 10,000 bytes in 10 ms are 8 Mbit/s, and twice that are 16, or 500 us a packet")
	s.at(10_000_000).follow(pacer.Feedback{Cwnd: 10_000, RTT: 10 * time.Millisecond})
	want(16e6)
	s.send(1000, 10_000_000, 10_500_000)

	s.say("a pure ACK has no payload and does not wait")
	s.at(10_600_000).send(0, 10_600_000)

	s.say("the window doubles at 10.75 ms, where half of the packet before is paid: the rest takes 125 us")
	s.at(10_750_000).follow(pacer.Feedback{Cwnd: 20_000, RTT: 10 * time.Millisecond})
	want(32e6)
	s.send(1000, 10_875_000, 11_125_000)

	s.say("up to half of the threshold it is slow start, from there on the ratio is 120 %")
	s.follow(pacer.Feedback{Cwnd: 20_000, Ssthresh: 40_002, RTT: 10 * time.Millisecond})
	want(32e6)
	s.follow(pacer.Feedback{Cwnd: 20_000, Ssthresh: 40_000, RTT: 10 * time.Millisecond})
	want(19_200_000)

	s.say("where more is outstanding than the window, as when it was cut, that counts")
	s.follow(pacer.Feedback{Cwnd: 20_000, Ssthresh: 20_000, Outstanding: 30_000, RTT: 10 * time.Millisecond})
	want(28_800_000)

	s.say("a longer RTT is a lower rate, rounded down")
	s.follow(pacer.Feedback{Cwnd: 20_000, Ssthresh: 20_000, RTT: 7_000_001})
	want(27_428_567)

	s.say("other ratios, and a guess of the RTT for as long as there is none")
	w = &pacer.Window{SSRatio: 100, CARatio: 50, InitialRTT: time.Millisecond}
	s.pacer = w
	s.follow(pacer.Feedback{Cwnd: 10_000})
	want(80e6)
	s.follow(pacer.Feedback{Cwnd: 10_000, Ssthresh: 10_000, RTT: 4 * time.Millisecond})
	want(10e6)

	s.say("no rate is below 1 bit/s, and none overflows")
	s.follow(pacer.Feedback{Cwnd: 1, RTT: math.MaxInt64})
	want(1)
	s.follow(pacer.Feedback{Cwnd: math.MaxInt64, RTT: 1})
	want(math.MaxInt64)
}

func TestWindowStandsStillWithoutChange(t *testing.T) {
	w := &pacer.Window{}
	s := &story{T: t, pacer: w}
	fb := pacer.Feedback{Cwnd: 12_000, Ssthresh: 12_000, RTT: 7 * time.Millisecond}
	s.say("16457142 bit/s: a packet of 1000 bytes takes 486111.12 ns")
	s.at(0).follow(fb)
	plain := pacer.Rate{BitsPerSecond: w.BitsPerSecond, Unit: pacer.Payload}

	s.say("an acknowledgement each packet that changes nothing moves no departure, in a million")
	n := pacer.Size{Payload: 1000}
	for i := range 1_000_000 {
		want := plain.Depart(n, 0)
		w.Follow(&fb, want/2)
		if got := w.Depart(n, 0); got != want {
			t.Fatalf("packet %d leaves at %d, want %d", i, got, want)
		}
	}
}

func TestDeliveryFollows(t *testing.T) {
	s := &story{T: t, pacer: &pacer.Delivery{}}

	s.say("a controller that asks for nothing is not paced")
	s.at(0).follow(pacer.Feedback{Cwnd: 10_000, RTT: time.Millisecond})
	s.send(1000, 0, 0)

	s.say("it asks for 8 Mbit/s: 1 ms a packet")
	s.follow(pacer.Feedback{PacingRate: 8e6})
	s.send(1000, 0, 1_000_000)

	s.say("at 1.5 ms for 80 Mbit/s: half of the gap is over, the other half takes 50 us")
	s.at(1_500_000).follow(pacer.Feedback{PacingRate: 80e6})
	s.send(1000, 1_550_000, 1_650_000)

	s.say("for nothing again: what waits leaves at once")
	s.at(1_660_000).follow(pacer.Feedback{})
	s.send(1000, 1_660_000, 1_660_000)

	s.say("and then for 8 Mbit/s: what left without a rate is not charged")
	s.follow(pacer.Feedback{PacingRate: 8e6})
	s.send(1000, 1_660_000, 2_660_000)

	s.say("not even a fraction of a nanosecond of an old rate, which at 1 bit/s would be seconds")
	s.at(9e9).follow(pacer.Feedback{PacingRate: 999_999_999})
	s.send(1000, 9e9)
	s.follow(pacer.Feedback{})
	s.follow(pacer.Feedback{PacingRate: 1})
	s.send(1, 9e9)
	s.send(1, 17e9)
}

// FuzzWindow compares the rate with big numbers, and holds that no state makes it wrong.
func FuzzWindow(f *testing.F) {
	f.Add(int64(14_480), int64(0), int64(28_960), int64(20e6), uint16(200), uint16(120))
	f.Add(int64(math.MaxInt64), int64(1), int64(-1), int64(1), uint16(0), uint16(65535))
	f.Add(int64(-5), int64(-5), int64(-5), int64(-5), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, cwnd, ssthresh, outstanding, rtt int64, ss, ca uint16) {
		w := &pacer.Window{SSRatio: ss, CARatio: ca}
		w.Follow(&pacer.Feedback{Cwnd: cwnd, Ssthresh: ssthresh, Outstanding: outstanding, RTT: time.Duration(rtt)}, 0)
		ratio := int64(ca)
		if ca == 0 {
			ratio = 120
		}
		if ssthresh == 0 || cwnd < ssthresh/2 {
			if ratio = int64(ss); ss == 0 {
				ratio = 200
			}
		}
		want := int64(0)
		if window := max(cwnd, outstanding); window > 0 && rtt > 0 {
			bps := new(big.Int).Mul(big.NewInt(window), big.NewInt(ratio*80_000_000))
			bps.Div(bps, big.NewInt(rtt))
			want = math.MaxInt64
			if bps.IsInt64() {
				want = max(1, bps.Int64())
			}
		}
		if w.BitsPerSecond != want {
			t.Errorf("%d bit/s, want %d", w.BitsPerSecond, want)
		}
	})
}

// A connection's window doubles each round trip, and its packets move closer together.
func ExampleWindow() {
	w := &pacer.Window{}
	segment := pacer.Size{Wire: 1538, IP: 1500, Payload: 1448}
	now := clock.Time(0)
	for round := range 3 {
		fb := pacer.Feedback{Cwnd: 10 * 1448 << round, RTT: 20 * time.Millisecond}
		w.Follow(&fb, now)
		first := w.Depart(segment, now)
		fmt.Printf("window %5d bytes: %8d bit/s, gap %v\n", fb.Cwnd, w.BitsPerSecond, w.Next(segment, now).Sub(first))
		now = now.Add(fb.RTT)
	}

	// Output:
	// window 14480 bytes: 11584000 bit/s, gap 1ms
	// window 28960 bytes: 23168000 bit/s, gap 500µs
	// window 57920 bytes: 46336000 bit/s, gap 250µs
}

func BenchmarkWindow(b *testing.B) {
	w := &pacer.Window{}
	fb := pacer.Feedback{Ssthresh: 14_480, RTT: 20 * time.Millisecond}
	n := pacer.Size{Payload: 1448}
	now := clock.Time(0)
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		fb.Cwnd = 14_480 + i&1023
		w.Follow(&fb, now)
		now = w.Depart(n, w.Next(n, now))
	}
}
