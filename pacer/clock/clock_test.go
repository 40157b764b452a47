package clock_test

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTimeString(t *testing.T) {
	for _, test := range []struct {
		time clock.Time
		want string
	}{
		{0, "0.000000000s"},
		{1, "0.000000001s"},
		{12_951_578_947, "12.951578947s"},
		{-1_500_000_000, "-1.500000000s"},
		{math.MinInt64, "-9223372036.854775808s"},
		{clock.Never - 1, "9223372036.854775806s"},
		{clock.Never, "never"},
	} {
		if got := test.time.String(); got != test.want {
			t.Errorf("%d: got %q, want %q", int64(test.time), got, test.want)
		}
	}
}

func TestTimeArithmetic(t *testing.T) {
	at := clock.Time(5)
	if got := at.Add(time.Microsecond); got != 1005 {
		t.Errorf("5 ns and a microsecond are %d", got)
	}
	if got := at.Sub(1005); got != -time.Microsecond {
		t.Errorf("5 ns is %v after 1005 ns", got)
	}
}

// Every Time can be there, 0 and Never as well, and none is none.
func TestOptional(t *testing.T) {
	var none clock.Optional
	if at, ok := none.Get(); ok || at != 0 || none.IsSet() || none.Or(7) != 7 || none.String() != "none" {
		t.Errorf("the zero Optional is set: %v", none)
	}
	for _, at := range []clock.Time{math.MinInt64, -1, 0, 1, clock.Never} {
		o := clock.At(at)
		if got, ok := o.Get(); !ok || got != at || !o.IsSet() || o.Or(7) != at || o.String() != at.String() {
			t.Errorf("At(%v) is %v", at, o)
		}
		if o == none {
			t.Errorf("At(%v) is none", at)
		}
	}
}
