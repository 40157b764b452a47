package endpoint

import (
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// handshake is the clock of a TCP flow's opening from our side: of a SYN, with or without
// ACK, and what answers it. That comes before the flow has a Loop, which is told when it has.
type handshake struct {
	sent clock.Optional // when the SYN left, as long as it is not answered
	rtt  time.Duration  // then this
	syns int            // more than one say nothing of the round trip (Karn)
}

// left returns the handshake after a SYN has left.
func (h handshake) left(t clock.Time) handshake {
	next := handshake{syns: h.syns + 1}
	if next.syns == 1 {
		next.sent = clock.At(t)
	}
	return next
}

// answered returns the handshake after something has arrived that acknowledges.
func (h handshake) answered(now clock.Time) handshake {
	if sent, ok := h.sent.Get(); ok {
		h.rtt = now.Sub(sent)
		h.sent = clock.Optional{}
	}
	return h
}
