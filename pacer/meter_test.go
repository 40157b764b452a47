package pacer_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestMeterRTT(t *testing.T) {
	var m pacer.Meter
	now := clock.Time(0)
	seq := pacer.Seq(0)
	trip := func(rtt time.Duration, rtts, smoothed, variation time.Duration) {
		t.Helper()
		m.Sent(seq, seq+mss, now, false)
		seq += mss
		now = now.Add(rtt)
		s := m.Acked(seq, nil, now)
		if s.RTT != rtts || m.RTT() != smoothed || m.RTTVar() != variation {
			t.Errorf("after a round trip of %v: %v, smoothed %v, variation %v; want %v, %v, %v",
				rtt, s.RTT, m.RTT(), m.RTTVar(), rtts, smoothed, variation)
		}
	}
	// # the first counts whole, the others an eighth, their differences a quarter
	trip(800, 800, 800, 400)
	trip(1600, 1600, 900, 500)
	trip(900, 900, 900, 375)
	trip(100, 100, 800, 481)

	// # a constant round trip is reached to the nanosecond
	for range 200 {
		m.Sent(seq, seq+mss, now, false)
		seq += mss
		now += 1003
		m.Acked(seq, nil, now)
	}
	if m.RTT() != 1003 || m.MinRTT() != 100 || m.RTTVar() > 3 {
		t.Errorf("smoothed %v, least %v, variation %v", m.RTT(), m.MinRTT(), m.RTTVar())
	}

	// # what was sent twice is not asked (Karn), nor its neighbour in the same acknowledgement
	m.Sent(seq, seq+mss, now, false)
	m.Sent(seq+mss, seq+2*mss, now+1, false)
	m.Sent(seq, seq+mss, now+5000, false)
	if s := m.Acked(seq+2*mss, nil, now+5001); s.RTT != 0 || s.Acked != 2*mss {
		t.Errorf("of a retransmission: %+v", s)
	}
	if m.RTT() != 1003 || m.MinRTT() != 100 || m.Retransmits() != 1 {
		t.Errorf("smoothed %v, least %v, %d sent again", m.RTT(), m.MinRTT(), m.Retransmits())
	}

	// # the first of four is late, is sent again, and arrives at that moment: no round trip
	// is so short, and there is no rate to be had
	seq, now = seq+2*mss, now+10_000
	for i := range pacer.Seq(4) {
		m.Sent(seq+i*mss, seq+(i+1)*mss, now, false)
	}
	m.Acked(seq, []pacer.SACKBlock{{Start: seq + mss, End: seq + 4*mss}}, now+1000)
	m.Sent(seq, seq+mss, now+1000, false)
	rate := m.DeliveryRate()
	if s := m.Acked(seq+4*mss, nil, now+1001); s.RTT != 0 || s.Rate != 0 || s.Acked != mss || m.DeliveryRate() != rate {
		t.Errorf("of a retransmission that was not needed: %+v", s)
	}
}

// script drives a Meter with segments of 1000 bytes that are named by their numbers.
type script struct {
	t     *testing.T
	m     pacer.Meter
	first pacer.Seq
	now   clock.Time
}

func (s *script) seq(i int) pacer.Seq { return s.first + pacer.Seq(i)*1000 }

func (s *script) sent(segments ...int) {
	for _, i := range segments {
		s.now++
		s.m.Sent(s.seq(i), s.seq(i+1), s.now, false)
	}
}

// acked acknowledges all before the segment next, and with SACK those from[0] to from[1].
func (s *script) acked(next int, sacks ...[2]int) pacer.Sample {
	s.now += 1000
	var blocks []pacer.SACKBlock
	for _, b := range sacks {
		blocks = append(blocks, pacer.SACKBlock{Start: s.seq(b[0]), End: s.seq(b[1])})
	}
	return s.m.Acked(s.seq(next), blocks, s.now)
}

// is compares bytes in units of segments, and retransmissions.
func (s *script) is(what string, inFlight, delivered, lost, retransmits int) {
	s.t.Helper()
	got := [4]int64{s.m.InFlight(), s.m.Delivered(), s.m.Lost(), int64(s.m.Retransmits()) * 1000}
	want := [4]int64{int64(inFlight), int64(delivered), int64(lost), int64(retransmits)}
	for i := range want {
		want[i] *= 1000
	}
	if got != want {
		s.t.Errorf("%s: in flight, delivered, lost, retransmits x 1000 are %v, want %v", what, got, want)
	}
}

func TestMeterLoss(t *testing.T) {
	// The numbers wrap in the middle of it.
	s := &script{t: t, first: 1<<32 - 3500}
	s.sent(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	s.is("ten have left", 10, 0, 0, 0)
	s.acked(1)
	s.is("the first has arrived", 9, 1, 0, 0)
	s.acked(1, [2]int{3, 4})
	s.is("one beyond 1 and 2", 8, 2, 0, 0)
	s.acked(1, [2]int{3, 5})
	s.is("two beyond", 7, 3, 0, 0)
	s.acked(1, [2]int{3, 5})
	s.is("the same again tells nothing", 7, 3, 0, 0)
	if a := s.acked(1, [2]int{6, 7}, [2]int{3, 5}); a.Lost != 2000 || a.Acked != 1000 {
		t.Errorf("the third beyond 1 and 2: %+v", a)
	}
	s.is("the third: 1 and 2 are lost, 5 is not", 4, 4, 2, 0)
	s.sent(1)
	s.is("1 is in flight again", 5, 4, 2, 1)
	s.acked(1, [2]int{6, 9}, [2]int{3, 5})
	s.is("two more beyond 5: it is lost, and 1 is not lost anew", 2, 6, 3, 1)
	s.sent(2, 5)
	s.is("2 and 5 are in flight again", 4, 6, 3, 3)
	s.acked(5, [2]int{6, 9})
	s.is("1 and 2 have arrived", 2, 8, 3, 3)
	s.sent(5)
	s.is("5 is sent a third time: it was lost twice", 2, 8, 4, 4)
	s.acked(9)
	s.is("5 has arrived", 1, 9, 4, 4)
	s.acked(10)
	s.is("all have", 0, 10, 4, 4)

	// A peer without SACK: that 10 is sent again tells that it was lost.
	s.sent(10, 11, 12, 13)
	s.acked(10)
	s.acked(10)
	s.acked(10)
	s.is("duplicates alone", 4, 10, 4, 4)
	s.sent(10)
	s.is("10 is sent again", 4, 10, 5, 5)
	s.acked(14)
	s.is("all have arrived", 0, 14, 5, 5)

	// Lost was said too early.
	s.sent(14, 15, 16, 17)
	s.acked(14, [2]int{15, 18})
	s.is("14 is late", 0, 17, 6, 5)
	s.acked(18)
	s.is("and arrives", 0, 18, 6, 5)
	s.sent(14)
	s.is("and is sent again for nothing", 0, 18, 6, 6)
}

func TestMeterStrange(t *testing.T) {
	var m pacer.Meter
	if s := m.Acked(5, []pacer.SACKBlock{{Start: 6, End: 7}}, 3); s != (pacer.Sample{At: 3}) {
		t.Errorf("nothing has left, and an acknowledgement tells %+v", s)
	}

	s := &script{t: t, first: 77}
	s.m.Sent(77, 77, 1, false)
	s.m.Sent(77, 70, 1, false)
	s.is("no payload", 0, 0, 0, 0)
	s.sent(0, 1, 2, 3)
	before := s.m
	for _, what := range []struct {
		name string
		ack  pacer.Seq
		sack pacer.SACKBlock
	}{
		{"old", s.seq(0) - 1, pacer.SACKBlock{}},
		{"old by half the numbers", s.seq(0) + 1<<31, pacer.SACKBlock{}},
		{"beyond the end", s.seq(4) + 2, pacer.SACKBlock{Start: s.seq(1), End: s.seq(2)}},
		{"beyond by half the numbers", s.seq(4) + 1<<31 - 1, pacer.SACKBlock{}},
		{"block of duplicates", s.seq(0), pacer.SACKBlock{Start: s.seq(-2), End: s.seq(-1)}},
		{"block from before", s.seq(0), pacer.SACKBlock{Start: s.seq(-1), End: s.seq(2)}},
		{"block without bytes", s.seq(0), pacer.SACKBlock{Start: s.seq(1), End: s.seq(1)}},
		{"block the wrong way round", s.seq(0), pacer.SACKBlock{Start: s.seq(2), End: s.seq(1)}},
		{"block beyond the end", s.seq(0), pacer.SACKBlock{Start: s.seq(1), End: s.seq(4) + 2}},
		{"block of all numbers", s.seq(0), pacer.SACKBlock{Start: s.seq(4), End: s.seq(0)}},
		{"block of a part", s.seq(0), pacer.SACKBlock{Start: s.seq(1) + 1, End: s.seq(2)}},
		{"block of two parts", s.seq(0), pacer.SACKBlock{Start: s.seq(1) + 1, End: s.seq(3) - 1}},
	} {
		a := s.m.Acked(what.ack, []pacer.SACKBlock{what.sack}, 50)
		if a != (pacer.Sample{At: 50, InFlight: 4000}) {
			t.Errorf("%s: %+v", what.name, a)
		}
	}
	s.is("nothing has happened", 4, 0, 0, 0)
	if s.m.RTT() != before.RTT() || s.m.DeliveryRate() != 0 {
		t.Error("a round trip of nothing")
	}

	// An old acknowledgement may bring a block that is news.
	s.acked(1)
	s.acked(0, [2]int{2, 3})
	s.is("out of order", 2, 2, 0, 0)

	// Of a list that is too long the head counts.
	s.acked(1, [2]int{2, 3}, [2]int{2, 3}, [2]int{2, 3}, [2]int{2, 3}, [2]int{3, 4})
	s.is("five blocks", 2, 2, 0, 0)

	// The FIN takes a number behind the data. It may be in a block as well.
	s.m.Acked(s.seq(1), []pacer.SACKBlock{{Start: s.seq(2), End: s.seq(4) + 1}}, s.now)
	s.is("a block with the FIN", 1, 3, 0, 0)
	s.m.Acked(s.seq(4)+1, nil, s.now)
	s.is("with the FIN", 0, 4, 0, 0)

	// A byte below what is acknowledged, as some probe a window, is sent again.
	s.m.Sent(s.seq(4)-1, s.seq(4), s.now, false)
	s.is("a probe", 0, 4, 0, 1)

	// A byte is acknowledged at a time: it counts, and is not a round trip.
	s.sent(4, 5)
	rtt, rate := s.m.RTT(), s.m.DeliveryRate()
	for i := range pacer.Seq(999) {
		if a := s.m.Acked(s.seq(4)+i+1, nil, s.now+1); a.Acked != 1 || a.RTT != 0 || a.Rate != 0 {
			t.Fatalf("byte %d: %+v", i, a)
		}
	}
	if s.m.RTT() != rtt || s.m.DeliveryRate() != rate || s.m.Delivered() != 4999 || s.m.InFlight() != 1001 {
		t.Errorf("byte by byte: %+v", &s.m)
	}
	s.acked(6)
	s.is("and at last whole", 0, 6, 0, 1)
}

func TestMeterUnseen(t *testing.T) {
	// It begins in the middle of a connection: 5 is the first that is seen.
	s := &script{t: t, first: 1<<32 - 5000}
	s.sent(5)
	s.acked(3)
	s.is("of what was before", 1, 0, 0, 0)
	s.sent(4)
	s.is("what was before is sent again", 1, 0, 0, 1)
	s.acked(6)
	s.is("5 has arrived", 0, 1, 0, 1)

	// 7 and 8 are dropped before they leave, and leave when TCP sends them again: for the
	// first time.
	s.sent(6, 9, 10, 11)
	s.is("7 and 8 are missing", 4, 1, 0, 1)
	if a := s.acked(7, [2]int{9, 12}); a.Lost != 0 || a.Acked != 4000 {
		t.Errorf("beyond what did not leave: %+v", a)
	}
	s.is("what did not leave is not lost", 0, 5, 0, 1)
	s.sent(8)
	s.is("8 leaves", 1, 5, 0, 1)
	s.sent(12)
	s.acked(7, [2]int{12, 13}, [2]int{9, 12})
	s.is("those beyond 8 were there before it: it is not lost", 1, 6, 0, 1)
	s.acked(7, [2]int{8, 13})
	s.is("8 has arrived", 0, 7, 0, 1)
	if a := s.acked(13); a.Acked != 1000 || a.RTT != 0 {
		t.Errorf("7 arrives on a way of its own: %+v", a)
	}
	s.is("7 has arrived", 0, 8, 0, 1)

	// TCP cuts its segments anew: 20 to 23 left as they are, and leave again in two pieces
	// from the middle of 20 on, and a third with a new byte behind.
	s = &script{t: t, first: 1<<32 - 21_500}
	s.sent(20, 21, 22, 23)
	s.m.Sent(s.seq(20)+500, s.seq(22), s.now, false)
	s.m.Sent(s.seq(22), s.seq(23)+500, s.now, false)
	s.m.Sent(s.seq(23)+500, s.seq(24)+1, s.now, false)
	if s.m.InFlight() != 4001 || s.m.Lost() != 3500 || s.m.Retransmits() != 3 {
		t.Errorf("cut anew: %d in flight, %d lost, %d sent again", s.m.InFlight(), s.m.Lost(), s.m.Retransmits())
	}
	s.m.Acked(s.seq(24)+1, nil, s.now+1)
	if s.m.InFlight() != 0 || s.m.Delivered() != 4001 {
		t.Errorf("cut anew, and arrived: %d in flight, %d delivered", s.m.InFlight(), s.m.Delivered())
	}

	// Numbers that have nothing to do with those before: it starts afresh.
	s.sent(25, 26)
	s.m.Sent(s.seq(26)+1<<30, s.seq(27)+1<<30, s.now, false)
	s.m.Acked(s.seq(27)+1<<30, nil, s.now+1)
	if s.m.InFlight() != 0 || s.m.Delivered() != 5001 {
		t.Errorf("afresh: %d in flight, %d delivered", s.m.InFlight(), s.m.Delivered())
	}
}

func TestMeterLongConnection(t *testing.T) {
	// What was selectively acknowledged is not taken for something ahead when the numbers
	// have come half around.
	for _, way := range []pacer.Seq{1 << 30, 1<<31 - 5000, 1<<31 + 5000, 3 << 30, 1<<32 - 3000} {
		s := &script{t: t}
		s.sent(0, 1, 2, 3, 4)
		s.acked(0, [2]int{1, 5})
		s.sent(0)
		s.acked(5)
		s.is("one was lost", 0, 5, 1, 1)

		for at := s.seq(5); at != s.seq(5)+way; {
			end := at + min(1<<20, s.seq(5)+way-at)
			s.m.Sent(at, end, s.now, false)
			s.now++
			s.m.Acked(end, nil, s.now)
			at = end
		}
		s.first += way
		delivered := s.m.Delivered()
		s.sent(5, 6, 7, 8, 9, 10)
		s.acked(6, [2]int{7, 8}, [2]int{9, 10})
		if s.m.Lost() != 1000 || s.m.InFlight() != 3000 || s.m.Delivered() != delivered+3000 {
			t.Errorf("after %d bytes: %d lost, %d in flight", way, s.m.Lost(), s.m.InFlight())
		}
		s.acked(6, [2]int{7, 8}, [2]int{9, 11})
		if s.m.Lost() != 2000 {
			t.Errorf("after %d bytes: three beyond 6, and %d lost", way, s.m.Lost())
		}
	}
}

func TestMeterManySegments(t *testing.T) {
	// A million segments of one byte, and nothing is acknowledged: what is kept is bounded,
	// and in the end all is well again.
	var m pacer.Meter
	for i := range pacer.Seq(1_000_000) {
		m.Sent(i, i+1, clock.Time(i), false)
		if m.InFlight() > 1<<17 {
			t.Fatalf("%d in flight", m.InFlight())
		}
	}
	m.Acked(1_000_000, nil, 2_000_000)
	m.Sent(1_000_000, 1_000_001, 3_000_000, false)
	if s := m.Acked(1_000_001, nil, 3_000_100); m.InFlight() != 0 || s.RTT != 100 {
		t.Errorf("in the end %d in flight, %+v", m.InFlight(), s)
	}
}

func TestMeterGivesBack(t *testing.T) {
	// 200 connections had 1000 segments in flight, 10 MB of account in all, and are idle.
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	meters := make([]pacer.Meter, 200)
	for i := range meters {
		for k := range pacer.Seq(1000) {
			meters[i].Sent(k, k+1, 0, false)
		}
		meters[i].Acked(1000, nil, 1)
	}
	if after := heap(); after > before+1e6 {
		t.Errorf("%d bytes a connection", (after-before)/uint64(len(meters)))
	}
	runtime.KeepAlive(meters)
}

func TestMeterDoesNotAllocate(t *testing.T) {
	var m pacer.Meter
	w := newWindow(&m, 5000)
	for range 20_000 {
		w.step(50)
	}
	if n := testing.AllocsPerRun(20_000, func() { w.step(50) }); n != 0 {
		t.Errorf("%v allocations a segment", n)
	}

	ack := packet(0, "4500004c 00014000 40060000 0a000001 0a000002",
		"0fa01451 00000001 00000002 e0100000 00000000", "0101 0522",
		"00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008")
	if n := testing.AllocsPerRun(100, func() {
		s, ok := pacer.ParseSegment(ack)
		if !ok || len(s.SACK()) != 4 {
			t.Fatal(s, ok)
		}
		m.Acked(s.Ack, s.SACK(), 0)
	}); n != 0 {
		t.Errorf("%v allocations to read a segment", n)
	}
}

// The handshake is the first sample (RFC 6298, section 2.2).
func TestMeterHandshake(t *testing.T) {
	var m pacer.Meter
	m.Handshake(20 * time.Millisecond)
	if m.RTT() != 20*time.Millisecond || m.MinRTT() != 20*time.Millisecond || m.RTTVar() != 10*time.Millisecond {
		t.Errorf("smoothed %v, least %v, variation %v", m.RTT(), m.MinRTT(), m.RTTVar())
	}
}
