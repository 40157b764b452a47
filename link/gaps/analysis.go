package gaps

import (
	"time"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says what an Analysis looks at.
type Config struct {
	// Filter says which packets are looked at.
	Filter pcap.Filter

	// Asked is what was asked for, nil where nothing was.
	Asked *Schedule

	// Pause is above which length a gap is a pause of the sender. Pauses are counted and
	// left out, and the schedule starts afresh behind each. 0 means that none is.
	Pause time.Duration

	// BurstGap is the longest gap between packets of a burst. 0 means 1.05 times what the
	// packet before the gap takes on the line.
	BurstGap time.Duration

	// Line is the speed of the line in bit/s. 0 means what the file says of the
	// interface, and DefaultLine where it says nothing.
	Line int64
}

// DefaultLine is the speed of a line that is not told, in bit/s.
const DefaultLine = 1e9

// A Schedule is what the departures of every flow were asked to be: a list of gaps, or a
// rate.
type Schedule struct {
	Gaps []pacer.Gap // in order, and from the first again; nil for a rate
	Rate int64       // bit/s
	Unit pacer.Unit  // of the rate

	// Line is pacer.Rate's: with a rate, no packet is asked to leave before the one
	// before it is off the line. 0 means that there is none.
	Line int64
}

// pacer returns a pacer that asks for the schedule.
func (s *Schedule) pacer() pacer.Pacer {
	if s.Gaps != nil {
		return &pacer.Gaps{List: s.Gaps}
	}
	return &pacer.Rate{BitsPerSecond: s.Rate, Unit: s.Unit, Line: s.Line}
}

// counts tells whether a packet is compared: all with a list of gaps, and with a rate those
// that have bytes in its unit.
func (c *Config) counts(n pacer.Size) bool {
	return c.Asked == nil || c.Asked.Gaps != nil || n.In(c.Asked.Unit) > 0
}

// maxSeries is how many series an Analysis keeps.
const maxSeries = 1 << 12

// An Analysis gathers what the packets of a file show.
type Analysis struct {
	config Config
	reader *Reader
	series map[key]*series
	order  []*series // in order of the first packets
	recent *series
	budget int

	packets     uint64
	selected    uint64
	left        uint64 // packets of series for which there was no room
	first, last clock.Time
}

// NewAnalysis returns an Analysis of the packets that r reads.
func NewAnalysis(r *Reader, config Config) *Analysis {
	return &Analysis{config: config, reader: r, series: make(map[key]*series), budget: binBudget}
}

// Add takes in a packet, in the order of the file.
func (a *Analysis) Add(p *Packet) {
	if a.packets++; a.packets == 1 {
		a.first, a.last = p.Time, p.Time
	}
	a.first, a.last = min(a.first, p.Time), max(a.last, p.Time)
	if !a.config.Filter.Match(p.Flow, p.Direction, a.reader.Interfaces[p.Interface].Name, p.Index) {
		return
	}
	a.selected++
	k := key{p.Flow, p.Interface, p.Index, p.Direction}
	s := a.recent
	if s == nil || s.key != k {
		if s = a.series[k]; s == nil {
			if len(a.order) == maxSeries {
				a.left++
				return
			}
			s = &series{key: k}
			if a.config.Asked != nil {
				s.asked = a.config.Asked.pacer()
			}
			a.series[k] = s
			a.order = append(a.order, s)
		}
		a.recent = s
	}
	s.add(a, p)
}
