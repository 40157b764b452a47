package traffic

import "testing"

func TestParseSpeed(t *testing.T) {
	for s, want := range map[string]Speed{"1": 1e6, "0.5": 5e5, "2.25": 2.25e6, "0.001": 1e3, "1000000": 1e12, "1.000001": 1000001, "10.": 1e7, ".5": 5e5} {
		if v, err := ParseSpeed(s); err != nil || v != want {
			t.Errorf("%s is %d, %v", s, v, err)
		}
	}
	if s := Speed(2_250_000).String(); s != "2.25" {
		t.Errorf("2.25 is written %s", s)
	}
	for _, s := range []string{"", "0", "-1", "x", "0.0001", "1000000.1", "1.0000001", "1e3", "99999999999999999999", "NaN"} {
		if v, err := ParseSpeed(s); err == nil {
			t.Errorf("%s is %d", s, v)
		}
	}
}
