package pacer_test

import (
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

// Wherever the numbers begin, what comes later is later: up to 2^31 - 1 bytes ahead, and
// at 2^31 there is no saying.
func TestSeq(t *testing.T) {
	starts := []pacer.Seq{0, 1, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 1}
	for s := pacer.Seq(12345); s != 12345+20*0x1234567; s += 0x1234567 {
		starts = append(starts, s, -s)
	}
	for _, s := range starts {
		for _, n := range []int{1, 2, 1447, 1 << 20, 1 << 30, 1<<31 - 1} {
			later := s + pacer.Seq(n)
			if !s.Before(later) || later.Before(s) || s.Later(later) != later || later.Later(s) != later {
				t.Errorf("%d is not before %d, which is %d ahead", s, later, n)
			}
			if later.From(s) != n || s.From(later) != -n {
				t.Errorf("%d is %d ahead of %d, and that is %d ahead of it: want %d", later, later.From(s), s, s.From(later), n)
			}
		}
		if s.Before(s) || s.Later(s) != s || s.From(s) != 0 {
			t.Errorf("%d is not itself", s)
		}
		if far := s + 1<<31; s.Before(far) || far.Before(s) {
			t.Errorf("%d and %d have an order", s, far)
		}
	}
}
