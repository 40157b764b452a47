package gaps

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

// TestHistogramExact has few values: every one is told apart, and quantiles are values.
func TestHistogramExact(t *testing.T) {
	var h histogram
	budget := binBudget
	for i := range int64(1000) {
		h.add(1_000_000_000+i, &budget)
		h.add(-1_000_000_000-i, &budget)
	}
	bins := h.sorted()
	if len(bins) != 2000 || budget != binBudget-2000 || h.digits != 0 {
		t.Fatalf("%d bins, budget %d", len(bins), budget)
	}
	if bins[0] != (bin{-1_000_000_999, -1_000_000_999, 1}) || bins[1999] != (bin{1_000_000_999, 1_000_000_999, 1}) {
		t.Errorf("%v, %v", bins[0], bins[1999])
	}
	q := h.absolute().quantiles()
	if q.P50 != 1_000_000_499 || q.P95 != 1_000_000_949 || q.P99 != 1_000_000_989 || q.P999 != 1_000_000_998 || q.Max != 1_000_000_999 {
		t.Errorf("%+v", q)
	}
	if s := h.spread(); s.Min != -1_000_000_999 || s.P50 != -1_000_000_000 || s.Mean != 0 {
		t.Errorf("%+v", s)
	}
}

// TestHistogramCoarse has more values than there is room for. Quantiles are never below
// the true ones, and above by no more than the bins are wide.
func TestHistogramCoarse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h histogram
	budget := binBudget
	var all []int64
	for range 200_000 {
		v := int64(5000 / math.Pow(rng.Float64(), 1/1.2)) // Pareto
		all = append(all, v)
		h.add(v, &budget)
	}
	slices.Sort(all)
	if len(h.bins) > maxBins || budget != binBudget-len(h.bins) || h.n != 200_000 {
		t.Fatalf("%d bins, budget %d, %d values", len(h.bins), budget, h.n)
	}
	bins := h.sorted()
	var n uint64
	for i, b := range bins {
		n += b.n
		if b.low > b.high || i > 0 && b.low <= bins[i-1].high {
			t.Fatalf("bin %v behind %v", b, bins[max(i, 1)-1])
		}
	}
	if n != h.n || bins[0].low != all[0] || bins[len(bins)-1].high != all[len(all)-1] {
		t.Errorf("%d values from %d to %d", n, bins[0].low, bins[len(bins)-1].high)
	}
	for _, permille := range []uint64{1, 500, 950, 990, 999, 1000} {
		exact := all[(200_000*permille+999)/1000-1]
		got := quantile(bins, h.n, permille)
		if got < exact || float64(got-exact) > float64(exact)/500 {
			t.Errorf("%d of 1000: %d, want %d", permille, got, exact)
		}
	}
}

// TestHistogramBudget has no budget: the memory is bounded all the same.
func TestHistogramBudget(t *testing.T) {
	var a, b histogram
	budget := 100
	for i := range int64(100_000) {
		a.add(i*i, &budget)
		b.add(-i*i, &budget)
	}
	if len(a.bins) > minBins || len(b.bins) > minBins || 100-len(a.bins)-len(b.bins) != budget {
		t.Errorf("%d and %d bins, budget %d", len(a.bins), len(b.bins), budget)
	}
	for i, x := range a.sorted() {
		y := b.sorted()[len(b.bins)-1-i]
		if x.low != -y.high || x.high != -y.low || x.n != y.n {
			t.Fatalf("%v is not the mirror image of %v", x, y)
		}
	}
}

// TestAbsolute folds at zero.
func TestAbsolute(t *testing.T) {
	for _, test := range []struct {
		values   []int64
		min, max int64
	}{
		{[]int64{-8, 0, 3}, 0, 8}, {[]int64{-3, 8}, 0, 8}, {[]int64{-8, -3}, 3, 8}, {[]int64{3, 8}, 3, 8}, {nil, 0, 0},
	} {
		var h histogram
		budget := binBudget
		for _, v := range test.values {
			h.add(v, &budget)
		}
		a := h.absolute()
		if a.min != test.min || a.max != test.max || a.n != uint64(len(test.values)) {
			t.Errorf("%v: %d values from %d to %d", test.values, a.n, a.min, a.max)
		}
	}
}

// TestTrail keeps the extremes of a value in bounded memory.
func TestTrail(t *testing.T) {
	for _, n := range []int{0, 1, 2, maxStretches, maxStretches + 1, 100_000} {
		var x trail
		for i := range n {
			x.add(1000+2*clock.Time(i), int64(i))
		}
		if len(x.stretches) > maxStretches || n > maxStretches && len(x.stretches) < maxStretches/2 {
			t.Fatalf("%d values in %d stretches", n, len(x.stretches))
		}
		next := int64(0)
		for _, s := range x.stretches {
			if s.low != next || s.high < s.low || s.at != 1000+2*clock.Time(s.low) {
				t.Fatalf("of %d values: %+v, want it to begin with %d", n, s, next)
			}
			next = s.high + 1
		}
		if next != int64(n) {
			t.Errorf("%d of %d values", next, n)
		}
	}
}
