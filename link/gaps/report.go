package gaps

import (
	"cmp"
	"slices"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Report is the outcome of an Analysis. Times are in ns.
type Report struct {
	Format     string  `json:"format"`
	Packets    uint64  `json:"packets"` // read
	Skipped    Skipped `json:"skipped"` // and those that could not be
	Duration   int64   `json:"duration_ns"`
	Resolution int64   `json:"resolution_ns"` // of the time stamps, the coarsest
	Selected   uint64  `json:"selected"`      // packets of the flows that were looked at
	NotKept    uint64  `json:"not_kept"`      // packets of flows for which there was no room
	Asked      string  `json:"asked,omitempty"`
	Pause      int64   `json:"pause_ns,omitempty"`
	BurstsOf   string  `json:"bursts_of"`
	Flows      []*Flow `json:"flows"` // most packets first
}

// Flow is what came of one flow at one interface in one direction. Gaps are those between
// consecutive packets that count: with a rate those that have bytes in its unit, else all.
type Flow struct {
	Flow      string `json:"flow"`
	Interface string `json:"interface,omitempty"`
	Index     uint32 `json:"interface_index,omitempty"`
	Direction string `json:"direction,omitempty"`

	Packets  uint64 `json:"packets"`
	Counted  uint64 `json:"counted"`
	Start    int64  `json:"start_ns"` // since the first packet of the file
	Duration int64  `json:"duration_ns"`
	// WireRate and PayloadRate are in bit/s, from the first packet to the last.
	WireRate    float64 `json:"wire_bits_per_second"`
	PayloadRate float64 `json:"payload_bits_per_second"`

	Gaps      uint64      `json:"gaps"` // without pauses
	Gap       Spread      `json:"gap_ns"`
	Backwards uint64      `json:"backwards,omitempty"` // gaps that are negative
	Pauses    uint64      `json:"pauses"`
	Paused    int64       `json:"paused_ns"`
	Asked     *Comparison `json:"asked,omitempty"`
	Bursts    Bursts      `json:"bursts"`

	series *series
}

// Spread is a distribution, in ns.
type Spread struct {
	Min int64 `json:"min"`
	link.Quantiles
	Mean float64 `json:"mean"`
}

// Comparison is how the gaps of a flow compare with what was asked for.
type Comparison struct {
	Gap Spread `json:"gap_ns"` // asked

	// GapError is abs(actual - asked time between departures) of consecutive packets.
	GapError link.Quantiles `json:"gap_error_ns"`

	// RateError is the sum of all gaps over the sum of those asked for, minus 1, in ppm.
	// It is positive where the packets left more slowly than asked, and null where no time
	// was asked for.
	RateError link.PPM `json:"rate_error_ppm"`

	// Drift is how far behind the schedule packets left, counted from the first one or
	// from the end of the last pause.
	Drift Drift `json:"drift_ns"`

	// CDFDistance is the largest distance in time between the distributions of the asked
	// and of the actual gaps, at the same share of the gaps.
	CDFDistance int64 `json:"cdf_distance_ns"`
}

// Drift is a range, and the last value.
type Drift struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
	End int64 `json:"end"`
}

// Bursts are two or more packets in a row that are close to each other: see Config.
type Bursts struct {
	Bursts  uint64         `json:"bursts"`
	Packets uint64         `json:"packets"`        // in bursts
	Length  link.Quantiles `json:"length_packets"` // of the bursts
}

// Report returns the outcome. No packet may be added afterwards.
func (a *Analysis) Report() *Report {
	r := &Report{
		Format:   a.reader.Format(),
		Packets:  a.packets,
		Skipped:  a.reader.Skipped,
		Duration: int64(a.last - a.first),
		Selected: a.selected,
		NotKept:  a.left,
		Pause:    int64(a.config.Pause),
		BurstsOf: a.config.burstsOf(),
	}
	for _, i := range a.reader.Interfaces {
		r.Resolution = max(r.Resolution, int64(i.Resolution))
	}
	if a.config.Asked != nil {
		r.Asked = a.config.Asked.String()
	}
	for _, s := range a.order {
		r.Flows = append(r.Flows, s.report(a))
	}
	slices.SortStableFunc(r.Flows, func(x, y *Flow) int { return cmp.Compare(y.Packets, x.Packets) })
	return r
}

func (s *series) report(a *Analysis) *Flow {
	s.bursts.add(int64(s.run), &a.budget)
	s.run = 0
	f := &Flow{
		Flow:        s.flow.String(),
		Interface:   a.reader.Interfaces[s.iface].Name,
		Index:       s.index,
		Direction:   s.direction.String(),
		Packets:     s.packets,
		Counted:     s.counted,
		Start:       int64(s.first - a.first),
		Duration:    int64(s.last - s.first),
		WireRate:    rate(s.size.wire-uint64(s.latest.Wire), s.last-s.first),
		PayloadRate: rate(s.size.payload-uint64(s.latest.Payload), s.last-s.first),
		Gaps:        s.gap.n,
		Gap:         s.gap.spread(),
		Backwards:   s.backwards,
		Pauses:      s.pauses,
		Paused:      int64(s.paused),
		Bursts:      burstsOf(&s.bursts),
		series:      s,
	}
	if s.asked != nil {
		f.Asked = &Comparison{
			Gap:         s.askedGap.spread(),
			GapError:    s.gapError.absolute().quantiles(),
			Drift:       Drift{s.driftMin, s.driftMax, s.drift},
			CDFDistance: distance(&s.gap, &s.askedGap),
			RateError:   link.NewPPM(float64(s.askedGap.sum+s.gapError.sum), float64(s.askedGap.sum)),
		}
	}
	return f
}

// rate returns bit/s.
func rate(bytes uint64, d clock.Time) float64 {
	if d <= 0 {
		return 0
	}
	return float64(bytes) * 8 * float64(time.Second) / float64(d)
}

// quantiles returns the quantiles of the values.
func (h *histogram) quantiles() link.Quantiles {
	bins := h.sorted()
	at := func(permille uint64) int64 { return quantile(bins, h.n, permille) }
	return link.Quantiles{P50: at(500), P95: at(950), P99: at(990), P999: at(999), Max: h.max}
}

func (h *histogram) spread() Spread {
	s := Spread{Min: h.min, Quantiles: h.quantiles()}
	if h.n > 0 {
		s.Mean = float64(h.sum) / float64(h.n)
	}
	return s
}

// burstsOf returns the bursts among all runs of packets, which may be of one packet.
func burstsOf(runs *histogram) Bursts {
	var b Bursts
	bins := runs.sorted()
	bins = slices.DeleteFunc(bins, func(b bin) bool { return b.high < 2 })
	for _, x := range bins {
		b.Bursts += x.n
	}
	if b.Bursts == 0 {
		return b
	}
	b.Packets = uint64(runs.sum) - (runs.n - b.Bursts)
	at := func(permille uint64) int64 { return quantile(bins, b.Bursts, permille) }
	b.Length = link.Quantiles{P50: at(500), P95: at(950), P99: at(990), P999: at(999), Max: runs.max}
	return b
}

// distance returns the largest distance between values of a and b that have the same rank,
// where both have equally many values.
func distance(a, b *histogram) (most int64) {
	x, y := a.sorted(), b.sorted()
	for i, j := 0, 0; i < len(x) && j < len(y); {
		most = max(most, x[i].high-y[j].high, y[j].high-x[i].high)
		n := min(x[i].n, y[j].n)
		if x[i].n -= n; x[i].n == 0 {
			i++
		}
		if y[j].n -= n; y[j].n == 0 {
			j++
		}
	}
	return most
}
