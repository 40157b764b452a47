package pcap

import (
	"math"
	exact "math/big"
	"testing"
	"testing/quick"
	"time"

	"github.com/netcaliper/caliper/link/pcap/pcaptest"
)

// TestResolutions has the same instant, 1.5 s, in all kinds of units that can tell it.
func TestResolutions(t *testing.T) {
	for resolution, stamp := range map[byte]uint64{
		1: 15, 3: 1500, 6: 1_500_000, 9: 1_500_000_000, 12: 1_500_000_000_000, 18: 1_500_000_000_000_000_000, 19: 15_000_000_000_000_000_000,
		0x80 | 1: 3, 0x80 | 20: 3 << 19, 0x80 | 32: 3 << 31, 0x80 | 62: 3 << 61, 0x80 | 63: 3 << 62,
	} {
		f := pcaptest.Little()
		f.Section()
		f.Interface(int(Raw), "", resolution)
		f.Packet(0, stamp, 1, pcaptest.UDP4(1000), 1028)
		got, _, err := readAll(f.Bytes())
		if err != nil {
			t.Errorf("resolution %#x: %v", resolution, err)
			continue
		}
		check(t, "1.5 s", got, 0, 1_500_000_000, Received)
	}
}

// TestUnits compares every unit with exact fractions.
func TestUnits(t *testing.T) {
	for u := range 256 {
		base := int64(10)
		if u&0x80 != 0 {
			base = 2
		}
		second := new(exact.Int).Exp(exact.NewInt(base), exact.NewInt(int64(u&0x7f)), nil)
		same := func(stamp uint64) bool {
			want := new(exact.Int).Mul(new(exact.Int).SetUint64(stamp), exact.NewInt(1e9))
			want.Quo(want, second) // rounded down
			ns, ok := unit(u).ns(stamp)
			return ok == want.IsUint64() && (!ok || ns == want.Uint64())
		}
		for _, stamp := range []uint64{0, 1, math.MaxUint32, math.MaxInt64, math.MaxUint64} {
			if !same(stamp) {
				t.Errorf("unit %#x, stamp %d", u, stamp)
			}
		}
		if err := quick.Check(same, &quick.Config{MaxCount: 100}); err != nil {
			t.Errorf("unit %#x: %v", u, err)
		}
		resolution := new(exact.Int).Add(exact.NewInt(1e9), new(exact.Int).Sub(second, exact.NewInt(1)))
		resolution.Quo(resolution, second)
		if got := unit(u).resolution(); int64(got) != resolution.Int64() {
			t.Errorf("unit %#x has a resolution of %v, not %v", u, got, time.Duration(resolution.Int64()))
		}
	}
}

// TestOffset has times before 1970, and beyond what can be counted.
func TestOffset(t *testing.T) {
	for _, test := range []struct {
		s     stamps
		stamp uint32
		want  int64 // -1: refused
	}{
		{stamps{9, 5}, 7, 5e9 + 7},
		{stamps{0, -3}, 5, 2e9},
		{stamps{0, -5}, 5, 0},
		{stamps{0, -6}, 5, -1},
		{stamps{0, 4611686018}, 0, 4611686018e9},
		{stamps{0, 4611686018}, 1, -1},
		{stamps{0, math.MaxInt64}, 1, -1},
		{stamps{0, math.MinInt64}, 1, -1},
		{stamps{0, 0}, math.MaxUint32, 4294967295e9},
	} {
		got, err := test.s.time(0, test.stamp)
		if err != nil {
			got = -1
		}
		if int64(got) != test.want {
			t.Errorf("%+v, %d: %d, %v", test.s, test.stamp, got, err)
		}
	}
	if _, err := (stamps{unit: 0}).time(2, 0); err == nil {
		t.Error("2^33 s are taken")
	}
}
