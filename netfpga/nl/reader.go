package nl

// reader parses datagrams. It keeps its memory from one to the next.
type reader struct {
	batch   batch
	refused []refusal
}

// refusal is a message that is not as it must be, and why.
type refusal struct {
	Header
	err *Error
}

// maxRefused is how many messages of a datagram are answered with an error. One that has
// more is not meant well, and its rest is dropped.
const maxRefused = 16

// read parses a datagram into the batch, and returns what is to be refused. Netlink's own
// messages, which are never answered, are passed over. What it returns, and the batch, are
// valid until the next call.
func (r *reader) read(b []byte, d datagram, allowed bool) []refusal {
	r.batch.clear()
	r.batch.bytes = len(b)
	r.refused = r.refused[:0]
	switch {
	case !allowed:
		r.refuse(b, &Error{Code: NotPermitted, Text: "the server is another user's"})
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
	if h.Type >= minType {
		r.refused = append(r.refused, refusal{h, e})
	}
}

func (r *reader) parse(b []byte, from uint32) {
	for len(b) > 0 && len(r.refused) < maxRefused {
		h, body, rest, err := Next(b)
		if err != nil {
			r.refused = append(r.refused, refusal{h, asError(err)})
			return
		}
		b = rest
		if h.Type < minType {
			continue
		}
		q := request{from: from, Header: h}
		switch h.Type {
		case Packet:
			err = ParsePacket(h, body, &q.packet)
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
