package link

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Departure is what is known of the departure of one frame: see the fields of Frame.
type Departure struct {
	Flow                          pacer.Flow
	Paced                         bool
	Depart, Sched, Enqueued, Sent clock.Time
	Call, Missed, Full            time.Duration
	Stop                          Stop
	Reserved                      bool
}

// due returns the time that the frame is held to.
func (x *Departure) due() clock.Time {
	if x.Reserved {
		return max(x.Depart, x.Sched)
	}
	return x.Depart
}

// Departure returns the times of a frame that has left.
func (f *Frame) Departure() Departure {
	return Departure{
		Flow: f.Flow, Paced: f.Paced, Reserved: f.Reserved, Call: f.Call,
		Missed: f.Missed, Stop: f.Stop, Full: f.Full,
		Depart: f.Depart, Sched: f.Sched.Or(f.Depart), Enqueued: f.Enqueued.Or(f.Depart), Sent: f.Sent.Or(f.Depart),
	}
}

// Departures gathers statistics of departures: asked against actual. The zero value is
// ready for use. It belongs to the clock's goroutine.
type Departures struct {
	// Tick is by how much a frame may leave after the time that was asked for without
	// being late; 0 means DefaultTick.
	Tick time.Duration

	// Software tells that the card, if there is one, is a part of this program in real
	// time: what it is late by counts as the host's.
	Software bool

	// Dropped is what did not leave, and Waiting how many frames had not left when it was
	// counted. The owner of the devices adds them up.
	Dropped Drops
	Waiting uint64

	packets uint64
	late    uint64
	lateBy  LateBy
	early   uint64
	paced   punctuality // of what a pacer asked for
	ready   punctuality // of the rest, against when it was ready, while nothing is paced
	moved   distribution
	call    distribution // of the send call, in real time
	stops   Stops
}

// DefaultTick is the tick of the card, which departures are rounded up to.
const DefaultTick = 8 * time.Nanosecond

// Add takes in the departure of one frame. Those of a flow come in order.
func (d *Departures) Add(x *Departure) {
	d.packets++
	if x.Call > 0 {
		d.call.add(x.Call)
	}
	if !x.Paced {
		if d.paced.packets == 0 {
			d.ready.add(x, &d.stops, d.tick())
		}
		return
	}
	d.paced.add(x, &d.stops, d.tick())
	if x.Reserved {
		d.moved.add(x.due().Sub(x.Depart))
	}
	lateness := x.Sent.Sub(x.due())
	switch {
	case lateness < 0:
		d.early++
	case lateness > d.tick():
		d.late++
		d.lateBy.add(x, d.Software)
	}
}

func (d *Departures) tick() time.Duration {
	if d.Tick == 0 {
		return DefaultTick
	}
	return d.Tick
}

// Merge adds what other has gathered, at another port or in another run. A gap between a
// frame here and one there is not counted.
func (d *Departures) Merge(other *Departures) {
	for why, n := range other.Dropped {
		d.Dropped[why] += n
	}
	d.Waiting += other.Waiting
	d.packets += other.packets
	d.late += other.late
	d.early += other.early
	d.lateBy.Contention += other.lateBy.Contention
	d.lateBy.Host += other.lateBy.Host
	d.lateBy.Card += other.lateBy.Card
	d.paced.merge(&other.paced)
	d.ready.merge(&other.ready)
	d.moved.merge(&other.moved)
	d.call.merge(&other.call)
	d.stops.merge(&other.stops)
}

// LateBy counts late packets by what made the largest part of their lateness.
type LateBy struct {
	Contention uint64 `json:"contention"` // the port was taken by another frame
	Host       uint64 `json:"host"`       // software handed it over after it was due
	Card       uint64 `json:"card"`       // the rest: it was there in time, and the port free
}

func (l *LateBy) add(x *Departure, software bool) {
	due := max(x.Depart, x.Sched)
	contention := min(due, x.Sent) - x.due()
	host := max(min(x.Enqueued, x.Sent)-due, 0)
	card := x.Sent - x.due() - contention - host
	if software {
		host, card = host+card, 0
	}
	switch {
	case contention >= max(host, card):
		l.Contention++
	case host >= card:
		l.Host++
	default:
		l.Card++
	}
}

// punctuality compares departures with the times that were asked for.
type punctuality struct {
	packets       uint64
	gap, lateness distribution
	asked, actual time.Duration // sums of all gaps, but for those in which there was nothing to send

	flows map[pacer.Flow]*lastLeft
	flow  pacer.Flow // the flow of the last packet, and its entry
	last  *lastLeft
}

// lastLeft is the packet of a flow that left last.
type lastLeft struct {
	due, sent clock.Time
	// For so long nothing was there to be sent, and a schedule that is kept has not yet made
	// up for it.
	idle time.Duration
}

// maxFlows bounds the memory for flows. When there is another they are all forgotten,
// which costs each flow that goes on one gap.
const maxFlows = 1 << 16

func (p *punctuality) add(x *Departure, stops *Stops, tick time.Duration) {
	p.packets++
	p.lateness.add(max(x.Sent.Sub(x.due()), 0))
	if p.last == nil || p.flow != x.Flow {
		p.flow, p.last = x.Flow, p.flows[x.Flow]
	}
	if p.last == nil {
		if p.flows == nil {
			p.flows = make(map[pacer.Flow]*lastLeft)
		}
		if len(p.flows) == maxFlows {
			clear(p.flows)
		}
		p.last = &lastLeft{due: x.due(), sent: x.Sent}
		p.flows[x.Flow] = p.last
		return
	}
	asked, actual := x.due().Sub(p.last.due), x.Sent.Sub(p.last.sent)
	p.asked += asked - x.Missed
	idle := time.Duration(0)
	if by := x.stopped(p.last, stops, tick); x.Missed < 0 || by == StopApplication {
		idle = max(x.Missed, -p.last.idle)
	}
	p.actual += actual - idle
	p.gap.add(max(asked-actual, actual-asked))
	*p.last = lastLeft{x.due(), x.Sent, p.last.idle + idle}
}

// stopped counts by whom x was kept away when its time had come, and returns that.
func (x *Departure) stopped(last *lastLeft, stops *Stops, tick time.Duration) Stop {
	if x.Full > 0 {
		stops[StopDevice].add(x.Full)
	}
	by := x.Stop
	if late := last.sent.Sub(last.due); by != StopApplication && late > max(x.Missed/2, tick) {
		by = StopHost // what was there had been late by as much
	}
	if x.Missed > 0 {
		stops[by].add(x.Missed)
	}
	return by
}

func (p *punctuality) merge(other *punctuality) {
	p.packets += other.packets
	p.asked += other.asked
	p.actual += other.actual
	p.gap.merge(&other.gap)
	p.lateness.merge(&other.lateness)
}

// distribution is a histogram of times that are not negative, exact up to 2 us and to one
// in a thousand above. The largest is kept exactly.
type distribution struct {
	histogram *hdrhistogram.Histogram
	max       time.Duration
}

// longest is where the histogram ends: what is longer is counted as that.
const longest = time.Hour

func (d *distribution) init() {
	if d.histogram == nil {
		d.histogram = hdrhistogram.New(1, int64(longest), 3)
	}
}

func (d *distribution) add(v time.Duration) {
	d.init()
	d.max = max(d.max, v)
	// It cannot fail: v is not negative and not above the histogram's end.
	_ = d.histogram.RecordValue(int64(min(v, longest)))
}

func (d *distribution) merge(other *distribution) {
	if other.histogram == nil {
		return
	}
	d.init()
	d.max = max(d.max, other.max)
	d.histogram.Merge(other.histogram)
}

func (d *distribution) quantiles() Quantiles {
	if d.histogram == nil {
		return Quantiles{}
	}
	at := func(percent float64) int64 {
		return min(d.histogram.ValueAtPercentile(percent), int64(d.max))
	}
	return Quantiles{P50: at(50), P95: at(95), P99: at(99), P999: at(99.9), Max: int64(d.max)}
}

// Quantiles of a distribution, in ns.
type Quantiles struct {
	P50  int64 `json:"p50"`
	P95  int64 `json:"p95"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p999"`
	Max  int64 `json:"max"`
}

// Report is the outcome of Departures.
//
// If no packet was paced, the gap error and the lateness are against the times at which
// the packets were ready, and what only a pacer can ask for (late, early, rate error) is
// zero, or not there.
type Report struct {
	Packets uint64 `json:"packets"`
	Paced   uint64 `json:"paced"` // those that a pacer asked a departure for

	// GapError is abs(actual - asked time between departures) of consecutive packets of
	// a flow, Lateness the actual departure minus the asked one; both in ns, of the
	// paced packets.
	GapError Quantiles `json:"gap_error_ns"`
	Lateness Quantiles `json:"lateness_ns"`

	// Moved is the scheduled departure minus the asked one in ns, of the packets that
	// had their place on the wire reserved. Those are held to it: it is in nothing else
	// here.
	Moved Quantiles `json:"moved_ns,omitzero"`

	// SendCall is how long the send call of a packet took, in ns: the packet left during it,
	// and the actual departure here is its begin. It is the error of that time. There is
	// none where the device knows the time exactly, as in virtual time.
	SendCall Quantiles `json:"send_call_ns,omitzero"`

	Late    uint64 `json:"late"` // by more than LateAbove
	LateBy  LateBy `json:"late_by"`
	Early   uint64 `json:"early,omitempty"` // before the asked time, as where a card cuts it to ticks
	Dropped uint64 `json:"dropped"`

	DroppedBy Drops  `json:"dropped_by,omitzero"`
	Waiting   uint64 `json:"waiting,omitempty"` // had not left when this was counted

	// LateAbove is the lateness in ns that is not counted as late: Departures.Tick.
	LateAbove int64 `json:"late_above_ns"`

	// RateError is by how much longer than asked the packets took while their flows had
	// something to send: the sum of the actual gaps over the sum of those asked for, minus 1,
	// in ppm. A schedule that moved up, as a packet was not there in time, counts with
	// what it moved by. It is positive where the packets left more slowly than asked, and null
	// where no time was asked for.
	RateError PPM `json:"rate_error_ppm"`

	// Stops is how often flows were kept from sending when their pacers would have let
	// them, and for how long, by whom (see Stop). Of the application it is no loss.
	Stops Stops `json:"stops,omitzero"`
}

// Report returns the statistics of all that was added.
func (d *Departures) Report() Report {
	p := &d.paced
	if p.packets == 0 {
		p = &d.ready
	}
	r := Report{
		Packets:   d.packets,
		Paced:     d.paced.packets,
		GapError:  p.gap.quantiles(),
		Lateness:  p.lateness.quantiles(),
		Moved:     d.moved.quantiles(),
		SendCall:  d.call.quantiles(),
		Late:      d.late,
		LateBy:    d.lateBy,
		Early:     d.early,
		Dropped:   d.Dropped.Total(),
		DroppedBy: d.Dropped,
		Waiting:   d.Waiting,

		LateAbove: int64(d.tick()),
		Stops:     d.stops,
		RateError: NewPPM(float64(d.paced.actual), float64(d.paced.asked)),
	}
	return r
}

// WriteText writes the report as a table for a terminal.
func (r Report) WriteText(w io.Writer) error {
	_, err := io.WriteString(w, r.String())
	return err
}

// String returns what WriteText writes.
func (r Report) String() string {
	var b strings.Builder
	row := func(name string, columns ...any) {
		fmt.Fprintf(&b, "%-14s"+strings.Repeat(" %10v", len(columns))+"\n", append([]any{name}, columns...)...)
	}
	quantiles := func(name string, q Quantiles) { row(name, q.P50, q.P95, q.P99, q.P999, q.Max) }
	row("Departures, ns", "p50", "p95", "p99", "p99.9", "max")
	quantiles("gap error", r.GapError)
	quantiles("lateness", r.Lateness)
	if r.Moved != (Quantiles{}) {
		quantiles("moved", r.Moved)
	}
	if r.SendCall != (Quantiles{}) {
		quantiles("send call", r.SendCall)
	}
	switch {
	case r.Packets == 0:
		b.WriteString("no packet left")
	case r.Paced == 0:
		fmt.Fprintf(&b, "%s, not paced: measured against when each was ready", Count(r.Packets, "packet"))
	default:
		fmt.Fprintf(&b, "%s, %d paced, rate error %v, %d late by more than %v", Count(r.Packets, "packet"), r.Paced, r.RateError, r.Late, time.Duration(r.LateAbove))
		if r.Late > 0 {
			fmt.Fprintf(&b, " (contention %d, host %d, card %d)", r.LateBy.Contention, r.LateBy.Host, r.LateBy.Card)
		}
		if r.Early > 0 {
			fmt.Fprintf(&b, ", %d early", r.Early)
		}
	}
	fmt.Fprintf(&b, ", %d dropped", r.Dropped)
	if r.Dropped > 0 {
		fmt.Fprintf(&b, " (%v)", r.DroppedBy)
	}
	if r.Waiting > 0 {
		fmt.Fprintf(&b, ", %d waiting", r.Waiting)
	}
	b.WriteString("\n")
	if stops := r.Stops.String(); stops != "" {
		fmt.Fprintf(&b, "stopped by: %s\n", stops)
	}
	return b.String()
}
