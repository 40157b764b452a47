package nl

// reader parses datagrams. It keeps its memory from one to the next.
type reader struct {
	original bool // messages that the original knew nothing of are passed over
	batch    batch
	refused  []refusal
}

// refusal is the answer to a message that the clock's goroutine does not see: one that is not
// as it must be, and why, or a NOOP that asks for an answer.
type refusal struct {
	Header
	err *Error
}

// maxRefused is how many messages of a datagram are answered so. One that has more is not
// meant well, and its rest is dropped.
const maxRefused = 16

// read parses a datagram into the batch, and returns what is to be answered at once. Netlink's
// own messages are passed over, but for a NOOP that asks for an answer. What it returns, and
// the batch, are valid until the next call.
func (r *reader) read(b []byte, d datagram, allowed bool) []refusal {
	r.batch.clear()
	r.batch.bytes = len(b)
	r.refused = r.refused[:0]
	switch {
	case !allowed:
		r.refuse(b, &Error{Code: NotPermitted, Text: "only root and the user of the server may send"})
	case d.cut:
		r.refuse(b, &Error{Code: TooLong, Text: "at most 65536 bytes are taken"})
	default:
		r.parse(b, d.from)
	}
	return r.refused
}

// refuse refuses a whole datagram.
func (r *reader) refuse(b []byte, e *Error) {
	h, _, _, _ := Next(b)
	if len(b) >= headerLen {
		h = parseHeader(b)
	}
	if h.Type >= minType || ping(h) {
		r.refused = append(r.refused, refusal{h, e})
	}
}

// ping reports whether a message asks whether anybody is there, as it does of the kernel.
func ping(h Header) bool { return h.Type == noop && h.Flags&Ack != 0 }

func (r *reader) parse(b []byte, from uint32) {
	for len(b) > 0 && len(r.refused) < maxRefused {
		h, body, rest, err := Next(b)
		if err != nil {
			r.refused = append(r.refused, refusal{h, asError(err)})
			return
		}
		b = rest
		if h.Type < minType {
			if ping(h) {
				r.refused = append(r.refused, refusal{h, &Error{}})
			}
			continue
		}
		q := request{from: from, Header: h}
		if r.original && h.Type != Packet && h.Type != SimStart && h.Type != Mark {
			continue
		}
		switch h.Type {
		case Packet:
			err = parsePacket(h, body, &q.packet, r.original)
		case SimStart:
			q.start, err = ParseSimStart(body)
		case Delays:
			q.delays, err = ParseDelays(body)
		case Mark:
		default:
			err = &Error{Code: Unsupported}
		}
		if err != nil {
			r.refused = append(r.refused, refusal{h, asError(err)})
			continue
		}
		r.batch.requests = append(r.batch.requests, q)
	}
}
