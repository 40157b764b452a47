package iperf3

import (
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "500M": 500e6, "1.5G": 1500e6, "1.15g": 1150e6, "8k": 8000, "2T": 2e12, ".5K": 500,
	} {
		if got, err := ParseRate(in); got != want || err != nil {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "not a number", "M": "not a number", "-1": "not a number", "1e6": "not a number", "0x10": "not a number",
		"inf": "not a number", "1.2.3": "not a number", "5MM": "not a number", "5 M": "not a number",
		"99999T": "too large", "500M/10": "burst", strings.Repeat("9", 40): "not a number",
	} {
		if got, err := ParseRate(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRate(%q) = %d, %v; want an error with %q", in, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"1448": 1448, "128K": 128 << 10, "1.5g": 3 << 29, "10M": 10 << 20, "1024T": 1 << 50} {
		if got, err := ParseSize(in); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	if got, err := ParseSize("1025T"); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("ParseSize(1025T) = %d, %v", got, err)
	}
}

// TestFormatUnits compares with what iperf3 3.12 prints.
func TestFormatUnits(t *testing.T) {
	for _, test := range []struct {
		bytes float64
		unit  byte
		want  string
	}{
		{0, 'A', "0.00 Byte"},
		{0, 'a', "0.00 bit"},
		{131072, 'A', " 128 KByte"},
		{98304, 'A', "96.0 KByte"},
		{916762, 'A', " 895 KByte"},
		{1047728, 'A', "1023 KByte"},
		{10 << 20, 'A', "10.0 MByte"},
		{5.41 * (1 << 30), 'A', "5.41 GByte"},
		{999, 'A', " 999 Byte"},
		{9.996 * 1024, 'A', "10.0 KByte"},
		{3 << 50, 'A', "3072 TByte"},
		{131072 / 1.000104, 'a', "1.05 Mbit"},
		{98250, 'a', " 786 Kbit"},
		{22.6e9 / 8, 'a', "22.6 Gbit"},
		{999.6e6 / 8, 'a', "1000 Mbit"},
		{1e6 / 8, 'k', "1000 Kbit"},
		{1e6 / 8, 'g', "0.00 Gbit"},
		{2554369 * 1024, 'K', "2554369 KByte"},
		{1 << 40, 'T', "1.00 TByte"},
	} {
		if got := formatUnits(test.bytes, test.unit); got != test.want {
			t.Errorf("formatUnits(%v, %c) = %q, want %q", test.bytes, test.unit, got, test.want)
		}
	}
}
