package nl

import (
	"encoding/binary"
	"fmt"
)

// native is the byte order of all numbers.
var native = binary.NativeEndian

// Lengths in bytes.
const (
	headerLen    = 16 // struct nlmsghdr
	errorLen     = 20 // struct nlmsgerr: the error and the header of what it answers
	alignment    = 4  // where messages and attributes begin
	attributeLen = 4  // struct nlattr
)

// Type is nlmsg_type.
type Type uint16

// The messages. The first two are netlink's own.
const (
	noop      Type = 1 // to be ignored
	errorType Type = 2
	minType   Type = 0x10 // those below are netlink's

	Delays   Type = minType + 0 // gaps for the relative packets that follow
	Packet   Type = minType + 1 // a packet to be sent
	SimStart Type = minType + 2 // the date that absolute departures count from
	Mark     Type = minType + 3 // tell me when the packet before this is on the card
	MarkHit  Type = minType + 4 // it is
)

// String returns the name of a message of the driver's.
func (t Type) String() string {
	switch t {
	case noop:
		return "NOOP"
	case Delays:
		return "DELAYS"
	case Packet:
		return "PKT"
	case SimStart:
		return "SIM_START"
	case Mark:
		return "MARK"
	case MarkHit:
		return "MARK_HIT"
	}
	return fmt.Sprintf("type %d", uint16(t))
}

// Flags of a message (linux/netlink.h).
const (
	Request    = 0x1   // NLM_F_REQUEST
	Ack        = 0x4   // NLM_F_ACK: answer also if nothing is wrong
	capped     = 0x100 // NLM_F_CAPPED: an error without the body that it answers
	attributes = 0x200 // NLM_F_ACK_TLVS: an error with attributes
)

// Header is the struct nlmsghdr of a message, but for its length.
type Header struct {
	Type  Type
	Flags uint16
	Seq   uint32 // chosen by the sender; answers have the same
	Port  uint32 // nlmsg_pid, what the sender says of itself; the kernel tells the truth
}

// Append writes a message with this body behind b.
func Append(b []byte, h Header, body []byte) []byte {
	b, start := begin(b, h)
	return end(append(b, body...), start)
}

// begin writes a header whose length end fills in.
func begin(b []byte, h Header) ([]byte, int) {
	start := len(b)
	b = native.AppendUint32(b, 0)
	b = native.AppendUint16(b, uint16(h.Type))
	b = native.AppendUint16(b, h.Flags)
	b = native.AppendUint32(b, h.Seq)
	b = native.AppendUint32(b, h.Port)
	return b, start
}

// end fills in the length of the message that begins at start, and pads it, so that
// another can follow.
func end(b []byte, start int) []byte {
	n := len(b) - start
	native.PutUint32(b[start:], uint32(n))
	return append(b, make([]byte, align(n)-n)...)
}

func align(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// Next reads the first message of a datagram, and returns what follows it. If it is not
// one, Next returns an *Error, as much of the header as there is, and no rest: where the
// next message begins cannot be told. The body is the datagram's own memory.
func Next(b []byte) (h Header, body, rest []byte, err error) {
	if len(b) < headerLen {
		return h, nil, nil, invalid("a message of %d bytes has no header", len(b))
	}
	h = parseHeader(b)
	n := native.Uint32(b)
	if n < headerLen || uint64(n) > uint64(len(b)) {
		return h, nil, nil, invalid("a message of %d bytes cannot lie in %d", n, len(b))
	}
	return h, b[headerLen:n], b[min(align(int(n)), len(b)):], nil
}

func parseHeader(b []byte) Header {
	return Header{
		Type:  Type(native.Uint16(b[4:])),
		Flags: native.Uint16(b[6:]),
		Seq:   native.Uint32(b[8:]),
		Port:  native.Uint32(b[12:]),
	}
}
