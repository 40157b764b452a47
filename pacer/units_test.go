package pacer_test

import (
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

func TestParseRate(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
	}{
		{"0", 0}, {"1", 1}, {"950000000", 950e6}, {"950M", 950e6}, {"950m", 950e6}, {"1.5G", 1.5e9}, {".5K", 500},
		{"64k", 64_000}, {"0.001k", 1}, {"1.000000001g", 1_000_000_001}, {"1000T", pacer.MaxRate}, {"7.", 7},
	} {
		if got, err := pacer.ParseRate(test.text); err != nil || got != test.want {
			t.Errorf("%q: got %d, %v, want %d", test.text, got, err, test.want)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"", "is not a rate"},
		{"M", "is not a rate"},
		{".", "is not a rate"},
		{"-1M", "is not a rate"},
		{"1e6", "is not a rate"},
		{"1 M", "is not a rate"},
		{"10MM", "is not a rate"},
		{"10Mbit", "is not a rate"},
		{strings.Repeat("1", 1e6), "11111..."},
		{"0.5", "not a whole number of bit/s"},
		{"1.0001K", "not a whole number of bit/s"},
		{"1000.1T", "the highest is 1000T"},
		{"99999999999999999999", "the highest is 1000T"},
	} {
		if _, err := pacer.ParseRate(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.20q: error %v, want one with %q", test.text, err, test.want)
		}
	}
}

func TestFormatRate(t *testing.T) {
	for bps, want := range map[int64]string{
		0: "0", 1: "1", 999: "999", 1000: "1K", 1234: "1.234K", 999_999: "999.999K", 1_000_001: "1.000001M", 939_900_000: "939.9M",
		1e9: "1G", 1_500_000_000: "1.5G", 999_999_999_999: "999.999999999G", 1e12: "1T", pacer.MaxRate: "1000T",
	} {
		if got := pacer.FormatRate(bps); got != want {
			t.Errorf("%d: got %s, want %s", bps, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1448": 1448, "128K": 128 << 10, "128k": 128 << 10, "1.5g": 3 << 29, "10M": 10 << 20, ".5K": 512, "7.K": 7 << 10,
		"1.1G": 1181116006, "0.0009K": 0, "0.001K": 1, "1.9": 1, "1024T": 1 << 50, "1023.999999999999T": 1<<50 - 2,
		"0000000000000000000000000000001K": 1024, "0.999999999999999999T": 1<<40 - 1,
	} {
		if got, err := pacer.ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"", `pacer: "" is not a size in bytes such as 1448, 128K or 1.5G`},
		{"K", "is not a size"},
		{".", "is not a size"},
		{".K", "is not a size"},
		{"1.2.3", "is not a size"},
		{"-1", "is not a size"},
		{"+1", "is not a size"},
		{"1e6", "is not a size"},
		{"0x10", "is not a size"},
		{"inf", "is not a size"},
		{"5KB", "is not a size"},
		{"5 K", "is not a size"},
		{strings.Repeat("1", 33), "is not a size"},
		{"1024.000000000001T", "a size of 1024.000000000001T is too large, the largest is 1024T"},
		{"1025T", "the largest is 1024T"},
		{"1125899906842625", "the largest is 1024T"},
		{"99999999999999999999T", "the largest is 1024T"},
		{"0.0000000000000000001T", "has more than 18 decimals"},
	} {
		if _, err := pacer.ParseSize(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40q: error %v, want one with %q", test.text, err, test.want)
		}
	}
}

func TestParseUnit(t *testing.T) {
	for text, want := range map[string]pacer.Unit{"wire": pacer.Wire, "ip": pacer.IP, "IP": pacer.IP, "Payload": pacer.Payload} {
		if got, err := pacer.ParseUnit(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "bytes", "Unit(3)"} {
		if _, err := pacer.ParseUnit(text); err == nil || !strings.Contains(err.Error(), "wire, ip or payload") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
