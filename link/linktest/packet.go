package linktest

import (
	"encoding/binary"
	"net/netip"

	"github.com/netcaliper/caliper/pacer"
)

// UDP returns a UDP packet from its IP header on, with its checksums (RFC 768, 791,
// 8200). Both addresses are IPv4 or both IPv6.
func UDP(src, dst netip.AddrPort, payload []byte) []byte {
	length := 8 + len(payload)
	var b []byte
	if src.Addr().Is4() {
		b = make([]byte, 20, 20+length)
		b[0] = 4<<4 | 5
		binary.BigEndian.PutUint16(b[2:], uint16(20+length))
		b[8], b[9] = 64, pacer.ProtoUDP // time to live, protocol
		copy(b[12:], src.Addr().AsSlice())
		copy(b[16:], dst.Addr().AsSlice())
		binary.BigEndian.PutUint16(b[10:], checksum(0, b))
	} else {
		b = make([]byte, 40, 40+length)
		b[0] = 6 << 4
		binary.BigEndian.PutUint16(b[4:], uint16(length))
		b[6], b[7] = pacer.ProtoUDP, 64 // next header, hop limit
		copy(b[8:], src.Addr().AsSlice())
		copy(b[24:], dst.Addr().AsSlice())
	}
	ip := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	b = append(b, payload...)

	// The checksum also covers a pseudo-header: addresses, protocol and length.
	addresses := b[ip-2*len(src.Addr().AsSlice()) : ip]
	sum := checksum(uint32(pacer.ProtoUDP+length)+uint32(^checksum(0, addresses)), b[ip:])
	if sum == 0 {
		sum = 0xffff // 0 would say that there is none
	}
	binary.BigEndian.PutUint16(b[ip+6:], sum)
	return b
}

// checksum is the Internet checksum (RFC 1071) of b, with sum added to it.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
