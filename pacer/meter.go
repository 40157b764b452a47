package pacer

import (
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Meter follows the data of one TCP flow from its departures to its acknowledgements, and
// tells from them what is in flight, how long a round trip takes, what was lost, and at
// which rate the path delivers. It sees what passes the link and nothing else: data that
// TCP has sent and that waits for its departure it does not know of.
//
//   - A round-trip time is that between the departure of a segment and the arrival of its
//     acknowledgement, in ns. There is none where the acknowledged data was sent more than
//     once (Karn), or was not seen to leave. The smoothed time is that of RFC 6298.
//   - The delivery rate is that of draft-ietf-ccwg-bbr, section Delivery Rate Samples
//     (before, draft-cheng-iccrg-delivery-rate-estimation).
//   - A segment is lost when three segments above it are selectively acknowledged (RFC
//     6675), or when it is sent again, as TCP then takes it for lost. It is in flight again
//     from the time when it is sent again. That it was lost once more is only known from
//     its being sent once more. What is lost is not taken back if it turns out to have
//     arrived after all.
//   - What was selectively acknowledged stays so, whatever the peer says later.
//
// Any sequence and acknowledgement numbers may come. Acknowledgements of what did not
// leave, old ones, and blocks that cannot be are disregarded; so Sent must be called before
// the Acked of the same data. Data that was passed over, as a frame that is dropped before
// it leaves, is accounted for when it leaves or is acknowledged.
//
// The zero Meter is ready for use. It takes 170 bytes and 48 for each segment that
// is not acknowledged, and gives them back when all is acknowledged. At more than 131,000
// segments it starts afresh.
type Meter struct {
	sent  sentSegments // from una to next in order of sequence, without a gap
	una   Seq          // what was not acknowledged begins here
	next  Seq          // and what was not sent here
	begun bool

	// While something is selectively acknowledged: where the highest three such segments
	// begin, and up to where it has been judged what is lost.
	top    [3]Seq
	judged Seq

	// The connection's state of the draft.
	delivered   int64
	deliveredAt clock.Time // the last delivery, or the end of an idle time
	first       clock.Time // departure of the segment acknowledged last, or end of an idle time
	limitedTo   int64      // while delivered is not above it, samples are application limited

	inFlight    int64
	lost        int64
	lostTold    int64 // as of the sample before
	departures  uint64
	retransmits uint64
	rate        int64 // bit/s
	minRTT      time.Duration
	srtt        time.Duration // in ns/8
	rttvar      time.Duration // in ns/4
}

const (
	mostSegments = 1 << 17 // that are followed
	mostWindow   = 1 << 30 // RFC 7323, section 2.3
)

// Sent notes that the segment with the bytes from seq to the one before end left at t. A
// segment that left before is noticed as a retransmission. One without payload is not
// noted. limited tells that the sender had nothing more to send though its window was
// open: the rate that is seen then is the application's.
func (m *Meter) Sent(seq, end Seq, t clock.Time, limited bool) {
	if !seq.Before(end) {
		return
	}
	m.departures++
	if !m.begun || m.sent.Len() > mostSegments-4 || seq.From(m.una) < -mostWindow || end.From(m.una) > mostWindow {
		m.begin(seq)
	}
	again := seq.Before(m.una)
	if !m.una.Before(end) {
		m.retransmits++
		return
	}
	if again {
		seq = m.una
	}
	if m.inFlight == 0 {
		m.first, m.deliveredAt = t, t
	}
	limitedNow := limited || m.limitedTo > 0

	if seq.Before(m.next) {
		if m.resent(seq, end, t, limitedNow) {
			again = true
		}
		seq = m.next
	}
	if seq != m.next {
		m.sent.append(m.next, seq)
	}
	if seq.Before(end) {
		m.depart(m.sent.append(seq, end), t, limitedNow)
		m.next = end
	}
	if again {
		m.retransmits++
	}
	if limited {
		m.limitedTo = m.delivered + m.inFlight
	}
}

// begin forgets what is outstanding, and follows what begins at seq.
func (m *Meter) begin(seq Seq) {
	m.begun = true
	m.sent.Cut(0)
	m.inFlight = 0
	m.una, m.next, m.judged = seq, seq, seq
	m.top = [3]Seq{seq, seq, seq}
}

// depart notes in s that it leaves at t, for the first time or again.
func (m *Meter) depart(s *sentSegment, t clock.Time, limited bool) {
	size := int64(s.end.From(s.seq))
	switch s.fate {
	case flying:
		m.lost += size
		s.again = true
	case lost:
		m.inFlight += size
		s.again = true
	case unseen:
		m.inFlight += size
	}
	s.fate, s.limited = flying, limited
	s.at, s.first = t, m.first
	s.delivered, s.deliveredAt = m.delivered, m.deliveredAt
}

// resent notes that what is known of the bytes from seq to end, which may be behind next,
// leaves at t. It reports whether some of it left before.
func (m *Meter) resent(seq, end Seq, t clock.Time, limited bool) (again bool) {
	i := m.sent.search(seq)
	if i == m.sent.Len() || m.sent.At(i).seq != seq {
		i--
		if m.sent.At(i).fate != sacked {
			m.sent.split(i, seq)
			i++
		}
	}
	for ; i < m.sent.Len() && m.sent.At(i).seq.Before(end); i++ {
		s := m.sent.At(i)
		again = again || s.fate != unseen
		if s.fate == sacked {
			continue
		}
		if end.Before(s.end) {
			m.sent.split(i, end)
			s = m.sent.At(i)
		}
		m.depart(s, t, limited)
	}
	return again
}

// Acked takes in an acknowledgement that arrived at t, with its SACK blocks, and returns
// what it tells. Of the blocks, the first four count: an option has no more.
func (m *Meter) Acked(ack Seq, blocks []SACKBlock, t clock.Time) Sample {
	var news news
	if m.begun {
		if ack == m.next+1 { // of a FIN, which has no payload
			ack = m.next
		}
		if !m.next.Before(ack) {
			if m.una.Before(ack) {
				m.acknowledge(ack, &news)
			}
			if len(blocks) > 0 {
				m.selective(blocks[:min(len(blocks), 4)], &news)
			}
		}
	}
	s := m.sample(&news, t)
	m.sent.release()
	return s
}

// news is what one acknowledgement newly acknowledges.
type news struct {
	bytes     int64
	whole     bool        // a segment is acknowledged whole
	newest    sentSegment // of those, the last that left
	ambiguous bool        // something left more than once, or was not seen to leave
}

// deliver notes that s, which was not sacked, has arrived whole.
func (m *Meter) deliver(s *sentSegment, news *news) {
	size := int64(s.end.From(s.seq))
	news.bytes += size
	if s.fate == flying {
		m.inFlight -= size
	}
	if s.again || s.fate == unseen {
		news.ambiguous = true
	}
	if s.fate == unseen {
		return
	}
	if n := &news.newest; !news.whole || s.at > n.at || s.at == n.at && n.end.Before(s.end) {
		news.whole, news.newest = true, *s
	}
}

// acknowledge takes in that all before ack, which is between una and next, has arrived.
func (m *Meter) acknowledge(ack Seq, news *news) {
	m.una = ack
	for m.sent.Len() > 0 {
		s := m.sent.At(0)
		if ack.Before(s.end) {
			m.trim(s, ack, news)
			break
		}
		if s.fate != sacked {
			m.deliver(s, news)
		}
		m.sent.Pop()
	}
	m.judged = m.judged.Later(ack)
	for i := range m.top {
		m.top[i] = m.top[i].Later(ack)
	}
}

// trim takes in that what s has before ack has arrived, and cuts it off. It is not told
// when it left that this arrived: a peer may acknowledge byte by byte.
func (m *Meter) trim(s *sentSegment, ack Seq, news *news) {
	if size := int64(ack.From(s.seq)); size > 0 {
		if s.fate != sacked {
			news.bytes += size
		}
		if s.fate == flying {
			m.inFlight -= size
		}
		s.seq = ack
	}
}

// selective takes in SACK blocks and then judges what is lost. A segment of which a block
// has only a part is not taken to have arrived: a receiver gets all of it or nothing.
func (m *Meter) selective(blocks []SACKBlock, news *news) {
	for _, b := range blocks {
		if b.End == m.next+1 { // with the FIN
			b.End = m.next
		}
		// A block that tells of duplicates (RFC 2883) begins before una.
		if b.Start.Before(m.una) || !b.Start.Before(b.End) || m.next.Before(b.End) {
			continue
		}
		for i := m.sent.search(b.Start); i < m.sent.Len(); {
			s := m.sent.At(i)
			if b.End.Before(s.end) {
				break
			}
			if s.fate != sacked {
				m.deliver(s, news)
				s.fate, s.run = sacked, 1
				m.rank(s.seq)
				i++
				continue
			}
			// Runs are joined on the way, so that a block that grows costs its growth.
			if j := i + int(s.run); j < m.sent.Len() && m.sent.At(j).fate == sacked {
				s.run += m.sent.At(j).run
			}
			i += int(s.run)
		}
	}
	if third := m.top[2]; m.judged.Before(third) {
		m.judge(third)
	}
}

// rank puts a newly sacked segment among the highest three, if it is one.
func (m *Meter) rank(seq Seq) {
	switch {
	case m.top[0].Before(seq):
		m.top = [3]Seq{seq, m.top[0], m.top[1]}
	case m.top[1].Before(seq):
		m.top[1], m.top[2] = seq, m.top[1]
	case m.top[2].Before(seq):
		m.top[2] = seq
	}
}

// judge takes for lost what lies before third, where the third highest sacked segment
// begins, and was sent once. Every segment is judged once.
func (m *Meter) judge(third Seq) {
	for i := m.sent.search(m.judged); i < m.sent.Len(); i++ {
		s := m.sent.At(i)
		if !s.seq.Before(third) {
			break
		}
		if s.fate == flying && !s.again {
			size := int64(s.end.From(s.seq))
			s.fate = lost
			m.inFlight -= size
			m.lost += size
		}
	}
	m.judged = third
}

// sample draws the conclusions of an acknowledgement that arrived at t.
func (m *Meter) sample(news *news, t clock.Time) Sample {
	m.delivered += news.bytes
	s := Sample{
		At:    t,
		Acked: news.bytes, Delivered: m.delivered,
		InFlight: m.inFlight, Lost: m.lost - m.lostTold,
	}
	m.lostTold = m.lost
	if news.bytes > 0 {
		m.deliveredAt = t
	}
	if m.delivered > m.limitedTo {
		m.limitedTo = 0
	}
	if !news.whole {
		return s
	}
	newest := &news.newest
	m.first = newest.at
	s.Prior, s.AppLimited = newest.delivered, newest.limited
	if rtt := t.Sub(newest.at); rtt > 0 && !news.ambiguous {
		s.RTT = rtt
		m.smooth(rtt)
	}
	// The rate of the sending bounds that of the acknowledgements, which may have been
	// held up and then come all at once. An interval shorter than any round trip is that
	// of a retransmission whose original was acknowledged.
	interval := max(newest.at.Sub(newest.first), t.Sub(newest.deliveredAt))
	if m.minRTT > 0 && interval >= m.minRTT {
		// Twice the largest window is the most that can arrive meanwhile: 64 bits do.
		rate := uint64(m.delivered-newest.delivered) * 8e9 / uint64(interval)
		s.Rate = int64(min(rate, 1<<63-1))
		m.rate = s.Rate
	}
	return s
}

// smooth takes in a round-trip time (RFC 6298, section 2), with gains of 1/8 and 1/4.
func (m *Meter) smooth(rtt time.Duration) {
	if m.minRTT == 0 {
		m.minRTT, m.srtt, m.rttvar = rtt, 8*rtt, 2*rtt
		return
	}
	m.minRTT = min(m.minRTT, rtt)
	off := rtt - m.srtt>>3
	m.srtt += off
	m.rttvar += max(off, -off) - m.rttvar>>2
}

// Handshake takes in the round trip of the handshake, before anything was sent.
func (m *Meter) Handshake(rtt time.Duration) {
	m.smooth(rtt)
}

// InFlight returns how many bytes of payload have left, and are neither acknowledged nor
// lost.
func (m *Meter) InFlight() int64 { return m.inFlight }

// MinRTT returns the least round-trip time; 0 before the first.
func (m *Meter) MinRTT() time.Duration { return m.minRTT }

// RTT returns the smoothed round-trip time; 0 before the first.
func (m *Meter) RTT() time.Duration { return m.srtt >> 3 }

// RTTVar returns the smoothed variation of the round-trip time (RFC 6298's RTTVAR).
func (m *Meter) RTTVar() time.Duration { return m.rttvar >> 2 }

// Delivered returns how many bytes of payload have arrived.
func (m *Meter) Delivered() int64 { return m.delivered }

// DeliveryRate returns the last sample of it, in bit/s of payload; 0 before the first.
func (m *Meter) DeliveryRate() int64 { return m.rate }

// Retransmits returns how many segments left that had left before.
func (m *Meter) Retransmits() uint64 { return m.retransmits }

// Lost returns how many bytes of payload were taken for lost.
func (m *Meter) Lost() int64 { return m.lost }

// Fill writes what the Meter knows into fb, and leaves the other fields alone.
func (m *Meter) Fill(fb *Feedback) {
	fb.InFlight = m.inFlight
	fb.MinRTT, fb.RTT, fb.RTTVar = m.minRTT, m.RTT(), m.RTTVar()
	fb.DeliveryRate = m.rate
	fb.Delivered = m.delivered
	fb.Departures, fb.Retransmits = m.departures, m.retransmits
}
