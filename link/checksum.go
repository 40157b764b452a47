package link

import "encoding/binary"

// Sum adds the 16-bit words of b to s: the Internet checksum without its folding (RFC
// 1071). A last odd byte counts as the upper half of a word.
func Sum(s uint64, b []byte) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		x := binary.BigEndian.Uint64(b)
		s += x>>32 + x&0xffff_ffff
	}
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// Fold brings a Sum down to 16 bits, in ones' complement.
func Fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
