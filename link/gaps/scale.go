package gaps

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"

	"github.com/netcaliper/caliper/pacer"
)

// A scale is how an axis shows times, or numbers of packets.
//
// A logarithmic one is a linear axis of logarithms, whose ticks undo them: the label of a
// plot.LogScale takes the room of one that is not in its middle.
type scale struct {
	unit string
	one  float64 // the unit, in ns
	log  bool
}

// scaleFor returns a scale for times up to so many ns.
func scaleFor(ns float64, log bool) scale {
	switch {
	case ns < 10_000:
		return scale{"ns", 1, log}
	case ns < 10_000_000:
		return scale{"us", 1e3, log}
	case ns < 10_000_000_000:
		return scale{"ms", 1e6, log}
	}
	return scale{"s", 1e9, log}
}

// of returns where on the axis v is. On a logarithmic one v must be above 0.
func (s scale) of(v float64) float64 {
	if s.log {
		return math.Log10(v / s.one)
	}
	return v / s.one
}

// set makes an axis show the times from low to high, with about n labels.
func (s scale) set(a *plot.Axis, low, high float64, n int) {
	a.Min, a.Max = s.of(low), s.of(high)
	a.Tick.Marker = evenly(n)
	if s.log {
		a.Tick.Marker = decades{}
	}
}

// counts is the scale of an axis of how many there are.
var counts = scale{"", 1, true}

// A window is the part of an axis that is shown, in ns.
type window struct{ low, high float64 }

// windowOf returns a window for the values in all of hs: all but the outermost thousandths,
// or every one if whole is true.
func windowOf(whole bool, hs ...*histogram) window {
	w := window{math.Inf(1), math.Inf(-1)}
	for _, h := range hs {
		if h.n == 0 {
			continue
		}
		low, high := h.min, h.max
		if !whole {
			bins := h.sorted()
			low, high = quantile(bins, h.n, 1), quantile(bins, h.n, 999)
		}
		w = window{min(w.low, float64(low)), max(w.high, float64(high))}
	}
	return w
}

// widen adds a margin on both sides, of at least so many ns.
func (w window) widen(least float64) window {
	margin := max(least, (w.high-w.low)/20)
	return window{w.low - margin, w.high + margin}
}

// outside tells how many values the window does not show, if there are any.
func (w window) outside(h *histogram) string {
	var n uint64
	for _, b := range h.sorted() {
		if float64(b.high) < w.low || float64(b.low) > w.high {
			n += b.n
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d are outside)", n, h.n)
}

// decades puts a label at each power of ten on an axis of logarithms.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Floor(low); power <= high; power++ {
		for i := 1.0; i < 10; i++ {
			tick := plot.Tick{Value: power + math.Log10(i)}
			if i == 1 {
				tick.Label = powerOfTen(int(power))
			}
			if low <= tick.Value && tick.Value <= high {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}

// powerOfTen writes 10 to the power of n: "0.1", "10", "100k".
func powerOfTen(n int) string {
	if n < 0 {
		return pacer.FormatDecimal(1, -n)
	}
	const suffixes = " kMGTPE"
	return "1" + strings.Repeat("0", n%3) + strings.TrimSpace(suffixes[n/3:n/3+1])
}

// evenly puts about so many labels at round numbers, which have as many digits as it
// takes to tell them apart.
type evenly int

// Ticks implements plot.Ticker.
func (n evenly) Ticks(low, high float64) []plot.Tick {
	least := (high - low) / float64(n)
	power := math.Floor(math.Log10(least))
	step := math.Pow(10, power)
	for _, round := range []float64{2, 5, 10} {
		if step < least {
			step = round * math.Pow(10, power)
		}
	}
	decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	first := math.Ceil(low / step)
	for i := range n + 1 {
		if v := (first + float64(i)) * step; v <= high {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v+0, 'f', decimals, 64)})
		}
	}
	return ticks
}
