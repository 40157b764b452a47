package endpoint

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// Everybody can send ICMP errors, with any source address, and netstack believes them all. An
// error is let through if it quotes a packet that is ours and on its way: of TCP a segment
// in flight, by its sequence number, and of others a flow that we send (RFC 5927, section
// 4.1; RFC 8201, section 5.2). ICMP in fragments, which cannot be looked at, is not, and so
// an echo request is answered if it fits a frame.

// minPathMTU is what a path with IPv4 is taken to carry at least: Linux' min_pmtu. RFC 791
// says 68, with which a forged message would turn a flow into headers.
const minPathMTU = 552

// Protocol numbers and types (RFC 792, RFC 4443).
const (
	icmp4, icmp6 = 1, 58

	unreachable4, quench4, exceeded4, parameter4 = 3, 4, 11, 12
	fragmentationNeeded                          = 4 // a code of unreachable4
	tooBig6                                      = 2
	firstQuery6                                  = 128 // what is below is an error
)

// believable reports whether an IP packet may be given to the stack, of that version, with
// what it carries: of the protocol proto, nil where it is a fragment. It raises an MTU of IPv4
// in it to minPathMTU.
func (e *Endpoint) believable(version int, proto uint8, icmp []byte) bool {
	switch proto {
	case icmp4:
		if len(icmp) < 8 {
			return icmp != nil // too short, which the stack counts; or a fragment
		}
		switch icmp[0] {
		case unreachable4:
			if icmp[1] == fragmentationNeeded {
				return e.tooBig(icmp, int(binary.BigEndian.Uint16(icmp[6:])), minPathMTU)
			}
			return e.quoted(icmp) != nil
		case quench4, exceeded4, parameter4:
			return e.quoted(icmp) != nil
		}
	case icmp6:
		if len(icmp) < 8 {
			return icmp != nil
		}
		switch {
		case icmp[0] == tooBig6:
			mtu := binary.BigEndian.Uint32(icmp[4:])
			// Less than that must be discarded (RFC 8201, section 4).
			return mtu >= header.IPv6MinimumMTU && e.tooBig(icmp, int(mtu), header.IPv6MinimumMTU)
		case icmp[0] < firstQuery6:
			return e.quoted(icmp) != nil
		}
	default:
		// What stands behind so many extension headers, or in a fragment, may be ICMP.
		return !pacer.IsExtension(proto) || version != header.IPv6Version
	}
	return true
}

// tooBig reports whether a message that a packet did not fit is believable.
func (e *Endpoint) tooBig(icmp []byte, mtu, least int) bool {
	fl := e.quoted(icmp)
	if fl == nil {
		return false
	}
	if mtu < least {
		setMTU(icmp, least)
		mtu = least
	}
	if fl.largest <= mtu { // no packet of ours was larger
		return false
	}
	if fl.key.Proto != pacer.ProtoTCP && e.config.TooBig != nil {
		e.config.TooBig(fl.key, mtu)
	}
	return true
}

// quoted returns the flow of ours whose packet an ICMP error is about, nil if there is none.
func (e *Endpoint) quoted(icmp []byte) *flow {
	key, _, upper := pacer.ParseUpper(icmp[8:], maxQuoted)
	fl := e.flows.find(key)
	if fl != nil && key.Proto == pacer.ProtoTCP && upper != nil &&
		(len(upper) < 8 || !fl.sequence.holds(pacer.Seq(binary.BigEndian.Uint32(upper[4:])))) {
		return nil
	}
	return fl
}

// maxQuoted is the largest packet that an error can be about: it is quoted cut short.
const maxQuoted = 40 + 1<<16

// setMTU changes the MTU in a "fragmentation needed" (RFC 1191) and its checksum with it,
// which stays wrong if it was (RFC 1624).
func setMTU(icmp []byte, mtu int) {
	old := binary.BigEndian.Uint16(icmp[6:])
	binary.BigEndian.PutUint16(icmp[6:], uint16(mtu))
	sum := uint64(^binary.BigEndian.Uint16(icmp[2:])) + uint64(^old) + uint64(mtu)
	binary.BigEndian.PutUint16(icmp[2:], ^link.Fold(sum))
}
