package pacer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxRate is the highest rate that ParseRate reads, in bit/s: 1000T.
const MaxRate = 1_000_000_000_000_000

// rateUnits are the suffixes of a rate, in powers of 1000, from 1000 on.
const rateUnits = "KMGT"

// ParseRate reads a rate in bit/s as iperf3's -b is written: a decimal number such as 100M
// or 1.5G, with the suffixes K, M, G and T, in small or capital letters, for powers of 1000.
// It is exact. It returns an error where something else is found, for a fraction of a bit/s,
// and above MaxRate. A rate of 0 is no error.
func ParseRate(s string) (int64, error) {
	bps, err := parseRate(s)
	return bps, edge(err)
}

func parseRate(s string) (int64, error) {
	number, places := s, 0
	if s != "" {
		if i := strings.IndexByte(rateUnits, s[len(s)-1]&^0x20); i >= 0 {
			number, places = s[:len(s)-1], 3*(i+1)
		}
	}
	bps, err := decimal([]byte(number), places)
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

// formatRate writes a rate so that ParseRate reads the same: with the largest suffix that
// leaves three decimals at most.
func formatRate(bps int64) string {
	unit := int64(1e12)
	for i := len(rateUnits) - 1; i >= 0; i-- {
		if bps >= unit && bps%(unit/1000) == 0 && (bps < 1000*unit || i == len(rateUnits)-1) {
			number := strconv.FormatInt(bps/unit, 10)
			if rest := bps % unit / (unit / 1000); rest > 0 {
				number += strings.TrimRight(fmt.Sprintf(".%03d", rest), "0")
			}
			return number + rateUnits[i:i+1]
		}
		unit /= 1000
	}
	return strconv.FormatInt(bps, 10)
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

// maxNumber is the longest number that is read, with room for leading zeros.
const maxNumber = 32

// What decimal has to say against a word.
var (
	errNoNumber = errors.New("not a decimal number")
	errTooFine  = errors.New("too many decimals")
	errTooLarge = errors.New("too large")
)

// decimal reads a number such as 12 or 0.5, without a sign or an exponent and of at most
// maxNumber characters, and returns it times 10 to the power of places: as many decimals as
// it may have.
func decimal(word []byte, places int) (int64, error) {
	if len(word) > maxNumber {
		return 0, errNoNumber
	}
	const limit = 1<<63 - 1
	var v uint64
	digits, decimals, point, large := 0, 0, false, false
	next := func(digit uint64) {
		if large = large || v > (limit-digit)/10; !large {
			v = v*10 + digit
		}
	}
	for _, c := range word {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return 0, errNoNumber
		}
		digits++
		if point {
			decimals++
		}
		next(uint64(c - '0'))
	}
	for i := decimals; i < places; i++ {
		next(0)
	}
	switch {
	case digits == 0:
		return 0, errNoNumber
	case decimals > places:
		return 0, errTooFine
	case large:
		return 0, errTooLarge
	}
	return int64(v), nil
}

// edge is what errors pass on their way out of the package.
func edge(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pacer: %w", err)
}

// short returns so much of s as an error may quote.
func short(s string) string {
	if len(s) > maxNumber {
		return s[:maxNumber] + "..."
	}
	return s
}
