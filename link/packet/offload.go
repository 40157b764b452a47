package packet

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/link"
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

// A handed is what the kernel handed over: one frame, or a super-segment to be cut into many.
type handed struct {
	b     []byte // the frame
	l4    int    // where the checksum's bytes begin
	sum   int    // where the checksum stands, 0 where it is complete
	cut   bool
	super link.Super
}

// unload reads what the kernel handed over. It returns false for what is no frame, or
// contradicts itself.
func unload(b []byte) (h handed, ok bool) {
	if len(b) < offloadHeader+link.EthernetHeader {
		return h, false
	}
	order := binary.NativeEndian
	flags, kind := b[0], b[1]&^withCWR
	h = handed{b: b[offloadHeader:]}
	if flags&needsChecksum != 0 {
		h.l4 = int(order.Uint16(b[6:]))
		h.sum = h.l4 + int(order.Uint16(b[8:]))
		if h.l4 < link.EthernetHeader || h.sum+2 > len(h.b) {
			return h, false
		}
	}
	if kind == cutNothing {
		return h, true
	}
	h.cut = true
	return h, h.plan(kind, int(order.Uint16(b[4:])))
}

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// plan finds where to cut. A kernel leaves no segment to be cut whose checksum it has
// completed.
func (h *handed) plan(kind byte, size int) bool {
	proto := byte(pacer.ProtoTCP)
	switch t := binary.BigEndian.Uint16(h.b[link.EthernetHeader-2:]); {
	case t == etherIPv4 && kind == cutTCP4, t == etherIPv6 && kind == cutTCP6:
	case (t == etherIPv4 || t == etherIPv6) && kind == cutUDP:
		proto = pacer.ProtoUDP
	default:
		return false
	}
	return h.sum == h.l4+link.SumOffset(proto) && h.super.Set(h.b, link.EthernetHeader, h.l4, proto, size)
}

// frames returns how many frames are to be made.
func (h *handed) frames() int {
	if h.cut {
		return h.super.Frames()
	}
	return 1
}

// longest returns the length of the longest frame to be made, in bytes.
func (h *handed) longest() int {
	if h.cut {
		return h.super.Longest()
	}
	return len(h.b)
}

// next makes the next frame.
func (h *handed) next(pool *link.Pool) *link.Frame {
	if h.cut {
		return h.super.Next(pool)
	}
	f := pool.Frame(len(h.b))
	copy(f.Bytes(), h.b)
	if h.sum != 0 {
		link.CompleteSum(f.Bytes(), h.l4, h.sum)
	}
	return f
}
