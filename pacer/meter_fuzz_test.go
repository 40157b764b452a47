package pacer_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// FuzzMeter compares a Meter with one that keeps account of every byte.
func FuzzMeter(f *testing.F) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 4))
		ops := make([]byte, 3000)
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		// The numbers pass 2^32 on the way, or 2^31.
		f.Add(uint32(seed%2<<31)-r.Uint32N(2000), ops)
	}
	f.Fuzz(compareMeters)
}

// compareMeters lets departures and acknowledgements of all kinds follow from ops.
func compareMeters(t *testing.T, start uint32, ops []byte) {
	first := pacer.Seq(start)
	var m pacer.Meter
	slow := &slowMeter{}
	now := clock.Time(0)
	take := func() int {
		if len(ops) == 0 {
			return 0
		}
		v := ops[0]
		ops = ops[1:]
		return int(v)
	}
	for step := 0; len(ops) > 0; step++ {
		what := take()
		now += clock.Time(what >> 4 * 7)
		if from, to, limited, ok := slow.nextSent(what, take); ok {
			slow.sent(from, to, now, limited)
			m.Sent(first+pacer.Seq(from), first+pacer.Seq(to), now, limited)
		} else {
			ack := slow.una - 3 + take()%(slow.next-slow.una+8)
			var blocks [][2]int
			var sacks []pacer.SACKBlock
			for range what >> 2 & 7 {
				start := slow.una - 3 + take()%(slow.next-slow.una+6)
				b := [2]int{start, start + take()%100 - 1}
				blocks = append(blocks, b)
				sacks = append(sacks, pacer.SACKBlock{Start: first + pacer.Seq(b[0]), End: first + pacer.Seq(b[1])})
			}
			want := slow.acked(ack, blocks, now)
			if got := m.Acked(first+pacer.Seq(ack), sacks, now); got != want {
				t.Fatalf("step %d: acknowledged before %d, with %v, at %d:\n got %+v\nwant %+v", step, ack, blocks, now, got, want)
			}
		}
		got := fmt.Sprint(m.InFlight(), m.Lost(), m.Retransmits(), m.MinRTT(), m.RTT(), m.RTTVar(), m.DeliveryRate(), m.Delivered())
		want := fmt.Sprint(slow.inFlight(), slow.lost, slow.retransmits, slow.minRTT, slow.srtt/8, slow.rttvar/4, slow.rate, slow.delivered)
		if got != want {
			t.Fatalf("step %d: %s, want %s", step, got, want)
		}
	}
}

// slowMeter does what a Meter does, byte by byte.
type slowMeter struct {
	una, next int
	begun     bool
	stream    [4096]streamByte

	delivered, lost, lostTold, limitedTo, rate int64
	deliveredAt, first                         clock.Time
	retransmits                                uint64
	minRTT, srtt, rttvar                       time.Duration
}

type streamByte struct {
	edge                   bool // a segment begins with it
	left, sacked, lost     bool
	again, judged, limited bool
	at, deliveredAt, first clock.Time
	delivered              int64
}

func (m *slowMeter) inFlight() (n int64) {
	for _, b := range m.stream[m.una:m.next] {
		if b.left && !b.sacked && !b.lost {
			n++
		}
	}
	return n
}

// nextSent chooses what shall leave: in most cases what follows, else something before it or
// with a gap. It reports false where an acknowledgement is wanted.
func (m *slowMeter) nextSent(what int, take func() int) (from, to int, limited, ok bool) {
	limited = what&12 == 12
	switch what & 3 {
	case 0:
		from = m.next
	case 1:
		from = max(0, m.una-5+take()%(m.next-m.una+30))
	default:
		return 0, 0, false, false
	}
	to = from + 1 + take()%20
	return from, to, limited, to < len(m.stream)
}

func (m *slowMeter) sent(from, to int, t clock.Time, limited bool) {
	if !m.begun {
		m.begun, m.una, m.next = true, from, from
	}
	again := from < m.una
	from = max(from, m.una)
	if from >= to {
		m.retransmits++
		return
	}
	if m.inFlight() == 0 {
		m.first, m.deliveredAt = t, t
	}
	for _, cut := range []int{from, to} {
		if cut >= m.next || !m.stream[cut].sacked {
			m.stream[cut].edge = true
		}
	}
	m.stream[m.next].edge = true
	for i := from; i < to; i++ {
		b := &m.stream[i]
		again = again || i < m.next && (b.left || b.sacked)
		if b.sacked {
			continue
		}
		if b.left && !b.lost {
			m.lost++
		}
		b.again = b.left
		b.left, b.lost = true, false
		b.limited = limited || m.limitedTo > 0
		b.at, b.first, b.delivered, b.deliveredAt = t, m.first, m.delivered, m.deliveredAt
	}
	m.next = max(m.next, to)
	if again {
		m.retransmits++
	}
	if limited {
		m.limitedTo = m.delivered + m.inFlight()
	}
}

// segments returns where those that are not acknowledged begin and end.
func (m *slowMeter) segments() (all [][2]int) {
	for i := m.una; i < m.next; i++ {
		if i == m.una || m.stream[i].edge {
			all = append(all, [2]int{i, m.next})
		}
		if n := len(all); n > 1 {
			all[n-2][1] = all[n-1][0]
		}
	}
	return all
}

func (m *slowMeter) acked(ack int, blocks [][2]int, t clock.Time) pacer.Sample {
	if ack == m.next+1 {
		ack = m.next
	}
	var whole [][2]int
	bytes := int64(0)
	if m.begun && ack <= m.next {
		for _, s := range m.segments() {
			if s[1] <= ack && !m.stream[s[0]].sacked {
				whole = append(whole, s)
			}
		}
		for ; m.una < ack; m.una++ {
			if !m.stream[m.una].sacked {
				bytes++
			}
		}
		for _, b := range blocks[:min(len(blocks), 4)] {
			if b[1] == m.next+1 {
				b[1] = m.next
			}
			if b[0] < m.una || b[0] >= b[1] || b[1] > m.next {
				continue
			}
			for _, s := range m.segments() {
				if s[0] < b[0] || s[1] > b[1] || m.stream[s[0]].sacked {
					continue
				}
				whole = append(whole, s)
				for i := s[0]; i < s[1]; i++ {
					m.stream[i].sacked = true
					bytes++
				}
			}
		}
		if len(blocks) > 0 {
			m.judge()
		}
	}

	m.delivered += bytes
	s := pacer.Sample{At: t, Acked: bytes, Delivered: m.delivered, InFlight: m.inFlight(), Lost: m.lost - m.lostTold}
	m.lostTold = m.lost
	if bytes > 0 {
		m.deliveredAt = t
	}
	if m.delivered > m.limitedTo {
		m.limitedTo = 0
	}
	newest, end, ambiguous := streamByte{at: -1}, 0, false
	for _, w := range whole {
		b := m.stream[w[0]]
		ambiguous = ambiguous || b.again || !b.left
		if b.left && (b.at > newest.at || b.at == newest.at && w[1] > end) {
			newest, end = b, w[1]
		}
	}
	if end == 0 {
		return s
	}
	m.first = newest.at
	s.Prior, s.AppLimited = newest.delivered, newest.limited
	if rtt := t.Sub(newest.at); rtt > 0 && !ambiguous {
		s.RTT = rtt
		if m.minRTT == 0 {
			m.minRTT, m.srtt, m.rttvar = rtt, 8*rtt, 4*rtt/2
		} else {
			off := rtt - m.srtt/8
			m.minRTT = min(m.minRTT, rtt)
			m.rttvar += off.Abs() - m.rttvar/4
			m.srtt += off
		}
	}
	interval := max(newest.at-newest.first, t-newest.deliveredAt)
	if m.minRTT > 0 && interval >= clock.Time(m.minRTT) {
		s.Rate = (m.delivered - newest.delivered) * 8 * 1e9 / int64(interval)
		m.rate = s.Rate
	}
	return s
}

// judge counts above every segment.
func (m *slowMeter) judge() {
	above := 0
	all := m.segments()
	for _, s := range slices.Backward(all) {
		for i := s[0]; i < s[1]; i++ {
			b := &m.stream[i]
			if above >= 3 && !b.judged {
				b.judged = true
				if b.left && !b.sacked && !b.lost && !b.again {
					b.lost = true
					m.lost++
				}
			}
		}
		if m.stream[s[0]].sacked {
			above++
		}
	}
}
