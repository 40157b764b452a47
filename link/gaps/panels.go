package gaps

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/netcaliper/caliper/pacer/clock"
)

// cdfPanel shows the distributions of the gaps and of the asked ones.
func (f *Flow) cdfPanel(log bool) *plot.Plot {
	s := f.series
	w, x := gapAxis(windowOf(log, &s.gap, &s.askedGap), log)
	p := panel("Inter-departure time, CDF", "inter-departure time, "+x.unit+w.outside(&s.gap), "share of the gaps")
	x.set(&p.X, w.low, w.high, 8)
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1, evenly(5)
	actual := &plotter.Line{XYs: cdf(&s.gap, w, x), LineStyle: stroke(1.3, blue)}
	if s.askedGap.n > 0 {
		asked := &plotter.Line{XYs: cdf(&s.askedGap, w, x), LineStyle: stroke(4, orange)}
		p.Add(asked)
		p.Legend.Add("asked", asked)
		p.Legend.Add("actual", actual)
		legend(p, x.of(max(w.low, float64(quantile(s.askedGap.sorted(), s.askedGap.n, 500)))))
	}
	p.Add(actual)
	return p
}

// legend puts the legend of a distribution into the corner that is farther from its median.
func legend(p *plot.Plot, median float64) {
	l := &p.Legend
	l.Padding, l.XOffs, l.YOffs = 3, -10, 8
	if median > (p.X.Min+p.X.Max)/2 {
		l.Top, l.Left = true, true
		l.XOffs, l.YOffs = 10, -8
	}
}

// gapAxis returns the window with margins and the scale of an axis of gaps.
func gapAxis(w window, log bool) (window, scale) {
	if log {
		w = window{max(1, w.low) * 0.9, max(2, w.high) * 1.1}
	} else {
		w = w.widen(4)
	}
	return w, scaleFor(w.high, log)
}

func stroke(points vg.Length, c color.Color) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: points}
}

// cdf returns the steps of a distribution within the window.
func cdf(h *histogram, w window, x scale) plotter.XYs {
	const fine = 2000 // of the steps on an axis that can be told apart
	least := (x.of(w.high) - x.of(w.low)) / fine
	xys := plotter.XYs{{X: x.of(w.low), Y: 0}}
	var sum uint64
	for _, b := range h.sorted() {
		if float64(b.high) > w.high {
			break
		}
		sum += b.n
		last := &xys[len(xys)-1]
		at := plotter.XY{X: x.of(max(float64(b.high), w.low)), Y: float64(sum) / float64(h.n)}
		switch {
		case at.X == last.X:
			last.Y = at.Y
		case at.X-last.X >= least || at.Y-last.Y >= 1./fine:
			xys = append(xys, plotter.XY{X: at.X, Y: last.Y}, at)
		}
	}
	return append(xys, plotter.XY{X: x.of(w.high), Y: float64(sum) / float64(h.n)})
}

// histogramPanel shows how often each gap error came, or each gap.
func (f *Flow) histogramPanel(log bool) *plot.Plot {
	s := f.series
	if s.gapError.n == 0 {
		w, x := gapAxis(windowOf(log, &s.gap), log)
		p := panel("Inter-departure time, histogram", "inter-departure time, "+x.unit+w.outside(&s.gap), "gaps")
		bars(p, &s.gap, w, x)
		return p
	}
	w := windowOf(false, &s.gapError).widen(8)
	x := scaleFor(max(w.high, -w.low), false)
	p := panel("Gap error, histogram", "actual - asked inter-departure time, "+x.unit+w.outside(&s.gapError), "gaps")
	bars(p, &s.gapError, w, x)
	return p
}

// edges returns the whole numbers that a histogram's bars begin with: some 80 in the window,
// of the same width on the scale as far as whole numbers can be.
func edges(w window, x scale) []int64 {
	const bars = 80
	low, step := math.Ceil(w.low), max(1, math.Floor((w.high-w.low)/bars))
	all := []int64{int64(low)}
	for i := 1.0; float64(all[len(all)-1]) <= w.high; i++ {
		at := low + i*step
		if x.log {
			at = low * math.Pow(w.high/w.low, i/bars)
		}
		if int64(at) > all[len(all)-1] {
			all = append(all, int64(at))
		}
	}
	return all
}

// bars adds a histogram of the values in the window, with a logarithmic axis of how many
// they are.
func bars(p *plot.Plot, h *histogram, w window, x scale) {
	const bottom = 0.5 // so that a single one is seen
	begin := edges(w, x)
	heights := make([]uint64, len(begin)-1)
	i, most := 0, uint64(1)
	for _, b := range h.sorted() {
		middle := b.low + (b.high-b.low)/2
		for i < len(heights) && middle >= begin[i+1] {
			i++
		}
		if i == len(heights) {
			break
		}
		if middle >= begin[0] {
			heights[i] += b.n
			most = max(most, heights[i])
		}
	}
	all := &plotter.Polygon{Color: blue, LineStyle: stroke(0.4, blue)}
	for i, n := range heights {
		if n == 0 {
			continue
		}
		// A value stands in the middle of its bar.
		left, right := x.of(float64(begin[i])-0.5), x.of(float64(begin[i+1])-0.5)
		foot, head := counts.of(bottom), counts.of(float64(n))
		all.XYs = append(all.XYs, plotter.XYs{{X: left, Y: foot}, {X: left, Y: head}, {X: right, Y: head}, {X: right, Y: foot}})
	}
	p.Add(all)
	x.set(&p.X, w.low, w.high, 8)
	counts.set(&p.Y, bottom, float64(most)*2, 0)
}

// trailPanel shows the drift over time, or the gaps.
func (f *Flow) trailPanel(log bool) *plot.Plot {
	s := f.series
	low, high := s.trail.bounds()
	w := window{min(0, float64(low)), max(0, float64(high))}.widen(8)
	title, label, y := "Drift from the schedule", "behind the schedule", scaleFor(max(w.high, -w.low), false)
	if s.gapError.n == 0 {
		w, y = gapAxis(window{float64(low), float64(high)}, log)
		title, label = "Inter-departure time, over the run", "inter-departure time"
	}
	x := scaleFor(float64(f.Duration), false)
	p := panel(title, "since the flow's first packet, "+x.unit, label+", "+y.unit)
	band := s.trail.band(s.first, s.last)
	for i, xy := range band {
		band[i] = plotter.XY{X: x.of(xy.X), Y: y.of(max(xy.Y, w.low))}
	}
	p.Add(&plotter.Polygon{XYs: []plotter.XYs{band}, Color: blue, LineStyle: stroke(1, blue)})
	x.set(&p.X, 0, max(1, float64(f.Duration)), 8)
	y.set(&p.Y, w.low, w.high, 6)
	return p
}

func (t *trail) bounds() (low, high int64) {
	low, high = math.MaxInt64, math.MinInt64
	for _, s := range t.stretches {
		low, high = min(low, s.low), max(high, s.high)
	}
	return low, high
}

// band returns the outline of the area between the lowest and the highest values, in ns in
// both directions.
func (t *trail) band(first, last clock.Time) plotter.XYs {
	under := make(plotter.XYs, 0, 4*len(t.stretches))
	over := make(plotter.XYs, 0, 2*len(t.stretches))
	for i, s := range t.stretches {
		end := last
		if i+1 < len(t.stretches) {
			end = t.stretches[i+1].at
		}
		for _, at := range []clock.Time{s.at, end} {
			under = append(under, plotter.XY{X: float64(at - first), Y: float64(s.low)})
			over = append(over, plotter.XY{X: float64(at - first), Y: float64(s.high)})
		}
	}
	slices.Reverse(over)
	return append(under, over...)
}

// burstPanel shows how often bursts of each length came.
func (f *Flow) burstPanel() *plot.Plot {
	const few = 40
	runs := &f.series.bursts
	longest := float64(max(runs.max, 10))
	p := panel("Bursts", "packets in a burst (1: a packet alone)", "bursts")
	bars(p, runs, window{0.55, longest * 1.1}, scale{"packets", 1, longest > few})
	return p
}
