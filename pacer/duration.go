package pacer

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"
)

// durationUnits are the units of a duration: as many decimals as there are to a nanosecond,
// or to a billionth of the unit, and what remains to be multiplied by.
var durationUnits = map[string]struct {
	places int
	times  uint64
}{
	"ns": {0, 1}, "us": {3, 1}, "µs": {3, 1}, "μs": {3, 1}, "ms": {6, 1}, "s": {9, 1}, "m": {9, 60}, "h": {9, 3600},
}

// ParseDuration reads a duration as Go writes it, with us for microseconds: numbers with
// the units h, m, s, ms, us and ns, such as 10ms, 0.5s or 1m30s. Unlike time.ParseDuration
// it is exact, and takes no sign. It returns an error where something else is found, for
// what is finer than a nanosecond, and above 292 years.
func ParseDuration(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	return d, edge(err)
}

func parseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	var sum uint64
	for rest := s; ; {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))]
		rest = rest[len(number):]
		name := rest
		if i := strings.IndexAny(rest, "0123456789."); i >= 0 {
			name = rest[:i]
		}
		rest = rest[len(name):]
		unit, known := durationUnits[name]
		v, err := decimal(number, unit.places)
		switch {
		case !known || err == errNoNumber:
			return 0, fmt.Errorf("%q is not a time such as 10ms, 200us or 1m30s", short(s))
		case err == errTooFine:
			return 0, fmt.Errorf("%s is finer than a nanosecond", short(s))
		}
		hi, ns := bits.Mul64(uint64(v), unit.times)
		if sum += ns; err != nil || hi > 0 || ns > math.MaxInt64 || sum > math.MaxInt64 {
			return 0, fmt.Errorf("%s is too long, the longest is 292 years", short(s))
		}
		if rest == "" {
			return time.Duration(sum), nil
		}
	}
}

// FormatDuration writes a duration, in ASCII, so that ParseDuration reads the same.
func FormatDuration(d time.Duration) string { return strings.Replace(d.String(), "µ", "u", 1) }

// ParseSeconds reads a number of seconds, with up to nine decimals. It is exact. It returns
// an error where something else is found, and above 292 years.
func ParseSeconds(s string) (time.Duration, error) {
	d, err := parseSeconds(s)
	return d, edge(err)
}

func parseSeconds[T string | []byte](word T) (time.Duration, error) {
	ns, err := decimal(word, 9)
	switch s := short(string(word)); {
	case err == errTooFine:
		return 0, fmt.Errorf("%s s is finer than a nanosecond: give at most nine decimals", s)
	case err == errTooLarge:
		return 0, fmt.Errorf("%s s is too long, the longest is 292 years", s)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number of seconds such as 5 or 0.25", s)
	}
	return time.Duration(ns), nil
}

// ParseGap reads a gap: nanoseconds, with up to three decimals. It is exact. It returns an
// error where something else is found, and above some 106 days.
func ParseGap(s string) (Gap, error) {
	g, err := parseGap(s)
	return g, edge(err)
}

func parseGap[T string | []byte](word T) (Gap, error) {
	ps, err := decimal(word, 3)
	switch s := short(string(word)); {
	case err == errTooFine:
		return 0, fmt.Errorf("%s ns is finer than a picosecond: give at most three decimals", s)
	case err == errTooLarge:
		return 0, fmt.Errorf("%s ns is too long for a gap, the longest is 106 days", s)
	case len(word) > maxNumber:
		return 0, fmt.Errorf("%q is too long for a number", s)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number of nanoseconds such as 13560 or 13333.33", s)
	}
	return Gap(ps), nil
}

// FormatGap writes a gap so that ParseGap reads the same.
func FormatGap(g Gap) string { return FormatDecimal(int64(g), 3) }
