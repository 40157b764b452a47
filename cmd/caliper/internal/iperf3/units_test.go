package iperf3

import "testing"

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
