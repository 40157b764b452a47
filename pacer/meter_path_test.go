package pacer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

const (
	mss = 1448
	ms  = clock.Time(time.Millisecond)
)

// path is a bottleneck in the middle of a way, with a queue without end.
type path struct {
	service clock.Time // of one segment, in the bottleneck
	delay   clock.Time // of the way to it and back
	free    clock.Time
}

// back returns when the acknowledgement of a segment that leaves at t is back.
func (p *path) back(t clock.Time) clock.Time {
	p.free = max(p.free, t+p.delay/2) + p.service
	return p.free + p.delay/2
}

// path100 is one of 100 Mbit/s of payload, with a round-trip time of 20 ms. A segment of
// 1448 bytes takes 115,840 ns.
func path100() path { return path{service: 115_840, delay: 20*ms - 115_840} }

// ackAt is an acknowledgement on its way.
type ackAt struct {
	t      clock.Time
	ack    pacer.Seq
	blocks []pacer.SACKBlock
}

// transfer sends segments 0 to n-1 with a window, each lost one again, and returns what
// each acknowledgement told. What has one of the departure numbers in drop is lost.
func transfer(m *pacer.Meter, p path, first pacer.Seq, n, window int, drop ...int) (samples []pacer.Sample) {
	seq := func(i int) pacer.Seq { return first + pacer.Seq(i*mss) }
	var acks []ackAt
	got := make([]bool, n)
	arrived, departures := 0, 0
	send := func(i int, t clock.Time) {
		m.Sent(seq(i), seq(i+1), t, false)
		departures++
		if slices.Contains(drop, departures-1) {
			return
		}
		got[i] = true
		for arrived < n && got[arrived] {
			arrived++
		}
		acks = append(acks, ackAt{t: p.back(t), ack: seq(arrived), blocks: blocksAt(got, arrived, i, seq)})
	}

	known, again := make([]bool, n), make([]bool, n)
	next, now := 0, clock.Time(0)
	for {
		for m.InFlight()+mss <= int64(window*mss) {
			if i := lostIn(known, again, next); i >= 0 {
				again[i] = true
				send(i, now)
			} else if next < n {
				next++
				send(next-1, now)
			} else {
				break
			}
		}
		if len(acks) == 0 {
			return samples
		}
		a := acks[0]
		acks, now = acks[1:], a.t
		for i := range next {
			known[i] = known[i] || int32(a.ack-seq(i+1)) >= 0
			for _, b := range a.blocks {
				known[i] = known[i] || int32(seq(i)-b.Start) >= 0 && int32(b.End-seq(i+1)) >= 0
			}
		}
		samples = append(samples, m.Acked(a.ack, a.blocks, a.t))
	}
}

// lostIn returns the first segment to be sent again: there are three known to have arrived
// above it, and it was not sent again.
func lostIn(known, again []bool, next int) int {
	above, lost := 0, -1
	for i := next - 1; i >= 0; i-- {
		if known[i] {
			above++
		} else if above >= 3 && !again[i] {
			lost = i
		}
	}
	return lost
}

// blocksAt returns up to three SACK blocks, the one with the segment latest first.
func blocksAt(got []bool, arrived, latest int, seq func(int) pacer.Seq) (blocks []pacer.SACKBlock) {
	for i := arrived; i < len(got); i++ {
		if !got[i] {
			continue
		}
		start := i
		for i < len(got) && got[i] {
			i++
		}
		b := pacer.SACKBlock{Start: seq(start), End: seq(i)}
		if start <= latest && latest < i {
			blocks = slices.Insert(blocks, 0, b)
		} else {
			blocks = append(blocks, b)
		}
	}
	return blocks[:min(len(blocks), 3)]
}

func TestMeterConstantRate(t *testing.T) {
	// The bandwidth-delay product is 172.65 segments. A window of 400 keeps the bottleneck
	// busy and its queue filled.
	var m pacer.Meter
	samples := transfer(&m, path100(), 1<<32-100*mss, 5000, 400)
	if len(samples) != 5000 {
		t.Fatalf("%d acknowledgements of 5000 segments", len(samples))
	}
	// What left at once at the beginning is seen at less than the rate of the bottleneck,
	// as a round trip without deliveries is in it: k segments in 20 ms and k-1 services.
	for k := int64(1); k <= 400; k++ {
		want := k * mss * 8 * 1e9 / (20e6 + (k-1)*115_840)
		if got := samples[k-1].Rate; got != want {
			t.Fatalf("segment %d of the first flight: %d bit/s, want %d", k, got, want)
		}
	}
	// In the second round trip what left is compared with the flight that left at once.
	for k := int64(0); k < 400; k++ {
		want := 400 * mss * 8 * 1e9 / max(400*115_840, 20e6+k*115_840)
		if got := samples[400+k].Rate; got != want {
			t.Fatalf("segment %d of the second flight: %d bit/s, want %d", k, got, want)
		}
	}
	// From then on every sample is exactly the rate of the bottleneck.
	for i, s := range samples[800:] {
		if s.Rate != 100e6 || s.Acked != mss || s.Lost != 0 || s.AppLimited {
			t.Fatalf("sample %d: %+v", 800+i, s)
		}
		if want := 400 * time.Duration(115_840); s.RTT != want {
			t.Fatalf("sample %d: a round trip of %v through the full queue, want %v", 800+i, s.RTT, want)
		}
		if s.Delivered-s.Prior != 400*mss {
			t.Fatalf("sample %d: %d bytes in a round trip", 800+i, s.Delivered-s.Prior)
		}
	}
	if m.MinRTT() != 20*time.Millisecond {
		t.Errorf("the least round trip took %v, want 20 ms", m.MinRTT())
	}
	if m.RTT() != 400*115_840 {
		t.Errorf("smoothed round trip %v, want that of the full queue", m.RTT())
	}
	if m.InFlight() != 0 || m.Delivered() != 5000*mss || m.Retransmits() != 0 || m.Lost() != 0 {
		t.Errorf("at the end %d in flight, %d delivered, %d sent again, %d lost",
			m.InFlight(), m.Delivered(), m.Retransmits(), m.Lost())
	}

	fb := pacer.Feedback{Cwnd: 1, Outstanding: 2}
	m.Fill(&fb)
	want := pacer.Feedback{Cwnd: 1, Outstanding: 2, MinRTT: 20 * time.Millisecond, RTT: 400 * 115_840,
		DeliveryRate: 100e6, Delivered: 5000 * mss, Departures: 5000}
	if fb != want {
		t.Errorf("feedback %+v, want %+v", fb, want)
	}
}

func TestMeterWindowBelowPath(t *testing.T) {
	// 50 segments a round trip of 20 ms are 28.96 Mbit/s, whatever the path could do.
	var m pacer.Meter
	samples := transfer(&m, path100(), 0, 1000, 50)
	for i, s := range samples[100:] {
		if s.Rate != 28_960_000 || s.RTT != 20*time.Millisecond {
			t.Fatalf("sample %d: %+v", 100+i, s)
		}
	}
}

func TestMeterLossyPath(t *testing.T) {
	// Single losses, neighbours, and one in the last window; not so late that there are no
	// three segments behind it.
	drop := []int{500, 700, 701, 702, 703, 1200, 1202, 1204, 1900}
	var m pacer.Meter
	samples := transfer(&m, path100(), 1<<32-1000*mss, 2000, 400, drop...)
	lost := int64(0)
	for i, s := range samples {
		lost += s.Lost
		if s.Rate > 100e6 {
			t.Errorf("acknowledgement %d: %d bit/s through a path of 100 Mbit/s", i, s.Rate)
		}
		if s.InFlight < 0 || s.InFlight > 400*mss {
			t.Errorf("acknowledgement %d: %d bytes in flight", i, s.InFlight)
		}
	}
	n := int64(len(drop))
	if lost != n*mss || m.Lost() != lost || m.Retransmits() != uint64(n) {
		t.Errorf("%d losses: %d bytes lost, told %d, %d sent again", n, m.Lost(), lost, m.Retransmits())
	}
	if m.InFlight() != 0 || m.Delivered() != 2000*mss {
		t.Errorf("at the end %d in flight, %d delivered", m.InFlight(), m.Delivered())
	}
	if m.MinRTT() != 20*time.Millisecond {
		t.Errorf("least round trip %v", m.MinRTT())
	}
}

func TestMeterAppLimited(t *testing.T) {
	var m pacer.Meter
	p := path100()
	seq := pacer.Seq(0)
	send := func(n int, at clock.Time, limited bool) (acks []ackAt) {
		for i := range n {
			m.Sent(seq, seq+mss, at, limited && i == n-1)
			seq += mss
			acks = append(acks, ackAt{t: p.back(at), ack: seq})
		}
		return acks
	}

	// # five segments every 50 ms, and then there is no more to send: the rate is the application's
	for round := range clock.Time(4) {
		for i, a := range send(5, round*50*ms, true) {
			s := m.Acked(a.ack, nil, a.t)
			// The first four of all left before it was known.
			if want := round > 0 || i == 4; s.AppLimited != want {
				t.Errorf("round %d, segment %d: limited %v, want %v", round, i, s.AppLimited, want)
			}
			if s.Rate == 0 || s.Rate > 15e6 {
				t.Errorf("round %d, segment %d: %d bit/s", round, i, s.Rate)
			}
		}
	}
	// # now there is enough: as soon as what was limited is through, the samples are the path's
	acks := send(400, 200*ms, false)
	for i := 0; i < len(acks); i++ {
		s := m.Acked(acks[i].ack, nil, acks[i].t)
		if i < 1600 {
			acks = append(acks, send(1, acks[i].t, false)...)
		}
		if want := i < 400; s.AppLimited != want {
			t.Fatalf("segment %d: limited %v, want %v", i, s.AppLimited, want)
		}
		if i >= 800 && s.Rate != 100e6 {
			t.Fatalf("segment %d: %d bit/s", i, s.Rate)
		}
	}
	if m.InFlight() != 0 {
		t.Errorf("%d in flight at the end", m.InFlight())
	}
}

func TestMeterHeldAcknowledgements(t *testing.T) {
	// A segment leaves every millisecond, and a round trip takes 20 ms. The way back holds
	// the acknowledgements from 200 to 300 ms and hands them out 20 us apart. A segment that
	// leaves in the middle of that sees many arrive in its round trip; but they were not
	// faster than they had left.
	var m pacer.Meter
	const most = mss * 8 * 1000 // bit/s
	acked := pacer.Seq(0)
	next := 20 * ms
	tempted := false
	for i := range pacer.Seq(500) {
		now := clock.Time(i) * ms
		for ; next <= now; acked++ {
			s := m.Acked((acked+1)*mss, nil, next)
			if s.Rate > most {
				t.Fatalf("segment %d: %d bit/s, and %d is what left", acked, s.Rate, int64(most))
			}
			tempted = tempted || (s.Delivered-s.Prior)*8*1000 > 2*most*s.RTT.Milliseconds()
			next = max(clock.Time(acked+1)*ms+20*ms, next+20_000)
			if next > 200*ms && next < 300*ms {
				next = 300*ms + 7000
			}
		}
		m.Sent(i*mss, (i+1)*mss, now, false)
	}
	if !tempted {
		t.Error("no segment saw twice as much arrive in its round trip as had left in such a time")
	}
	if m.DeliveryRate() != most {
		t.Errorf("at the end %d bit/s, want %d", m.DeliveryRate(), int64(most))
	}
}
