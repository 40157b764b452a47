package pacer

import "encoding/binary"

// A Tag is what a packet carries, besides its flow, that a Rule can ask for.
type Tag struct {
	Mark  uint32 // the socket's mark (SO_MARK); 0 without one
	Owner uint32 // the user id of the socket's owner; 0 is root, or unknown
	Label uint32 // the flow label of IPv6, 20 bits (RFC 6437)
	DSCP  uint8  // differentiated services code point, 6 bits (RFC 2474)
}

// ParseTag reads what an IP packet tells of its Tag. What is not IP has zeros.
func ParseTag(ip []byte) (dscp uint8, label uint32) {
	if len(ip) < 20 {
		return 0, 0
	}
	switch ip[0] >> 4 {
	case 4:
		return ip[1] >> 2, 0
	case 6:
		head := binary.BigEndian.Uint32(ip)
		return uint8(head >> 22 & 0x3f), head & 0xfffff
	}
	return 0, 0
}
