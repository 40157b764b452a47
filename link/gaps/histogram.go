package gaps

import (
	"math/bits"
	"slices"
)

// A histogram counts values. It tells all values apart while they are few; when there are
// more than it has room for, it keeps fewer and fewer of their leading binary digits, so
// that the relative width of a bin is the same everywhere.
type histogram struct {
	bins   map[int64]uint64 // by the value of the bin that is nearest to zero
	digits int              // that are kept, 0 for all
	n      uint64
	sum    int64
	min    int64
	max    int64
}

// Bounds of the memory for bins, at some 40 bytes each.
const (
	maxBins   = 1 << 13 // in a histogram
	minBins   = 1 << 8  // that a histogram gets even when the budget is spent
	binBudget = 1 << 21 // in all histograms of an Analysis
)

// add counts v. budget is how many bins may still be made.
func (h *histogram) add(v int64, budget *int) {
	if h.n == 0 {
		h.bins = make(map[int64]uint64)
		h.min, h.max = v, v
	}
	h.n++
	h.sum += v
	h.min, h.max = min(h.min, v), max(h.max, v)
	before := len(h.bins)
	h.bins[h.bin(v)]++
	if len(h.bins) == before {
		return
	}
	*budget--
	if len(h.bins) > maxBins || *budget < 0 && len(h.bins) > minBins {
		*budget += h.coarsen()
	}
}

// bin returns the value that stands for v.
func (h *histogram) bin(v int64) int64 {
	if drop := h.drop(v); drop > 0 {
		if v < 0 {
			return -(-v >> drop << drop)
		}
		return v >> drop << drop
	}
	return v
}

// drop returns how many digits of v are not kept.
func (h *histogram) drop(v int64) int {
	if h.digits == 0 {
		return 0
	}
	return bits.Len64(magnitude(v)) - h.digits
}

func magnitude(v int64) uint64 { return uint64(max(v, -v)) }

// coarsen makes at most half as many bins, and returns how many it saved.
func (h *histogram) coarsen() int {
	before := len(h.bins)
	if h.digits == 0 {
		h.digits = bits.Len64(max(magnitude(h.min), magnitude(h.max)))
	}
	for len(h.bins) > before/2 {
		h.digits--
		merged := make(map[int64]uint64)
		for v, n := range h.bins {
			merged[h.bin(v)] += n
		}
		h.bins = merged
	}
	return before - len(h.bins)
}

// A bin counts the values from low to high.
type bin struct {
	low, high int64
	n         uint64
}

// sorted returns the bins in ascending order. Those at the ends are no wider than the
// values are.
func (h *histogram) sorted() []bin {
	all := make([]bin, 0, len(h.bins))
	for v, n := range h.bins {
		b := bin{v, v, n}
		if drop := h.drop(v); drop > 0 {
			if v < 0 {
				b.low -= 1<<drop - 1
			} else {
				b.high += 1<<drop - 1
			}
		}
		b.low, b.high = max(b.low, h.min), min(b.high, h.max)
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b bin) int {
		if a.low < b.low {
			return -1
		}
		return 1
	})
	return all
}

// absolute returns the histogram of the absolute values.
func (h *histogram) absolute() *histogram {
	a := &histogram{bins: make(map[int64]uint64, len(h.bins)), digits: h.digits, n: h.n}
	for v, n := range h.bins {
		a.bins[max(v, -v)] += n
	}
	a.max = max(h.max, -h.min)
	if h.min > 0 || h.max < 0 {
		a.min = min(max(h.min, -h.min), max(h.max, -h.max))
	}
	return a
}

// quantile returns the smallest value that so many of 1000 are not above, or what is at the
// upper end of its bin. The n values are in bins.
func quantile(bins []bin, n, permille uint64) int64 {
	rank := (n*permille + 999) / 1000
	var sum uint64
	for _, b := range bins {
		if sum += b.n; sum >= rank {
			return b.high
		}
	}
	return 0
}
