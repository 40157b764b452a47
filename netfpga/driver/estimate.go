package driver

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// An estimate of the card's clock is a straight line: by how many ns it is ahead of the
// host's, over the host's time.
//
// What the card says of its time is never news from the future: a time stamp is older
// than the message that brings it, and all stamps lie on or below the true line. So the
// estimate is the line above all of them that is closest to them on the whole: that edge
// of their upper convex hull that lies over the middle of the window (Moon, Skelly and
// Towsley, "Estimation and removal of clock skew from network delay measurements", 1999).
// Stamps that were delayed on their way are below, and have no say.
//
// Whether all were delayed by some time the stamps cannot tell. The answer to a reset can:
// it was stamped behind the question, and so was not delayed by more than the two are
// apart.
//
// The window is divided into epochs, and of each the stamp that was delayed least is
// kept. It grows with the time that is known, by doubling the epochs, up to maxEpoch.
type estimate struct {
	tick drivercomm.Tick
	host clock.Time // times count from the first stamp
	card uint64

	points []point // one an epoch, the oldest first
	epoch  time.Duration
	best   point // of the epoch that is open
	open   bool
	until  float64 // when it ends

	// ahead(t) = at + slope * (t - middle), within width at the middle of a window that
	// reaches half to both sides
	at, slope, middle float64
	width, half       float64

	roundTrip float64 // the shortest of those asked, ns
}

// point is a time stamp: that the card's clock is ahead of the host's by at least so much.
type point struct{ t, ahead float64 } // ns

const (
	maxPoints  = 32
	firstEpoch = time.Millisecond
	maxEpoch   = 64 * time.Millisecond
	maxSlope   = drivercomm.MaxPPM * 1e-6
)

// add takes in that the card's clock showed the given tick when the host's was at, or
// before. It reports false if that cannot be.
func (e *estimate) add(tick uint64, at clock.Time) bool {
	if e.epoch == 0 {
		e.points = make([]point, 0, maxPoints)
		e.epoch = firstEpoch
		e.host, e.card = at, tick
		e.roundTrip = math.Inf(1)
	}
	p, ok := e.point(tick, at)
	if !ok {
		return false
	}
	if e.open && p.t >= e.until {
		e.close()
	}
	switch {
	case !e.open:
		e.open, e.best, e.until = true, p, p.t+float64(e.epoch)
	case e.above(p) > e.above(e.best):
		e.best = p
	}
	return true
}

// answered takes in that the stamp that was added last was the answer to a question, and
// how long that took.
func (e *estimate) answered(after time.Duration) {
	e.roundTrip = min(e.roundTrip, float64(after))
}

// point returns a time stamp as a point, or reports false if the card's clock has run
// back or away.
func (e *estimate) point(tick uint64, at clock.Time) (point, bool) {
	if tick < e.card || at < e.host {
		return point{}, false
	}
	hi, lo := bits.Mul64(tick-e.card, e.tick.Num)
	if hi >= e.tick.Den {
		return point{}, false
	}
	ns, rest := bits.Div64(hi, lo, e.tick.Den)
	if ns >= uint64(clock.Never) {
		return point{}, false
	}
	t := at - e.host
	return point{float64(t), float64(int64(ns)-int64(t)) + float64(rest)/float64(e.tick.Den)}, true
}

// above returns how far a point is above the line.
func (e *estimate) above(p point) float64 { return p.ahead - e.ahead(p.t) }

// ahead returns by how many ns the card's clock is ahead at a time.
func (e *estimate) ahead(t float64) float64 { return e.at + e.slope*(t-e.middle) }

// close ends the open epoch.
func (e *estimate) close() {
	if !e.open {
		return
	}
	e.open = false
	if len(e.points) == maxPoints {
		e.makeRoom()
	}
	e.points = append(e.points, e.best)
	e.fit()
}

// makeRoom doubles the epochs, or forgets the oldest.
func (e *estimate) makeRoom() {
	if e.epoch >= maxEpoch {
		e.points = e.points[:copy(e.points, e.points[1:])]
		return
	}
	e.epoch *= 2
	for i := range maxPoints / 2 {
		a, b := e.points[2*i], e.points[2*i+1]
		if e.above(b) > e.above(a) {
			a = b
		}
		e.points[i] = a
	}
	e.points = e.points[:maxPoints/2]
}

// fit finds the line.
func (e *estimate) fit() {
	n := len(e.points)
	first, last := e.points[0], e.points[n-1]
	e.middle, e.half = (first.t+last.t)/2, (last.t-first.t)/2
	e.slope = 0
	if n > 1 {
		a, b := hullEdge(e.points, e.middle)
		e.slope = max(-maxSlope, min((b.ahead-a.ahead)/(b.t-a.t), maxSlope))
	}
	e.at = math.Inf(-1)
	for _, p := range e.points {
		e.at = max(e.at, p.ahead-e.slope*(p.t-e.middle))
	}
	// A stamp is a whole tick. Those on the line may have been delayed as all are, and by
	// chance by as much as others are below it: three in four, or of a few the worst.
	var below [maxPoints]float64
	for i, p := range e.points {
		below[i] = math.Abs(e.above(p))
	}
	slices.Sort(below[:n])
	chance := below[n-1]
	if n >= maxPoints/2 {
		chance = below[3*n/4]
	}
	e.width = float64(e.tick.Num)/float64(e.tick.Den) + max(chance, e.roundTrip)
}

// hullEdge returns the ends of the edge over t of the upper convex hull of points, which
// are two or more in order of time.
func hullEdge(points []point, t float64) (a, b point) {
	var hull [maxPoints]point
	n := 0
	for _, p := range points {
		for n >= 2 && !turnsDown(hull[n-2], hull[n-1], p) {
			n--
		}
		hull[n] = p
		n++
	}
	i := 1
	for i < n-1 && hull[i].t < t {
		i++
	}
	return hull[i-1], hull[i]
}

// turnsDown reports whether b is above the line from a to c.
func turnsDown(a, b, c point) bool {
	return (b.ahead-a.ahead)*(c.t-a.t) > (c.ahead-a.ahead)*(b.t-a.t)
}

// convert returns a time of the host as the card's: so long after a tick.
func (e *estimate) convert(at clock.Time) (tick uint64, after clock.Time) {
	since := at - e.host
	return e.card, since + clock.Time(math.Ceil(e.ahead(float64(since))))
}

// bound returns by how many ns the estimate is wrong at most for a time, so far as one
// can know: what is not known of the line at the ends of its window grows beyond them in
// proportion. There must have been two epochs.
func (e *estimate) bound(at clock.Time) float64 {
	const rounding = 1
	beyond := max(0, math.Abs(float64(at-e.host)-e.middle)-e.half)
	return rounding + 2*e.width + min(e.width/e.half, 2*maxSlope)*beyond
}
