package linktest

import "bytes"

// PseudoHeader returns what the checksum of a TCP or UDP segment of n bytes is over before the
// segment itself, in the form of IPv6 (RFC 8200, section 8.1), whose sum is that of IPv4, too.
func PseudoHeader(src, dst []byte, proto byte, n int) []byte {
	return append(append(bytes.Clone(src), dst...), 0, 0, byte(n>>8), byte(n), 0, 0, 0, proto)
}

// Checksum returns the Internet checksum, word by word as RFC 1071 tells it, which is no way to
// compute it but to test those that are faster.
func Checksum(b []byte) uint16 {
	sum := uint32(0)
	for i, x := range b {
		if i%2 == 0 {
			sum += uint32(x) << 8
		} else {
			sum += uint32(x)
		}
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// NoChecksum returns what the checksum of TCP or UDP never is: with UDP 0 says that there is
// none, and so it is written as -0 (RFC 768), which nothing but zeros would give TCP.
func NoChecksum(udp bool) uint16 {
	if udp {
		return 0
	}
	return 0xffff
}
