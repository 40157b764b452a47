package drivercomm

import "encoding/binary"

// MaxPorts is how many Ethernet ports a card has at most.
const MaxPorts = 4

// IOQ is the header that stands before every packet in the card's memory, and is never on
// the wire (tech doc section 4.4.4). It takes IOQHeader bytes:
//
//	u16 dst_port       a bit for each port that the packet goes to
//	u16 word_length    of the packet, in words of 8 bytes, the last one counted whole
//	u16 src_port       the port that it came by
//	u16 byte_length    of the packet, without this header
type IOQ struct {
	Dst   uint16
	Words uint16
	Src   uint16
	Bytes uint16
}

// MACBit is the bit of an Ethernet port in IOQ.Dst, and HostBit that of the transfers to
// the host that belong to it. They alternate: MAC 0, host 0, MAC 1, and so on.
func MACBit(port int) uint16  { return 1 << (2 * port) }
func HostBit(port int) uint16 { return 2 << (2 * port) }

// NewIOQ returns the header of a packet of n bytes that goes to the ports of dst. Who
// sends does not fill in where it came from, which the hardware ignores.
func NewIOQ(dst uint16, n int) IOQ {
	return IOQ{Dst: dst, Words: uint16((n + 7) / 8), Bytes: uint16(n)}
}

// Put writes h, IOQHeader bytes, into p.
func (h IOQ) Put(p []byte) {
	_ = p[IOQHeader-1]
	binary.BigEndian.PutUint64(p, uint64(h.Dst)<<48|uint64(h.Words)<<32|uint64(h.Src)<<16|uint64(h.Bytes))
}
