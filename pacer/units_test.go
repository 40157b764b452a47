package pacer_test

import (
	"math/big"
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

// FuzzParseRate compares with rational numbers.
func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"100M", "1.5G", "0", "1000T", "1000.001T", "0.0000001G", "1.2345K", "+1", "1_0", "0x1M", "1/2", "..", "k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := pacer.ParseRate(text)
		want, ok := exactRateOf(text)
		if (err == nil) != ok || got != want {
			t.Errorf("%q: got %d, %v, want %d, %v", text, got, err, want, ok)
		}
	})
}

func exactRateOf(text string) (int64, bool) {
	number, places := text, 0
	if text != "" {
		if i := strings.Index("KMGT", strings.ToUpper(text[len(text)-1:])); i >= 0 {
			number, places = text[:len(text)-1], 3*(i+1)
		}
	}
	v, ok := new(big.Rat).SetString(number)
	_, decimals, _ := strings.Cut(number, ".")
	if !ok || strings.Trim(number, "0123456789.") != "" || len(number) > 32 || len(decimals) > places {
		return 0, false
	}
	v.Mul(v, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)))
	if v.Cmp(big.NewRat(pacer.MaxRate, 1)) > 0 {
		return 0, false
	}
	return v.Num().Int64(), true
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
