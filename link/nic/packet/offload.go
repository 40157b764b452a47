package packet

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer"
)

// offloadHeader is the length of what the kernel puts before a frame, in bytes: struct
// virtio_net_hdr of linux/virtio_net.h, in the byte order of the machine.
//
//	0  flags        1: the checksum is to be completed
//	1  kind         what is to be cut: 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP; 0x80: TCP with CWR
//	2  header length
//	4  size         payload of each piece, in bytes
//	6  start        where in the frame the bytes begin that the checksum is over
//	8  offset       where after start it stands, with the pseudo-header's sum in it
const offloadHeader = 10

const (
	needsChecksum = 1

	cutNothing = 0
	cutTCP4    = 1
	cutTCP6    = 4
	cutUDP     = 5
	withCWR    = 0x80
)

// maxSuper is the largest frame that is cut, in bytes: an IP packet of 64 KiB behind its
// Ethernet header.
const maxSuper = link.EthernetHeader + 1<<16 - 1

// A handed is what the kernel has handed over: a frame, or a super-segment to be cut into many.
type handed struct {
	header [offloadHeader]byte
	frame  []byte // memory of the Receiver
	rest   []byte // for what is longer, which is put together here
	all    [3][]byte
	super  link.Super
}

// pieces returns where to read to.
func (h *handed) pieces(to *nic.Receiver) [][]byte {
	h.frame = to.Buffer()
	if h.rest == nil {
		h.rest = make([]byte, len(h.frame)+maxSuper)
	}
	h.all = [...][]byte{h.header[:], h.frame, h.rest[len(h.frame):]}
	return h.all[:]
}

// take takes in what was read, of n bytes.
func (h *handed) take(to *nic.Receiver, n int) {
	n = max(0, n-offloadHeader)
	b := h.frame[:min(n, len(h.frame))]
	if n > len(h.frame) {
		copy(h.rest, h.frame)
		b = h.rest[:n]
	}
	cut, ok := unload(h.header[:], b, &h.super)
	switch {
	case !ok:
		to.Lose(link.Malformed, 1)
	case cut:
		to.Cut(&h.super)
	default:
		to.Took(n)
	}
}

// unload does what the kernel has left to the card, where header stands before the frame b:
// it completes the checksum, or makes super the segment that is to be cut. It returns false for
// what is no frame, or contradicts itself.
func unload(header, b []byte, super *link.Super) (cut, ok bool) {
	if len(b) < link.EthernetHeader {
		return false, false
	}
	order := binary.NativeEndian
	flags, kind := header[0], header[1]&^withCWR
	l4, sum := 0, 0 // where the checksum's bytes begin, and where it stands
	if flags&needsChecksum != 0 {
		l4 = int(order.Uint16(header[6:]))
		sum = l4 + int(order.Uint16(header[8:]))
		if l4 < link.EthernetHeader || sum+2 > len(b) {
			return false, false
		}
	}
	switch {
	case kind != cutNothing:
		// A kernel leaves no segment to be cut whose checksum it has completed.
		proto, ok := protocol(b, kind)
		return true, ok && sum == l4+link.SumOffset(proto) &&
			super.Set(b, link.EthernetHeader, l4, proto, int(order.Uint16(header[4:])))
	case sum > 0:
		link.CompleteSum(b, l4, sum)
	}
	return false, true
}

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// protocol returns the protocol of what is to be cut.
func protocol(b []byte, kind byte) (proto byte, ok bool) {
	switch t := binary.BigEndian.Uint16(b[link.EthernetHeader-2:]); {
	case t == etherIPv4 && kind == cutTCP4, t == etherIPv6 && kind == cutTCP6:
		return pacer.ProtoTCP, true
	case (t == etherIPv4 || t == etherIPv6) && kind == cutUDP:
		return pacer.ProtoUDP, true
	}
	return 0, false
}
