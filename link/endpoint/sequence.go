package endpoint

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/pacer"
)

// sequence is the sequence numbers of a flow that are in flight: from una, the first that
// has not been acknowledged, to the one before next (RFC 9293, section 3.3.1).
type sequence struct {
	begun     bool
	una, next pacer.Seq
}

// sent notes that a segment is sent, with its flags.
func (s *sequence) sent(tcp header.TCP, payload int) {
	seq, flags := pacer.Seq(tcp.SequenceNumber()), tcp.Flags()
	end := seq + pacer.Seq(payload)
	if flags.Contains(header.TCPFlagSyn) {
		s.begun = false // another connection with the same ports
		end++
	}
	if flags.Contains(header.TCPFlagFin) {
		end++
	}
	if !s.begun {
		*s = sequence{true, seq, end}
	} else if s.next.Before(end) {
		s.next = end
	}
}

// acked notes that what comes before ack has been acknowledged.
func (s *sequence) acked(ack pacer.Seq) {
	if s.begun && s.una.Before(ack) && !s.next.Before(ack) {
		s.una = ack
	}
}

func (s *sequence) holds(seq pacer.Seq) bool {
	return s.begun && !seq.Before(s.una) && seq.Before(s.next)
}
