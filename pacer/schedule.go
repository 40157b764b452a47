package pacer

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Schedule spaces packets out by a rate that changes over time.
//
// It is Rate with a rate of its own for each time: a packet leaves when the bits of those
// before it are paid for, which the rate does that holds meanwhile. What is unpaid at a step
// is paid at the new rate, and the arithmetic is as exact: when packets wait without a
// break from a time t on, the n-th leaves at the first time u, rounded down, that is in no
// pause and at which the integral of the rate from t to u is the bits of all packets before.
//
// The time 0 of the steps is when the first packet is ready, of whatever size, or Start if
// that is later. Behind the last step its rate holds for ever, unless the steps repeat.
type Schedule struct {
	// Rate has the Unit and the Line, which may be set before the first packet. Its
	// BitsPerSecond is the rate at which the last departure is paid for.
	Rate Rate
	// Steps are those that checkSteps has nothing against. Without any, Rate alone paces.
	// Many Schedules may share one list.
	Steps []Step
	// Period is after which time the steps are repeated; 0 means that they are not.
	Period time.Duration
	// Start is when the steps begin at the earliest.
	Start clock.Time

	begun bool
	place place // that of Rate.next
}

// A place is a step, number i, in the round of all steps that began at the time round.
type place struct {
	round clock.Time
	i     int
}

// NewSchedule returns a Schedule of the steps, which it copies, that counts in the given
// unit. After the time period the steps are repeated; not if it is 0. It returns an error
// if the first step is not at 0, a step is not after the one in front of it, a rate is
// negative, all are 0, the period is not after the last step, there are more than MaxSteps,
// or there is no such unit.
func NewSchedule(list []Step, period time.Duration, unit Unit) (*Schedule, error) {
	s, err := newSchedule(list, period, unit)
	return s, edge(err)
}

func newSchedule(list []Step, period time.Duration, unit Unit) (*Schedule, error) {
	if unit > Payload {
		return nil, fmt.Errorf("a rate counts wire, IP or payload bytes, not %v", unit)
	}
	if err := checkSteps(list, period); err != nil {
		return nil, err
	}
	return &Schedule{Rate: Rate{Unit: unit}, Steps: slices.Clone(list), Period: period}, nil
}

// Next implements Pacer. The first question begins the schedule.
func (s *Schedule) Next(n Size, ready clock.Time) clock.Time {
	if len(s.Steps) == 0 {
		return s.Rate.Next(n, ready)
	}
	s.begin(ready)
	leaves := s.Rate.Next(n, ready)
	if leaves == s.Rate.next || s.Rate.cost(n) == 0 {
		return leaves
	}
	leaves, _ = s.awake(leaves, s.find(leaves))
	return leaves
}

// BitRate returns the rate of the step at which the last departure is paid for, in bit/s;
// before the first packet, that of the first step that is no pause.
func (s *Schedule) BitRate() int64 {
	if s.begun || len(s.Steps) == 0 {
		return s.Rate.BitRate()
	}
	i := slices.IndexFunc(s.Steps, func(step Step) bool { return step.BitsPerSecond > 0 })
	return s.Steps[i].BitsPerSecond
}

// Missed is Rate's: the time in which the schedule pauses was not asked for.
func (s *Schedule) Missed(n Size, ready clock.Time) time.Duration {
	switch {
	case len(s.Steps) == 0:
		return s.Rate.Missed(n, ready)
	case !s.Rate.sent:
		return 0
	}
	return max(0, ready.Sub(s.Next(n, 0)))
}

// Depart implements Pacer. An answer past the end of time, or when only a pause is left, is
// clock.Never.
func (s *Schedule) Depart(n Size, now clock.Time) clock.Time {
	r := &s.Rate
	if len(s.Steps) == 0 {
		return r.Depart(n, now)
	}
	leaves := s.Next(n, now)
	if r.restart(now) {
		s.move(s.awake(r.next, s.find(r.next)))
	}
	r.last, r.sent = leaves, true
	s.charge(r.cost(n))
	r.occupy(n)
	return leaves
}

func (s *Schedule) begin(now clock.Time) {
	if s.begun {
		return
	}
	s.begun = true
	s.place.round = max(now, s.Start)
	s.move(s.awake(s.place.round, s.place))
}

// move sets the time up to which all is paid for, in the place p.
func (s *Schedule) move(t clock.Time, p place) {
	s.Rate.next, s.place = t, p
	// Where only a pause is left there is none, and it plays no part.
	s.Rate.BitsPerSecond = max(1, s.Steps[p.i].BitsPerSecond)
}

// charge moves Rate.next on by the time in which the steps pay for cost, in bits * 1e9.
func (s *Schedule) charge(cost uint64) {
	r := &s.Rate
	if cost == 0 {
		return
	}
	rounds := 0
	for r.next != clock.Never {
		end := s.end(s.place)
		hi, paid := bits.Mul64(uint64(end-r.next), uint64(r.BitsPerSecond))
		paid, borrow := bits.Sub64(paid, r.rest, 0)
		if hi -= borrow; hi > 0 || cost < paid {
			r.charge(cost)
			return
		}
		cost -= paid
		r.rest = 0
		before := s.place.round
		if s.move(s.awake(end, s.after(s.place))); s.place.round == before {
			continue
		}
		if rounds++; rounds == 2 { // a whole one did not do, and there may be any number
			cost = s.skip(cost)
		}
	}
}

// skip moves Rate.next on by all whole periods that cost pays for, and returns the rest.
func (s *Schedule) skip(cost uint64) uint64 {
	r, per := &s.Rate, s.perPeriod()
	hi, ns := bits.Mul64(cost/per, uint64(s.Period))
	if hi > 0 || ns > uint64(clock.Never) {
		r.next, r.rest = clock.Never, 0
		return 0
	}
	r.next, s.place.round = later(r.next, ns), later(s.place.round, ns)
	return cost % per
}

// awake returns t, which is in the place p, or if that is a pause the end of the pause.
func (s *Schedule) awake(t clock.Time, p place) (clock.Time, place) {
	for t != clock.Never && s.Steps[p.i].BitsPerSecond == 0 {
		if t = s.end(p); t != clock.Never {
			p = s.after(p)
		}
	}
	return t, p
}

// end returns when the step at p ends; Never if it does not.
func (s *Schedule) end(p place) clock.Time {
	switch {
	case p.i+1 < len(s.Steps):
		return later(p.round, uint64(s.Steps[p.i+1].At))
	case s.Period > 0:
		return later(p.round, uint64(s.Period))
	}
	return clock.Never
}

// after returns the place behind p, whose end is not Never.
func (s *Schedule) after(p place) place {
	if p.i+1 < len(s.Steps) {
		p.i++
		return p
	}
	return place{round: s.end(p)}
}

// find returns the place of t, which is not before the round of the place that holds.
func (s *Schedule) find(t clock.Time) place {
	p := s.place
	if at := s.Steps[p.i].At; t >= later(p.round, uint64(at)) && t < s.end(p) {
		return p
	}
	if s.Period > 0 {
		p.round += (t - p.round) / clock.Time(s.Period) * clock.Time(s.Period)
	}
	i, exact := slices.BinarySearchFunc(s.Steps, time.Duration(t-p.round), func(step Step, at time.Duration) int {
		return cmp.Compare(step.At, at)
	})
	if p.i = i; !exact {
		p.i--
	}
	return p
}
