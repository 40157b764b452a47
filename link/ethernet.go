package link

import "encoding/binary"

// EtherTypes of what an IP packet may stand behind (IEEE 802 Numbers, IANA).
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100 // IEEE 802.1Q
	etherQinQ  = 0x88a8 // IEEE 802.1ad
	etherQinQ9 = 0x9100 // the same before it was a standard
	etherMPLS  = 0x8847 // RFC 3032
	etherMPLSM = 0x8848 // its multicast, RFC 5332
	etherPPPoE = 0x8864 // RFC 2516, the session
)

// vlanTag is the length of a VLAN tag, in bytes.
const vlanTag = 4

// maxLayers is how many tags and labels an IP packet is looked for behind.
const maxLayers = 16

func isVLAN(etherType uint16) bool {
	return etherType == etherVLAN || etherType == etherQinQ || etherType == etherQinQ9
}

// FindIP returns where in b an IP packet begins, if what begins at b[at:] is of the given
// EtherType. It looks behind VLAN tags, MPLS labels and PPPoE. What is cut off before is not
// found.
func FindIP(b []byte, etherType uint16, at int) (ip int, ok bool) {
	for range maxLayers {
		rest := b[min(at, len(b)):]
		switch {
		case etherType == etherIPv4 || etherType == etherIPv6:
			return at, at <= len(b)
		case isVLAN(etherType) && len(rest) >= vlanTag:
			etherType = binary.BigEndian.Uint16(rest[2:])
			at += vlanTag
		case (etherType == etherMPLS || etherType == etherMPLSM) && len(rest) >= 5:
			at += 4
			if rest[2]&1 == 0 { // not the bottom of the stack
				continue
			}
			// Nothing but the packet itself says what it is.
			return at, rest[4]>>4 == 4 || rest[4]>>4 == 6
		case etherType == etherPPPoE && len(rest) >= 8:
			const pppIPv4, pppIPv6 = 0x0021, 0x0057
			proto := binary.BigEndian.Uint16(rest[6:])
			return at + 8, proto == pppIPv4 || proto == pppIPv6
		default:
			return 0, false
		}
	}
	return 0, false
}

// FindIPInFrame is FindIP for an Ethernet frame.
func FindIPInFrame(frame []byte) (ip int, ok bool) {
	if len(frame) < EthernetHeader {
		return 0, false
	}
	return FindIP(frame, binary.BigEndian.Uint16(frame[EthernetHeader-2:]), EthernetHeader)
}

// Fits reports whether a frame of the device is no longer than its MTU. As on every
// Ethernet, the MTU is that of what is behind up to two VLAN tags (IEEE 802.3ac, 802.1ad).
func (i Info) Fits(frame []byte) bool {
	over := len(frame) - i.Header() - i.MTU
	return over <= 0 || i.Address != nil && over <= VLANBytes(frame)
}

// VLANBytes returns how long the VLAN tags are at the beginning of an Ethernet frame, of
// which there may be two.
func VLANBytes(frame []byte) (n int) {
	for n < 2*vlanTag && len(frame) >= EthernetHeader+n && isVLAN(binary.BigEndian.Uint16(frame[EthernetHeader-2+n:])) {
		n += vlanTag
	}
	return n
}
