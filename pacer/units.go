package pacer

import (
	"fmt"
	"math/bits"
	"strings"
)

// What a user writes is read and written here and in duration.go, for all commands, files
// and policies alike:
//
//	rate      950M, 1.5G        bit/s; K, M, G and T are powers of 1000, as in iperf3's -b
//	size      1448, 128K, 1.5G  bytes; K, M, G and T are powers of 1024, as in iperf3's -n, -k and -l
//	unit      wire, ip, payload what the bytes of a rate are
//	duration  10ms, 1m30s       of Go, with us for microseconds
//	seconds   5, 0.25           where the unit is fixed, as in iperf3's -i
//	gap       13560, 13333.33   nanoseconds
//
// Suffixes may be small or capital letters. Numbers are decimal and have neither a sign nor
// an exponent. All is computed in integers: what is read is exact, what cannot be is refused,
// and what is written is read back as the same.

const (
	// MaxRate is the highest rate that ParseRate reads, in bit/s: 1000T.
	MaxRate = 1_000_000_000_000_000
	// MaxSize is the largest size that ParseSize reads, in bytes: 1024T.
	MaxSize = 1 << 50
)

// suffixes are those of a rate or a size, by their power of 1000 or 1024, from 1 on.
const suffixes = "KMGT"

// cutSuffix takes the suffix off a number, and returns its power, or 0 where there is none.
func cutSuffix(s string) (number string, power int) {
	if s == "" {
		return s, 0
	}
	i := strings.IndexByte(suffixes, s[len(s)-1]&^0x20)
	if i < 0 {
		return s, 0
	}
	return s[:len(s)-1], i + 1
}

// ParseRate reads a rate in bit/s as iperf3's -b is written: a decimal number such as 100M
// or 1.5G, with the suffixes K, M, G and T, in small or capital letters, for powers of 1000.
// It is exact. It returns an error where something else is found, for a fraction of a bit/s,
// and above MaxRate. A rate of 0 is no error.
func ParseRate(s string) (int64, error) {
	bps, err := parseRate(s)
	return bps, edge(err)
}

func parseRate(s string) (int64, error) {
	number, power := cutSuffix(s)
	bps, err := decimal(number, 3*power)
	switch {
	case err == errTooFine:
		return 0, fmt.Errorf("a rate of %s is not a whole number of bit/s", short(s))
	case err == errTooLarge || err == nil && bps > MaxRate:
		return 0, fmt.Errorf("a rate of %s is too high, the highest is 1000T", short(s))
	case err != nil:
		return 0, fmt.Errorf("%q is not a rate in bit/s such as 950M or 1.5G", short(s))
	}
	return bps, nil
}

// FormatRate writes a rate in bit/s so that ParseRate reads the same: with the largest
// suffix that leaves a number from 1 on.
func FormatRate(bps int64) string {
	unit := int64(1e12)
	for power := len(suffixes); power > 0; power-- {
		if bps >= unit {
			return FormatDecimal(bps, 3*power) + suffixes[power-1:power]
		}
		unit /= 1000
	}
	return FormatDecimal(bps, 0)
}

// ParseSize reads a number of bytes, or of what else iperf3's -n, -k and -l count: a decimal
// number such as 1448, 128K or 1.5G, with the suffixes K, M, G and T, in small or capital
// letters, for powers of 1024. What is less than a byte is left out, as by iperf3. It returns
// an error where something else is found, and above MaxSize. A size of 0 is no error.
func ParseSize(s string) (int64, error) {
	n, err := parseSize(s)
	switch {
	case err == errTooFine:
		return 0, fmt.Errorf("pacer: a size of %s has more than 18 decimals", short(s))
	case err == errTooLarge || err == nil && n > MaxSize:
		return 0, fmt.Errorf("pacer: a size of %s is too large, the largest is 1024T", short(s))
	case err != nil:
		return 0, fmt.Errorf("pacer: %q is not a size in bytes such as 1448, 128K or 1.5G", short(s))
	}
	return n, nil
}

func parseSize(s string) (int64, error) {
	number, power := cutSuffix(s)
	if _, err := decimal(number, maxNumber); err != nil && err != errTooLarge {
		return 0, err
	}
	whole, fraction, _ := strings.Cut(number, ".")
	n, err := int64(0), error(nil)
	if whole != "" {
		n, err = decimal(whole, 0)
	}
	if err != nil || n > MaxSize>>(10*power) {
		return 0, errTooLarge
	}
	v, err := decimal("0."+fraction, 18)
	if err != nil {
		return 0, err
	}
	hi, lo := bits.Mul64(uint64(v), 1<<(10*power))
	rest, _ := bits.Div64(hi, lo, 1e18)
	return n<<(10*power) + int64(rest), nil
}

// ParseUnit reads the name of a unit: wire, ip or payload, in small or capital letters.
func ParseUnit(s string) (Unit, error) {
	u, err := parseUnit(s)
	return u, edge(err)
}

func parseUnit(s string) (Unit, error) {
	for u := Wire; u <= Payload; u++ {
		if strings.EqualFold(s, u.String()) {
			return u, nil
		}
	}
	return 0, fmt.Errorf("a rate counts wire, ip or payload bytes, not %q", short(s))
}
