package iperf3

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseRate reads a rate in bit/s as iperf3's -b does: "500M" or "1.5G", with the decimal
// suffixes k, M, G and T, in small or capital letters. The largest is 1000T.
func ParseRate(s string) (int64, error) {
	if strings.Contains(s, "/") {
		return 0, fmt.Errorf("rate %.40q: a burst size behind a slash is not supported; give the rate alone", s)
	}
	v, err := parseUnits(s, 1000, 1e15)
	if err != nil {
		return 0, fmt.Errorf("rate %.40q: %w; give bit/s such as 500M or 1.5G", s, err)
	}
	return v, nil
}

// ParseSize reads a number of bytes or blocks as iperf3's -n, -k and -l do: "128K" or
// "1.5G", with the binary suffixes K (1024), M, G and T. The largest is 1024T.
func ParseSize(s string) (int64, error) {
	v, err := parseUnits(s, 1024, 1<<50)
	if err != nil {
		return 0, fmt.Errorf("size %.40q: %w; give a number such as 1448, 128K or 1.5G", s, err)
	}
	return v, nil
}

func parseUnits(s string, base, most float64) (int64, error) {
	number, unit := s, 1.0
	if s != "" {
		if i := strings.IndexByte("kmgt", s[len(s)-1]|0x20); i >= 0 {
			number, unit = s[:len(s)-1], math.Pow(base, float64(i+1))
		}
	}
	// ParseFloat takes more than decimal numbers: hexadecimal ones, inf, exponents.
	if strings.Trim(number, "0123456789.") != "" || len(number) > 32 {
		return 0, fmt.Errorf("not a number with k, M, G or T behind it")
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("not a number")
	}
	if v *= unit; v > most {
		return 0, fmt.Errorf("too large")
	}
	return int64(math.Round(v)), nil
}

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
