package iperf3

import (
	"fmt"
	"strings"
)

// lines writes the lines of iperf3's text.
type lines struct {
	udp, bidir, server bool
	loop               bool // with the state of a sender's loop
	parallel           int
	units              byte // of rates
}

const separator = "- - - - - - - - - - - - - - - - - - - - - - - - -\n"

// interval writes the lines of an interval, the first one of a test with the heads of the
// columns.
func (l *lines) interval(iv *Interval, first bool) string {
	var b strings.Builder
	if first {
		b.WriteString(l.head(l.columns(iv)))
	} else if l.parallel > 1 {
		b.WriteString(separator)
	}
	for i := range iv.Streams {
		m := &iv.Streams[i]
		b.WriteString(l.id(m.Socket, m.Sender) + l.spanned(m) + l.tail(m))
		if l.parallel == 1 || (i+1)%l.parallel != 0 {
			continue
		}
		m = &iv.Sum
		if i >= l.parallel {
			m = iv.SumReverse
		}
		b.WriteString(l.id(0, m.Sender) + l.spanned(m) + l.tail(m))
	}
	return b.String()
}

// columns returns the heads of those columns that depend on what is measured.
func (l *lines) columns(iv *Interval) string {
	switch {
	case l.udp && !l.bidir && iv.Sum.Sender:
		return "Total Datagrams"
	case l.udp:
		return "Jitter    Lost/Total Datagrams"
	}
	for _, m := range iv.Streams {
		if m.Retransmits != nil && l.loop {
			return "Retr  Cwnd              RTT         Pacing      Departures"
		}
		if m.Retransmits != nil {
			return "Retr  Cwnd"
		}
	}
	return ""
}

func (l *lines) head(columns string) string {
	role := ""
	if l.bidir {
		role = "[Role]"
	}
	s := fmt.Sprintf("[ ID]%s Interval           Transfer     Bitrate", role)
	if columns != "" {
		s += "         " + columns
	}
	return s + "\n"
}

// id is the beginning of a line: the socket, 0 for a sum, and with both directions at
// once who does what.
func (l *lines) id(socket int, sender bool) string {
	s := "[SUM]"
	if socket != 0 {
		s = fmt.Sprintf("[%3d]", socket)
	}
	if l.bidir {
		role := "RX"
		if sender {
			role = "TX"
		}
		side := "C"
		if l.server {
			side = "S"
		}
		s += "[" + role + "-" + side + "]"
	}
	return s
}

// spanned is the time, the amount and the rate.
func (l *lines) spanned(m *Measure) string {
	return fmt.Sprintf(" %6.2f-%-6.2f sec  %ss  %ss/sec",
		m.Start, m.End, formatUnits(float64(m.Bytes), 'A'), formatUnits(m.BitsPerSecond/8, l.units))
}

// tail is the end of an interval's line.
func (l *lines) tail(m *Measure) string {
	omitted := ""
	if m.Omitted != nil && *m.Omitted {
		omitted = "(omitted)"
	}
	switch {
	case m.Loss != nil:
		return lossTail(m, omitted)
	case m.Packets != nil && l.bidir: // below the receiver's column
		return fmt.Sprintf("            %d  %s\n", *m.Packets, omitted)
	case m.Packets != nil:
		return fmt.Sprintf("  %d  %s\n", *m.Packets, omitted)
	case m.SenderState != nil && m.Loop != nil && l.loop:
		rate := fmt.Sprintf("%13s", "-") // as of gaps, which are none
		if m.Loop.PacingRate > 0 {
			rate = formatUnits(float64(m.Loop.PacingRate)/8, l.units) + "s/sec"
		}
		return fmt.Sprintf("  %3d   %ss  %9.3f ms  %s  %8d  %s\n", *m.Retransmits, formatUnits(float64(m.Cwnd), 'A'),
			m.Loop.RTT.Seconds()*1e3, rate, m.Loop.Departures, omitted)
	case m.SenderState != nil:
		return fmt.Sprintf("  %3d   %ss       %s\n", *m.Retransmits, formatUnits(float64(m.Cwnd), 'A'), omitted)
	}
	return plainTail(m, omitted)
}

func lossTail(m *Measure, remark string) string {
	return fmt.Sprintf("  %5.3f ms  %d/%d (%.2g%%)  %s\n", m.JitterMS, m.LostPackets, *m.Packets, m.LostPercent, remark)
}

func plainTail(m *Measure, remark string) string {
	if m.Retransmits != nil {
		return fmt.Sprintf("  %3d             %s\n", *m.Retransmits, remark)
	}
	return fmt.Sprintf("                  %s\n", remark)
}

// end writes the summary. A server has only its own side of every stream.
func (l *lines) end(e *End) string {
	var b strings.Builder
	b.WriteString(separator)
	columns := ""
	if l.udp {
		columns = "Jitter    Lost/Total Datagrams"
	}
	for i := range e.Streams {
		if e.Streams[i].Sender.Retransmits != nil {
			columns = "Retr"
		}
	}
	b.WriteString(l.head(columns))
	for i := range e.Streams {
		s := &e.Streams[i]
		l.both(&b, s.Sender.Socket, s.Sender.Sender, &s.Sender, &s.Receiver, s.UDP)
		if l.parallel == 1 || (i+1)%l.parallel != 0 {
			continue
		}
		if i < l.parallel {
			l.both(&b, 0, s.Sender.Sender, e.SumSent, e.SumReceived, nil)
		} else {
			l.both(&b, 0, s.Sender.Sender, e.SumSentReverse, e.SumReceivedReverse, nil)
		}
	}
	return b.String()
}

// both writes the lines of the two sides of a stream or a sum.
func (l *lines) both(b *strings.Builder, socket int, sends bool, sent, received, udp *Measure) {
	tail := plainTail
	if l.udp {
		tail = lossTail
	}
	id := l.id(socket, sends)
	if !l.server || sends {
		b.WriteString(id + l.spanned(sent) + tail(sent, "sender"))
	}
	if udp != nil && *udp.OutOfOrder > 0 {
		// iperf3 calls this a sum, for every stream.
		fmt.Fprintf(b, "%s %4.1f-%4.1f sec  %d datagrams received out-of-order\n",
			l.id(0, sends), sent.Start, sent.End, *udp.OutOfOrder)
	}
	if !l.server || !sends {
		b.WriteString(id + l.spanned(received) + tail(received, "receiver"))
	}
}
