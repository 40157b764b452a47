package pacer

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A Policy is how flows are to be paced, and makes the Pacer of each. It is plain data, and
// may be sent to another process. As a user writes it, it is one of
//
//	none                          no Pacer
//	rate:RATE[,unit=UNIT]         Rate, for instance rate:100M,unit=payload
//	gaps:FILE[,absolute][,once]   Gaps, of a file for ParseGaps; with absolute, of times
//	                              for Between; with once, each gap is used once
//	window[:ss=N,ca=N,rtt=TIME]   Window, with its ratios in percent and its InitialRTT,
//	                              all of which may be left out
//	delivery                      Delivery
//	schedule:FILE[,unit=UNIT]     Schedule, of a file for ParseSchedule
//
// A RATE is one for ParseRate, a UNIT one for ParseUnit, and wire where none is given. A
// TIME is one for ParseDuration, such as 10ms. The name of a FILE has no comma.
//
// The pacers of a policy share its lists, which nobody changes. The zero Policy is none.
type Policy struct {
	Kind Kind

	// Of all that pace by a rate; see Rate. A Line of 0 is that of the device, and one below
	// 0 none.
	BitsPerSecond int64
	Unit          Unit
	Line          int64

	Gaps  []Gap      // of Gaps
	Once  bool       // the list is used once
	Start clock.Time // when Gaps or Steps begin at the earliest

	Steps  []Step        // of Schedule
	Period time.Duration // after which they are repeated; 0 if they are not

	SSRatio, CARatio uint16        // of Window, in percent; 0 is its default
	InitialRTT       time.Duration // of Window

	// File is where the Gaps or the Steps were read from, and Absolute tells that it had
	// times of departure instead of gaps: for String.
	File     string
	Absolute bool
}

// Kind is by what a Policy paces.
type Kind uint8

// The kinds.
const (
	NotPaced Kind = iota
	PacedByRate
	PacedByGaps
	PacedByWindow
	PacedByDelivery
	PacedBySchedule
)

// Check returns an error that says what is wrong with a policy that did not come from
// ParsePolicy or PolicyOf.
func (p *Policy) Check() (err error) {
	switch {
	case p.Kind > PacedBySchedule:
		err = fmt.Errorf("there is no policy of kind %d", p.Kind)
	case p.Unit > Payload:
		err = fmt.Errorf("a rate counts wire, IP or payload bytes, not %v", p.Unit)
	case p.BitsPerSecond < 0 || p.Start < 0 || p.InitialRTT < 0:
		err = fmt.Errorf("no rate and no time may be negative")
	case p.Kind == PacedByGaps:
		err = checkGaps(p.Gaps)
	case p.Kind == PacedBySchedule:
		err = checkSteps(p.Steps, p.Period)
	}
	return edge(err)
}

// New returns a Pacer for one more flow, on a line of so many bit/s, or 0 where there is
// none (see Rate.Line). It returns nil for the policy none.
func (p Policy) New(line int64) Pacer {
	if p.Line != 0 {
		line = max(p.Line, 0)
	}
	rate := Rate{BitsPerSecond: p.BitsPerSecond, Unit: p.Unit, Line: line}
	switch p.Kind {
	case PacedByRate:
		return &rate
	case PacedByGaps:
		return &Gaps{List: p.Gaps, Start: p.Start, Once: p.Once}
	case PacedByWindow:
		return &Window{Rate: rate, SSRatio: p.SSRatio, CARatio: p.CARatio, InitialRTT: p.InitialRTT}
	case PacedByDelivery:
		return &Delivery{rate}
	case PacedBySchedule:
		return &Schedule{Rate: rate, Start: p.Start, Steps: p.Steps, Period: p.Period}
	}
	return nil
}

// PolicyOf returns the policy that makes pacers like p, and whether there is one: p is a
// pacer of this package, or nil, and nothing has departed by it yet.
func PolicyOf(p Pacer) (policy Policy, ok bool) {
	rated := func(kind Kind, r *Rate) {
		policy.Kind, policy.BitsPerSecond, policy.Unit, policy.Line = kind, r.BitsPerSecond, r.Unit, r.Line
		if r.Line == 0 {
			policy.Line = -1
		}
	}
	switch p := p.(type) {
	case nil:
		return Policy{}, true
	case *Rate:
		rated(PacedByRate, p)
	case *Gaps:
		policy = Policy{Kind: PacedByGaps, Gaps: p.List, Start: p.Start, Once: p.Once}
	case *Window:
		rated(PacedByWindow, &p.Rate)
		policy.SSRatio, policy.CARatio, policy.InitialRTT = p.SSRatio, p.CARatio, p.InitialRTT
	case *Delivery:
		rated(PacedByDelivery, &p.Rate)
	case *Schedule:
		rated(PacedBySchedule, &p.Rate)
		policy.Start, policy.Steps, policy.Period = p.Start, p.Steps, p.Period
	default:
		return Policy{}, false
	}
	if !reflect.DeepEqual(policy.New(0), p) {
		return Policy{}, false
	}
	return policy, true
}

// Follows reports whether the policy's pacers are Followers.
func (p Policy) Follows() bool { return p.Kind == PacedByWindow || p.Kind == PacedByDelivery }

// String writes the policy so that ParsePolicy reads the same, if it can be written.
func (p Policy) String() string {
	unit := ""
	if p.Unit != Wire {
		unit = ",unit=" + strings.ToLower(p.Unit.String())
	}
	switch p.Kind {
	case PacedByRate:
		return "rate:" + FormatRate(p.BitsPerSecond) + unit
	case PacedByGaps:
		text := "gaps:" + p.File
		if p.Absolute {
			text += ",absolute"
		}
		if p.Once {
			text += ",once"
		}
		return text
	case PacedByWindow:
		return "window" + p.ratios()
	case PacedByDelivery:
		return "delivery"
	case PacedBySchedule:
		return "schedule:" + p.File + unit
	}
	return "none"
}

// ratios writes what is set of a Window.
func (p *Policy) ratios() string {
	var set []string
	if p.SSRatio > 0 {
		set = append(set, fmt.Sprint("ss=", p.SSRatio))
	}
	if p.CARatio > 0 {
		set = append(set, fmt.Sprint("ca=", p.CARatio))
	}
	if p.InitialRTT > 0 {
		set = append(set, "rtt="+FormatDuration(p.InitialRTT))
	}
	if len(set) == 0 {
		return ""
	}
	return ":" + strings.Join(set, ",")
}
