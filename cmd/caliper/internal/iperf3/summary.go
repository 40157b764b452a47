package iperf3

import (
	"slices"
	"time"
)

// summary makes the End of a test that has been halted, of what this side counted and
// what the peer told, which is nil on a server and where the peer has told nothing.
func (t *test) summary(peer *results) End {
	end := End{CPU: t.cpu.percent()}
	if peer != nil {
		end.CPU.RemoteTotal, end.CPU.RemoteUser, end.CPU.RemoteSystem = peer.CPUTotal, peer.CPUUser, peer.CPUSystem
	}
	var sent, received []Measure
	for _, s := range t.streams {
		es := t.streamSummary(s, peer)
		end.Streams = append(end.Streams, es)
		sent, received = append(sent, es.Sender), append(received, es.Receiver)
	}
	if len(t.streams) == 0 {
		return end
	}
	n := t.params.Streams
	end.SumSent, end.SumReceived, end.Sum = t.sums(sent[:n], received[:n])
	if t.params.Bidir {
		end.SumSentReverse, end.SumReceivedReverse, end.SumReverse = t.sums(sent[n:], received[n:])
	}
	if t.sends() {
		t.report.result.Congestion = t.congestion()
	}
	if !t.params.UDP {
		end.SenderCongestion, end.ReceiverCongestion = t.congestion(), ""
		if peer != nil {
			end.ReceiverCongestion = peer.CongestionUsed
		}
		if !t.sends() {
			end.SenderCongestion, end.ReceiverCongestion = end.ReceiverCongestion, end.SenderCongestion
		}
	}
	return end
}

// streamSummary puts together the two sides of one stream.
func (t *test) streamSummary(s *stream, peer *results) EndStream {
	mine := s.last.since(s.base)
	here := t.end.Sub(t.start)

	var theirs counts
	there := here
	resent := int64(-1)
	if p, ok := peer.stream(s.id); ok {
		theirs = counts{
			bytes: int64(p.Bytes), packets: int64(p.Packets), lost: int64(p.Errors), jitter: p.Jitter,
		}
		// Before 3.14 the peer does not say how many packets it omitted. It was about
		// as many as here.
		switch {
		case p.OmittedPackets != nil && p.OmittedErrors != nil:
			theirs.packets -= int64(*p.OmittedPackets)
			theirs.lost -= int64(*p.OmittedErrors)
		case t.params.UDP:
			theirs.packets -= s.base.packets
		}
		if d := seconds(p.EndTime - p.StartTime); d > 0 {
			there = d
		}
		resent = int64(p.Retransmits)
		if peer.HasRetransmits != 1 {
			resent = -1
		}
	}
	from, to, fromTime, toTime := mine, theirs, here, there
	if s.sends {
		resent = -1
		if s.knows {
			resent = s.info.Retransmits - s.baseResent
		}
	} else {
		from, to, fromTime, toTime = theirs, mine, there, here
	}
	var es EndStream
	es.Sender = measure(0, fromTime, from.bytes)
	es.Receiver = measure(0, toTime, to.bytes)
	for _, m := range []*Measure{&es.Sender, &es.Receiver} {
		m.Socket, m.Sender = s.socket, s.sends
	}
	if !t.params.UDP {
		if resent >= 0 {
			peaks := s.peaks
			es.Sender.Retransmits, es.Sender.SenderPeaks = &resent, &peaks
		}
		return es
	}
	es.Sender.Packets, es.Sender.Loss = &from.packets, counts{}.loss()
	es.Receiver.Packets, es.Receiver.Loss = &to.packets, to.loss()

	both := es.Sender
	if from.packets == 0 {
		from.packets = to.packets
	}
	from.lost, from.jitter = to.lost, to.jitter
	both.Packets, both.Loss, both.OutOfOrder = &from.packets, from.loss(), &to.disorders
	es.UDP = &both
	return es
}

// sums adds up one direction. UDP has a third sum, of the sender's bytes and the
// receiver's losses.
func (t *test) sums(sent, received []Measure) (s, r, both *Measure) {
	ms, mr := sum(sent), sum(received)
	if t.params.UDP {
		mb := ms
		mb.Start, mb.End, mb.Seconds = mr.Start, mr.End, mr.Seconds
		c := counts{packets: *ms.Packets, lost: mr.LostPackets, jitter: mr.JitterMS / 1000}
		if c.packets == 0 {
			c.packets = *mr.Packets
		}
		mb.Packets, mb.Loss = &c.packets, c.loss()
		both = &mb
		ms.Sender, mr.Sender = true, false // whoever they are, in iperf3
	}
	return &ms, &mr, both
}

// results returns what this side tells the other.
func (t *test) results() *results {
	cpu := t.cpu.percent()
	r := &results{
		CPUTotal: cpu.HostTotal, CPUUser: cpu.HostUser, CPUSystem: cpu.HostSystem,
		HasRetransmits: -1, CongestionUsed: t.congestion(), Streams: []streamResult{},
	}
	for _, s := range t.streams {
		c := s.last
		lost, packets := number(s.base.lost), number(s.base.packets)
		sr := streamResult{
			ID: number(s.id), Bytes: number(c.bytes - s.base.bytes), Retransmits: -1,
			Jitter: c.jitter,
			Errors: number(c.lost), OmittedErrors: &lost,
			Packets: number(c.packets), OmittedPackets: &packets,
			EndTime: t.end.Sub(t.start).Seconds(),
		}
		if s.sends {
			r.HasRetransmits = max(r.HasRetransmits, 0)
			if s.knows {
				r.HasRetransmits = 1
				sr.Retransmits = number(s.info.Retransmits - s.baseResent)
			}
		}
		r.Streams = append(r.Streams, sr)
	}
	return r
}

// congestion returns the name of the congestion control of this side, if it is known.
func (t *test) congestion() string {
	if t.params.UDP || len(t.streams) == 0 {
		return ""
	}
	return t.streams[0].info.Congestion
}

// sends tells whether this side does, on any stream.
func (t *test) sends() bool {
	return slices.ContainsFunc(t.streams, func(s *stream) bool { return s.sends })
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, maxTime.Seconds()*2) * float64(time.Second))
}

// cpuMeter measures processor time over the test.
type cpuMeter struct {
	start              time.Time
	user0, system0     time.Duration
	wall, user, system time.Duration
}

func startCPU(h Host) (m cpuMeter) {
	m.start = h.Now()
	m.user0, m.system0 = h.CPUTime()
	return m
}

func (m *cpuMeter) stop(h Host) {
	user, system := h.CPUTime()
	m.wall, m.user, m.system = h.Now().Sub(m.start), user-m.user0, system-m.system0
}

func (m *cpuMeter) percent() *CPU {
	c := &CPU{}
	if m.wall > 0 {
		w := m.wall.Seconds()
		c.HostUser, c.HostSystem = 100*m.user.Seconds()/w, 100*m.system.Seconds()/w
		c.HostTotal = c.HostUser + c.HostSystem
	}
	return c
}
