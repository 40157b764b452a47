package link

import "testing"

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		what string
		want string
	}{
		{0, "packet", "0 packets"}, {1, "packet", "1 packet"}, {2, "packet", "2 packets"},
		{1, "pass", "1 pass"}, {3, "pass", "3 passes"},
	} {
		if got := Count(c.n, c.what); got != c.want {
			t.Errorf("%d of %q are %q, want %q", c.n, c.what, got, c.want)
		}
	}
}
