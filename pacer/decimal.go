package pacer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxNumber is the longest number that is read, with room for leading zeros.
const maxNumber = 32

// What decimal has to say against a word.
var (
	errNoNumber = errors.New("not a decimal number")
	errTooFine  = errors.New("too many decimals")
	errTooLarge = errors.New("too large")
)

// ParseDecimal reads a number such as 12 or 0.5, without a sign or an exponent, and returns
// it times 10 to the power of places: as many decimals as it may have. It is exact.
func ParseDecimal(s string, places int) (int64, error) {
	v, err := decimal(s, places)
	switch {
	case err == errTooFine:
		err = fmt.Errorf("pacer: %s has more than %d decimals", short(s), places)
	case err == errTooLarge:
		err = fmt.Errorf("pacer: %s is too large", short(s))
	case err != nil:
		err = fmt.Errorf("pacer: %q is not a number", short(s))
	}
	return v, err
}

// FormatDecimal writes a number that was multiplied by 10 to the power of places so that
// ParseDecimal reads the same, with as few decimals as it needs.
func FormatDecimal(v int64, places int) string {
	sign, digits := "", strconv.FormatInt(v, 10)
	if v < 0 {
		sign, digits = "-", digits[1:]
	}
	if missing := places + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, decimals := digits[:len(digits)-places], strings.TrimRight(digits[len(digits)-places:], "0")
	if decimals != "" {
		decimals = "." + decimals
	}
	return sign + whole + decimals
}

// decimal is ParseDecimal. The number has at most maxNumber characters.
func decimal[T string | []byte](word T, places int) (int64, error) {
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
	for _, c := range []byte(word) {
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

// short returns as much of s as an error may quote.
func short(s string) string {
	if len(s) > maxNumber {
		return s[:maxNumber] + "..."
	}
	return s
}
