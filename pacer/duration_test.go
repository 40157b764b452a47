package pacer_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "10ms": 10e6, "200us": 200e3, "200µs": 200e3, "200\u03bcs": 200e3, "1ns": 1, "1.5us": 1500, ".5s": 5e8, "5.s": 5e9,
		"1m30s": 90e9, "1h2m3.000000004s": 3723e9 + 4, "1.5h": 5400e9, "30s1m": 90e9, "0.000000001m": 60,
		"9223372036854775807ns": math.MaxInt64, "2562047h47m16.854775807s": math.MaxInt64,
	} {
		if got, err := pacer.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"", `pacer: "" is not a time such as 10ms, 200us or 1m30s`},
		{"10", "is not a time"},
		{"00", "is not a time"},
		{"ms", "is not a time"},
		{".ms", "is not a time"},
		{"-1ms", "is not a time"},
		{"+1ms", "is not a time"},
		{"1 ms", "is not a time"},
		{"1MS", "is not a time"},
		{"1d", "is not a time"},
		{"1ms2", "is not a time"},
		{"1..5s", "is not a time"},
		{"1e3s", "is not a time"},
		{strings.Repeat("1", 40) + "s", "is not a time"},
		{"1.5ns", "1.5ns is finer than a nanosecond"},
		{"0.0001us", "is finer than a nanosecond"},
		{"9223372036854775808ns", "is too long, the longest is 292 years"},
		{"9223372036854775807ns1ns", "is too long"},
		{"2562048h", "is too long"},
		{"9223372036h", "is too long"},
		{"99999999999999999999h", "is too long"},
		{"5124095.576030432h", "is too long"},                        // 3584 ns more than 64 bits hold
		{"9223372036854775807ns153722867.280912931m", "is too long"}, // which wraps to 51 ns
	} {
		if _, err := pacer.ParseDuration(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want one with %q", test.text, err, test.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 1: "1ns", 1500: "1.5us", 10e6: "10ms", 90e9: "1m30s", 5400e9: "1h30m0s"} {
		if got := pacer.FormatDuration(d); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}

func TestParseSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "5": 5e9, "0.25": 25e7, ".1": 1e8, "1.000000001": 1e9 + 1, "9223372036.854775807": math.MaxInt64} {
		if got, err := pacer.ParseSeconds(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"", `pacer: "" is not a number of seconds such as 5 or 0.25`},
		{"5s", "is not a number of seconds"},
		{"-1", "is not a number of seconds"},
		{"1e3", "is not a number of seconds"},
		{"0.0000000001", "is finer than a nanosecond"},
		{"9223372036.854775808", "is too long, the longest is 292 years"},
	} {
		if _, err := pacer.ParseSeconds(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want one with %q", test.text, err, test.want)
		}
	}
}

func TestParseGap(t *testing.T) {
	for text, want := range map[string]pacer.Gap{"0": 0, "13560": 13_560_000, "13333.33": 13_333_330, "0.001": 1, "9223372036854775.807": math.MaxInt64} {
		got, err := pacer.ParseGap(text)
		if err != nil || got != want || pacer.FormatGap(got) != text {
			t.Errorf("%q: got %d, %v, want %d; written %s", text, got, err, want, pacer.FormatGap(got))
		}
	}
	for _, test := range []struct{ text, want string }{
		{"", `pacer: "" is not a number of nanoseconds such as 13560 or 13333.33`},
		{"1 2", "is not a number of nanoseconds"},
		{"-1", "is not a number of nanoseconds"},
		{"0.0001", "is finer than a picosecond"},
		{"9223372036854775.808", "is too long for a gap, the longest is 106 days"},
		{strings.Repeat("1", 33), "is too long for a number"},
	} {
		if _, err := pacer.ParseGap(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want one with %q", test.text, err, test.want)
		}
	}
}
