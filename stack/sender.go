package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netcaliper/caliper/link"
)

// sender is what is ours to read and set of a connection's sender in netstack. It belongs to
// the connection's lock.
//
// netstack keeps room in each segment for as many SACK blocks as there can be, 28 bytes, which
// data hardly ever carries: fullSize has segments carry what Linux's do. Where data does carry
// blocks, package endpoint cuts it smaller.
type sender struct {
	*tcp.TCPSenderState
	gso    *gstack.GSO
	smss   *uint16 // of the SACK scoreboard, which counts packets by it
	unused int     // bytes of options that netstack leaves room for, and data does not carry
	full   int     // what MaxPayloadSize was set to
}

// Lengths of TCP options, in bytes, padding included.
const (
	timestampOption = 12
	allOptions      = 40
)

// unusedOptions returns how much room netstack leaves for SACK blocks: all that a time stamp
// leaves, or four blocks.
func unusedOptions(timestamps, sack bool) int {
	switch {
	case !sack:
		return 0
	case timestamps:
		return allOptions - timestampOption
	}
	return 4 + header.TCPMaxSACKBlocks*8
}

// fullSize has segments carry as much as fits. netstack makes them smaller when the path takes
// less, and takes the room for options off again.
func (s *sender) fullSize() {
	if s.MaxPayloadSize == s.full {
		return
	}
	s.MaxPayloadSize += s.unused
	s.full = s.MaxPayloadSize
	s.gso.MSS, *s.smss = uint16(s.full), uint16(s.full)
}

// superSize has netstack hand down as many segments in one as there can be, without a rest;
// with Nagle's algorithm no more than the whole ones of what it has not sent yet, in bytes, as
// it would wait for the acknowledgement of all that is in flight to fill up more.
func (s *sender) superSize(nagle bool, unsent int) {
	const headers = link.EthernetHeader + header.IPv6MinimumSize + header.TCPHeaderMaximumSize
	size := (link.MaxSuper - headers) / s.full
	if nagle {
		size = min(size, unsent/s.full)
	}
	// netstack takes this off it (sender.sendData).
	s.gso.MaxSize = uint32(max(size, 1)*s.full + header.TCPTotalHeaderMaximumSize + 1)
}
