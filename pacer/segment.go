package pacer

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/queue"
)

// A Segment is what a Meter needs of a TCP packet.
type Segment struct {
	Seq, Ack Seq // Ack says something only with FlagACK
	Flags    uint8
	Window   uint16 // as in the header, without the window scale
	Payload  int    // bytes

	blocks [4]SACKBlock
	sacks  int
}

// A SACKBlock is data that the peer has beyond what it acknowledges: the bytes from Start
// to the one before End (RFC 2018).
type SACKBlock struct{ Start, End Seq }

// Flags of a Segment (RFC 9293, section 3.1).
const (
	FlagFIN = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
)

// End returns the sequence number behind the segment's payload.
func (s *Segment) End() Seq { return s.Seq + Seq(s.Payload) }

// SACK returns the blocks of the segment in their order. They are the segment's own.
func (s *Segment) SACK() []SACKBlock { return s.blocks[:s.sacks] }

// ParseSegment reads a TCP packet, given from its IP header on. It reports false if the
// packet is not TCP, is a fragment, or is cut short. Checksums are not looked at. It finds
// the payload that Parse finds.
func ParseSegment(ip []byte) (s Segment, ok bool) {
	f, size, tcp := parse(ip, len(ip))
	ok = f.Proto == ProtoTCP && s.Read(tcp, size)
	return s, ok
}

// Read is ParseSegment for a TCP packet that ParseUpper has parsed, which returned its size
// and tcp.
func (s *Segment) Read(tcp []byte, size Size) bool {
	*s = Segment{}
	if len(tcp) < 20 { // a fragment
		return false
	}
	offset := int(tcp[12]>>4) * 4
	if offset < 20 || offset > len(tcp) {
		return false
	}
	s.Seq = Seq(binary.BigEndian.Uint32(tcp[4:]))
	s.Ack = Seq(binary.BigEndian.Uint32(tcp[8:]))
	s.Flags = tcp[13]
	s.Window = binary.BigEndian.Uint16(tcp[14:])
	s.Payload = size.Payload
	if offset > 20 {
		s.readSACK(tcp[20:offset])
	}
	return true
}

// Kinds of TCP options (RFC 9293, section 3.1, and RFC 2018).
const (
	optionEnd  = 0
	optionNop  = 1
	optionSACK = 5
)

// readSACK takes the blocks out of the options, which are at most 40 bytes. Options behind
// one that cannot be are not read.
func (s *Segment) readSACK(options []byte) {
	for len(options) > 0 {
		if options[0] == optionNop {
			options = options[1:]
			continue
		}
		if options[0] == optionEnd || len(options) < 2 {
			return
		}
		length := int(options[1])
		if length < 2 || length > len(options) {
			return
		}
		if options[0] == optionSACK && length%8 == 2 {
			for b := options[2:length]; len(b) > 0 && s.sacks < len(s.blocks); b = b[8:] {
				s.blocks[s.sacks] = SACKBlock{Seq(binary.BigEndian.Uint32(b)), Seq(binary.BigEndian.Uint32(b[4:]))}
				s.sacks++
			}
		}
		options = options[length:]
	}
}

// sentSegment is what is known of a range of sequence numbers that left together.
type sentSegment struct {
	seq, end Seq
	run      uint32 // of the segments from this on, so many are known to be sacked
	fate     fate
	again    bool // it left more than once
	limited  bool

	at          clock.Time // its last departure
	delivered   int64      // the Meter's at that time
	deliveredAt clock.Time
	first       clock.Time
}

// A fate is what became of a segment.
type fate uint8

const (
	unseen fate = iota // it was not seen to leave; one behind it was
	flying
	lost
	sacked
)

// sentSegments is a queue of segments that can be searched and cut. Its zero value is empty.
type sentSegments struct {
	queue.Ring[sentSegment]
}

// keptSegments is for how many segments an empty queue keeps room.
const keptSegments = 128

// search returns which segment is the first that begins at seq or behind it.
func (q *sentSegments) search(seq Seq) int {
	low, high := 0, q.Len()
	for low < high {
		middle := (low + high) / 2
		if q.At(middle).seq.Before(seq) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// append puts a segment that was not seen to leave behind the others.
func (q *sentSegments) append(seq, end Seq) *sentSegment {
	q.Push(sentSegment{seq: seq, end: end})
	return q.At(q.Len() - 1)
}

// split makes two of the i-th segment, which is not sacked, and the second begin at seq.
// What lies on the shorter side of it moves: segments are cut where TCP cuts them anew,
// which is at the front.
func (q *sentSegments) split(i int, seq Seq) {
	if i < q.Len()/2 {
		q.Unpop(*q.At(0))
		for k := range i {
			*q.At(k + 1) = *q.At(k + 2)
		}
	} else {
		q.Push(q.Last())
		for k := q.Len() - 2; k > i; k-- {
			*q.At(k) = *q.At(k - 1)
		}
	}
	q.At(i).end, q.At(i+1).seq = seq, seq
}

// release gives the memory of many segments back when none is left.
func (q *sentSegments) release() {
	if q.Len() == 0 && q.Cap() > keptSegments {
		q.Ring = queue.Ring[sentSegment]{}
	}
}
