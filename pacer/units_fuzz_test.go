package pacer_test

import (
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// power returns base to the power of n.
func power(base, n int) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(int64(base)), big.NewInt(int64(n)), nil))
}

var (
	number = regexp.MustCompile(`^([0-9]+\.?[0-9]*|\.[0-9]+)$`)
	parts  = regexp.MustCompile(`([0-9.]+)(h|ms|m|s|us|µs|\x{3bc}s|ns)`)
	whole  = regexp.MustCompile(`^(` + parts.String() + `)+$`)
)

// rational reads a decimal number of at most 32 characters.
func rational(s string) (*big.Rat, bool) {
	if len(s) > 32 || !number.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// decimals tells how many decimals a number has.
func decimals(s string) int {
	_, d, _ := strings.Cut(s, ".")
	return len(d)
}

// suffixed reads a number with a suffix for a power of base.
func suffixed(s string, base int) (v *big.Rat, places int, ok bool) {
	n := 0
	if s != "" {
		if i := strings.Index("KMGTkmgt", s[len(s)-1:]); i >= 0 {
			s, n = s[:len(s)-1], i%4+1
		}
	}
	if v, ok = rational(s); ok {
		v.Mul(v, power(base, n))
	}
	return v, 3*n - decimals(s), ok
}

// exactly returns a number that must be whole and at most most.
func exactly(v *big.Rat, ok bool, most int64) (int64, bool) {
	if !ok || !v.IsInt() || !v.Num().IsInt64() || v.Num().Int64() > most {
		return 0, false
	}
	return v.Num().Int64(), true
}

// FuzzUnits compares with rational numbers what is read, and reads again what is written.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{
		"100M", "1.5G", "0", "1000T", "1000.001T", "0.0000001G", "1.2345K", "+1", "1_0", "0x1M", "1/2", "..", "k", "128K", "1.1g", "1024.1T",
		"0.0000000000000000000001T", "9007199254740993", "1e9", "inf", "10ms", "1h2m3.5s", "2562047h47m16.854775807s", "0.3us", "1.5ns", "1µs1ns",
		"9223372036.854775807", "13333.33", "9223372036854775.807", "00000000000000000000000000000000", "9999999999999999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		check := func(what string, got int64, err error, want int64, ok bool, format func() (string, int64, error)) {
			if (err == nil) != ok || got != want {
				t.Errorf("%s %q: got %d, %v, want %d, %v", what, s, got, err, want, ok)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("%s: an error of %d bytes", what, len(err.Error()))
			}
			if err != nil || format == nil {
				return
			}
			if text, again, err := format(); err != nil || again != got {
				t.Errorf("%s %q is %d, written %q, and that %d, %v", what, s, got, text, again, err)
			}
		}

		v, places, ok := suffixed(s, 1000)
		want, ok := exactly(v, ok && places >= 0, pacer.MaxRate)
		bps, err := pacer.ParseRate(s)
		check("rate", bps, err, want, ok, func() (string, int64, error) {
			text := pacer.FormatRate(bps)
			again, err := pacer.ParseRate(text)
			return text, again, err
		})

		v, _, ok = suffixed(s, 1024)
		if ok = ok && v.Cmp(power(1024, 5)) < 0 || ok && v.Cmp(power(1024, 5)) == 0; ok {
			v = new(big.Rat).SetInt(new(big.Int).Quo(v.Num(), v.Denom()))
		}
		want, ok = exactly(v, ok && decimals(strings.TrimRight(s, "KMGTkmgt")) <= 18, pacer.MaxSize)
		size, err := pacer.ParseSize(s)
		check("size", size, err, want, ok, nil)

		v, ok = rational(s)
		if ok {
			v.Mul(v, power(10, 9))
		}
		want, ok = exactly(v, ok && decimals(s) <= 9, math.MaxInt64)
		d, err := pacer.ParseSeconds(s)
		check("seconds", int64(d), err, want, ok, nil)

		v, ok = rational(s)
		if ok {
			v.Mul(v, power(10, 3))
		}
		want, ok = exactly(v, ok && decimals(s) <= 3, math.MaxInt64)
		gap, err := pacer.ParseGap(s)
		check("gap", int64(gap), err, want, ok, func() (string, int64, error) {
			text := pacer.FormatGap(gap)
			again, err := pacer.ParseGap(text)
			return text, int64(again), err
		})

		v, ok = durationOf(s)
		want, ok = exactly(v, ok, math.MaxInt64)
		d, err = pacer.ParseDuration(s)
		check("duration", int64(d), err, want, ok, func() (string, int64, error) {
			text := pacer.FormatDuration(d)
			again, err := pacer.ParseDuration(text)
			return text, int64(again), err
		})
	})
}

// durationOf returns the nanoseconds of a duration.
func durationOf(s string) (*big.Rat, bool) {
	sum := new(big.Rat)
	if s == "0" {
		return sum, true
	}
	if !whole.MatchString(s) {
		return nil, false
	}
	for _, part := range parts.FindAllStringSubmatch(s, -1) {
		unit, places := map[string]time.Duration{"h": time.Hour, "m": time.Minute, "s": time.Second, "ms": 1e6, "us": 1e3, "ns": 1}[part[2]], 9
		switch part[2] {
		case "ms":
			places = 6
		case "us", "µs", "\u03bcs":
			unit, places = time.Microsecond, 3
		case "ns":
			places = 0
		}
		v, ok := rational(part[1])
		if !ok || decimals(part[1]) > places {
			return nil, false
		}
		sum.Add(sum, v.Mul(v, power(int(unit), 1)))
	}
	return sum, true
}

// FuzzFormat reads again what is written.
func FuzzFormat(f *testing.F) {
	for _, v := range []int64{0, 1, 999, 1000, 1234567, 939_900_000, 1e15, math.MaxInt64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v int64) {
		if v < 0 {
			return
		}
		if got, err := pacer.ParseDuration(pacer.FormatDuration(time.Duration(v))); err != nil || int64(got) != v {
			t.Errorf("a duration of %d is read again as %d, %v", v, got, err)
		}
		if got, err := pacer.ParseGap(pacer.FormatGap(pacer.Gap(v))); err != nil || int64(got) != v {
			t.Errorf("a gap of %d is read again as %d, %v", v, got, err)
		}
		if v %= pacer.MaxRate + 1; true {
			if got, err := pacer.ParseRate(pacer.FormatRate(v)); err != nil || got != v {
				t.Errorf("a rate of %d is read again as %d, %v", v, got, err)
			}
		}
		for places := range 19 {
			if got, err := pacer.ParseDecimal(pacer.FormatDecimal(v, places), places); err != nil || got != v {
				t.Errorf("%d with %d decimals is read again as %d, %v", v, places, got, err)
			}
		}
	})
}
