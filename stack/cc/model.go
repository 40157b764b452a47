package cc

import (
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// model is what BBR knows of the path (section 4.5 of the draft).
type model struct {
	mss int64

	// The rate, in bit/s of payload. The filter is the most of this cycle of probing and
	// of the one before.
	bw       [2]int64
	bwLatest int64 // the most of this round
	bwShort  int64 // what losses since the last probing have left; 0 for no bound

	minRTT    time.Duration
	minRTTAt  clock.Time    // when it was seen last
	recentRTT time.Duration // the least since forgetRTT; 0 for none

	// The volume, in bytes: what arrived within the last round trip is what the path
	// held.
	pipe          int64
	pipeLatest    int64 // the most of this round
	inflightLong  int64 // what losses in probing have left; 0 for no bound
	inflightShort int64 // what losses since then have; 0 for no bound

	round    bool  // a round trip is over with this sample
	roundEnd int64 // the next, when what left after so much was delivered arrives
	lost     int64 // bytes, in this round
}

const (
	minRTTTime    = 10 * time.Second
	lossThreshold = 2  // percent
	beta          = 70 // percent

	maxRate = 1 << 42 // bit/s
)

// update takes a sample in, and how many bytes were lost. While the path is probed, losses do
// not set short-term bounds.
func (m *model) update(c *Conn, s *pacer.Sample, lost int64, probing bool) {
	m.mss = int64(max(c.MSS, 1))
	m.round = s.Acked > 0 && s.Prior >= m.roundEnd
	if m.round {
		m.roundEnd = s.Delivered
		if m.lost > 0 && !probing {
			m.shrink(int64(c.Cwnd) * m.mss)
		}
		m.lost, m.bwLatest, m.pipeLatest = 0, 0, 0
	}
	m.lost += lost
	if rate := min(s.Rate, maxRate); rate > 0 {
		m.bwLatest = max(m.bwLatest, rate)
		m.pipe = s.Delivered - s.Prior
		m.pipeLatest = max(m.pipeLatest, m.pipe)
		if m.inflightLong > 0 && !m.lossy() {
			m.inflightLong = max(m.inflightLong, m.pipe)
		}
		if !s.AppLimited || rate > m.max() {
			m.bw[0] = max(m.bw[0], rate)
		}
	}
	if s.RTT > 0 {
		m.takeRTT(s.RTT, s.At)
	}
}

// shrink sets the short-term bounds after a round with losses.
func (m *model) shrink(window int64) {
	if m.bwShort == 0 {
		m.bwShort = m.max()
	}
	if m.inflightShort == 0 {
		m.inflightShort = window
	}
	m.bwShort = max(m.bwLatest, percent(m.bwShort, beta))
	m.inflightShort = max(m.pipeLatest, percent(m.inflightShort, beta))
}

// lossy reports whether more than the threshold was lost in this round.
func (m *model) lossy() bool { return m.lost > percent(m.pipe+m.lost, lossThreshold) }

// advance begins a cycle of probing, and forgets the one before the last.
func (m *model) advance() {
	if m.bw[0] > 0 {
		m.bw[1], m.bw[0] = m.bw[0], 0
	}
}

// takeRTT keeps the least round-trip time. In ns no two are equal: one that is more by less
// than 1/64 shows as well that the least is still to be had.
func (m *model) takeRTT(rtt time.Duration, now clock.Time) {
	if m.recentRTT == 0 || rtt < m.recentRTT {
		m.recentRTT = rtt
	}
	if m.minRTT == 0 || rtt < m.minRTT {
		m.minRTT = rtt
	}
	if rtt <= m.minRTT+m.minRTT/64 {
		m.minRTTAt = now
	}
}

func (m *model) rttExpired(now clock.Time) bool {
	return m.minRTT > 0 && now.Sub(m.minRTTAt) > minRTTTime
}

// forgetRTT begins a new measurement of the least round-trip time, renewRTT ends it.
func (m *model) forgetRTT() { m.recentRTT = 0 }

func (m *model) renewRTT(now clock.Time) {
	if m.recentRTT > 0 {
		m.minRTT = m.recentRTT
	}
	m.minRTTAt = now
}

// max is the filtered rate.
func (m *model) max() int64 { return max(m.bw[0], m.bw[1]) }

// bandwidth is the filtered rate within the bound of late losses.
func (m *model) bandwidth() int64 {
	if m.bwShort > 0 {
		return min(m.max(), m.bwShort)
	}
	return m.max()
}

// bdp returns so many percent of what the path holds without a queue, in bytes.
func (m *model) bdp(gain int64) int64 {
	// At maxRate and 2^40 ns, which are 18 minutes, 64 bits hold the quotient.
	hi, lo := bits.Mul64(uint64(m.bandwidth()), uint64(min(m.minRTT, 1<<40)))
	bytes, _ := bits.Div64(hi, lo, 8e9)
	return percent(int64(bytes), gain)
}

// rateOf returns the rate of so many bytes in d, in bit/s and at most maxRate; d is not 0.
func rateOf(bytes int64, d time.Duration) int64 {
	return min(min(bytes, 1<<30)*8e9/int64(d), maxRate)
}

// percent returns p percent of n, rounded down.
func percent(n, p int64) int64 { return n/100*p + n%100*p/100 }
