package iperf3

import (
	"fmt"
	"math"
	"strings"
)

// formatUnits writes a number of bytes in four places and a unit: with a capital letter
// bytes in powers of 1024, with a small one bits in powers of 1000, of the size k, m, g or
// t, or a for the one that suits the number.
func formatUnits(bytes float64, unit byte) string {
	v, base, name := bytes, 1024.0, "Byte"
	if unit >= 'a' {
		v, base, name = bytes*8, 1000, "bit"
	}
	const prefixes = "KMGT"
	power := strings.IndexByte(prefixes, unit&^0x20) + 1
	if unit|0x20 == 'a' {
		for fit := v; fit >= base && power < len(prefixes); power++ {
			fit /= base
		}
	}
	prefix := ""
	if power > 0 {
		prefix = prefixes[power-1 : power]
		v /= math.Pow(base, float64(power))
	}
	// The bounds are those above which the number would be rounded to one more place.
	decimals := 0
	switch {
	case v < 9.995:
		decimals = 2
	case v < 99.95:
		decimals = 1
	}
	return fmt.Sprintf("%4.*f %s%s", decimals, v, prefix, name)
}
