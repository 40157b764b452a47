package iperf3

import (
	"net"
	"time"
)

// interval reports what has passed since the last interval. At the end of a test a rest of
// less than a tenth of an interval in which nothing passed is left out, as iperf3 does.
func (t *test) interval(now time.Time) {
	span := now.Sub(t.last)
	var iv Interval
	moved := false
	for _, s := range t.streams {
		m := t.streamInterval(s, now)
		moved = moved || m.Bytes > 0
		iv.Streams = append(iv.Streams, m)
	}
	idle := !moved && t.stopping.Load() && t.report.printed && span < t.report.Interval/10
	if idle || len(iv.Streams) == 0 {
		return
	}
	iv.Sum = sum(iv.Streams[:t.params.Streams])
	if t.params.Bidir {
		r := sum(iv.Streams[t.params.Streams:])
		iv.SumReverse = &r
	}
	t.last = now
	t.report.interval(&iv)
}

// streamInterval returns what has passed s since the last interval.
func (t *test) streamInterval(s *stream, now time.Time) Measure {
	total := t.passed(s)
	c := total.since(s.last)
	s.last = total
	m := measure(t.last.Sub(t.start), now.Sub(t.start), c.bytes)
	m.Socket, m.Sender = s.socket, s.sends
	omitted := t.omitting.Load()
	m.Omitted = &omitted
	switch {
	case t.params.UDP:
		m.Packets = &c.packets
		if !s.sends {
			m.Loss = c.loss()
		}
	case s.sends:
		before := s.info.Retransmits
		if s.ask(t.host) {
			resent := s.info.Retransmits - before
			m.Retransmits = &resent
			m.SenderState = s.state()
			s.keepPeaks(m.SenderState)
		}
	}
	return m
}

// ask looks at the TCP connection that s sends on, and tells whether anything is known.
func (s *stream) ask(h Host) bool {
	if conn, ok := s.conn.(net.Conn); ok {
		if info, ok := h.TCPInfo(conn); ok {
			s.info, s.knows = info, true
		}
	}
	return s.knows
}

func (s *stream) state() *SenderState {
	i := &s.info
	return &SenderState{
		Cwnd: i.Cwnd, SendWindow: i.SendWindow,
		RTT: i.RTT.Microseconds(), RTTVar: i.RTTVar.Microseconds(),
		PMTU: i.PMTU, Loop: s.loop(),
	}
}

// loop returns what the Host knows of the stream's loop, with the departures since it was
// asked last.
func (s *stream) loop() *Loop {
	if s.info.Loop == nil {
		return nil
	}
	l := *s.info.Loop
	l.Departures, s.left = l.Departures-s.left, l.Departures
	return &l
}

func (s *stream) keepPeaks(now *SenderState) {
	p := &s.peaks
	p.MaxCwnd = max(p.MaxCwnd, now.Cwnd)
	p.MaxSendWindow = max(p.MaxSendWindow, now.SendWindow)
	p.MaxRTT = max(p.MaxRTT, now.RTT)
	if s.rttSamples == 0 || now.RTT < p.MinRTT {
		p.MinRTT = now.RTT
	}
	s.rttSamples++
	s.rttSum += now.RTT
	p.MeanRTT = s.rttSum / s.rttSamples
}

// measure returns the part of a Measure that all have.
func measure(from, to time.Duration, bytes int64) Measure {
	m := Measure{
		Start: from.Seconds(), End: to.Seconds(), Seconds: (to - from).Seconds(),
		Bytes: bytes,
	}
	if to > from {
		m.BitsPerSecond = float64(bytes) * 8 / m.Seconds
	}
	return m
}

// loss returns what c tells of lost datagrams, of which c.packets were sent.
func (c counts) loss() *Loss {
	l := &Loss{JitterMS: c.jitter * 1000, LostPackets: c.lost}
	if c.packets > 0 {
		l.LostPercent = 100 * float64(c.lost) / float64(c.packets)
	}
	return l
}

// sum adds up the streams of one direction. Their jitter is averaged.
func sum(streams []Measure) Measure {
	total := streams[0]
	total.Socket, total.SenderState, total.SenderPeaks, total.OutOfOrder = 0, nil, nil, nil
	var resent int64
	var c counts
	for _, m := range streams {
		c.bytes += m.Bytes
		if m.Retransmits != nil {
			resent += *m.Retransmits
		}
		if m.Packets != nil {
			c.packets += *m.Packets
		}
		if m.Loss != nil {
			c.lost += m.Loss.LostPackets
			c.jitter += m.Loss.JitterMS / 1000 / float64(len(streams))
		}
	}
	total.Bytes = c.bytes
	if total.Seconds > 0 {
		total.BitsPerSecond = float64(c.bytes) * 8 / total.Seconds
	}
	if total.Retransmits != nil {
		total.Retransmits = &resent
	}
	if total.Packets != nil {
		total.Packets = &c.packets
	}
	if total.Loss != nil {
		total.Loss = c.loss()
	}
	return total
}
