package nl

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Errno is an error as NLMSG_ERROR has it, with Linux's numbers (asm-generic/errno.h).
type Errno uint16

// The errors that a server answers with.
const (
	OK           Errno = 0   // all is well, where Ack asked for an answer
	NotPermitted Errno = 1   // EPERM: the sender belongs to another user
	Busy         Errno = 16  // EBUSY: the transmit buffer has a mark
	Invalid      Errno = 22  // EINVAL: the message, or the packet, cannot be
	TooLong      Errno = 90  // EMSGSIZE: the datagram is longer than the server takes
	Unsupported  Errno = 95  // EOPNOTSUPP: there is no such message
	Down         Errno = 100 // ENETDOWN: the card's interface is
	NoRoom       Errno = 105 // ENOBUFS: too many marks, or senders
)

func (e Errno) String() string {
	switch e {
	case OK:
		return "no error"
	case NotPermitted:
		return "not permitted"
	case Busy:
		return "busy"
	case Invalid:
		return "invalid message"
	case TooLong:
		return "datagram too long"
	case Unsupported:
		return "message not supported"
	case Down:
		return "the card's interface is down"
	case NoRoom:
		return "no room"
	}
	return fmt.Sprintf("error %d", uint16(e))
}

// Error is what a server found wrong with a message.
type Error struct {
	Code Errno
	Type Type   // of the message
	Seq  uint32 // of the message
	Text string // what is wrong with it; may be empty
}

func (e *Error) Error() string {
	s := fmt.Sprintf("nl: %v %d is refused: %v", e.Type, e.Seq, e.Code)
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

func invalid(format string, args ...any) *Error {
	return &Error{Code: Invalid, Text: fmt.Sprintf(format, args...)}
}

// errorText is the attribute NLMSGERR_ATTR_MSG, and maxText the longest text in bytes.
const (
	errorText = 1
	maxText   = 255
)

// AppendError writes the answer to the message with header h behind b: an NLMSG_ERROR
// with the code and text of e.
func AppendError(b []byte, h Header, from uint32, e *Error) []byte {
	flags := uint16(capped)
	if e.Text != "" {
		flags |= attributes
	}
	b, start := begin(b, Header{Type: errorType, Flags: flags, Seq: h.Seq, Port: from})
	b = native.AppendUint32(b, -uint32(e.Code))
	b, answered := begin(b, h)
	b = end(b, answered)
	if text := e.Text[:min(len(e.Text), maxText)]; text != "" {
		b = native.AppendUint16(b, uint16(attributeLen+len(text)+1))
		b = native.AppendUint16(b, errorText)
		b = append(append(b, text...), 0)
	}
	return end(b, start)
}

// ParseError reads the body of an NLMSG_ERROR that has the given flags. It returns an
// Error with Code OK where it says that all is well, and false if it is none.
func ParseError(flags uint16, body []byte) (*Error, bool) {
	if len(body) < errorLen {
		return nil, false
	}
	code := -native.Uint32(body)
	if code > 4095 { // the largest that the kernel has
		return nil, false
	}
	h := parseHeader(body[4:])
	e := &Error{Code: Errno(code), Type: h.Type, Seq: h.Seq}
	if flags&attributes == 0 || flags&capped == 0 {
		return e, true
	}
	for b := body[errorLen:]; len(b) >= attributeLen; {
		n := int(native.Uint16(b))
		if n < attributeLen || n > len(b) {
			break
		}
		if native.Uint16(b[2:]) == errorText {
			e.Text = printable(b[attributeLen:n])
		}
		b = b[min(align(n), len(b)):]
	}
	return e, true
}

// printable returns the characters of a C string that a terminal can be given.
func printable(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
}
