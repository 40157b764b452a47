package pacer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A Gap is an inter-departure time in picoseconds, so that gaps of a fraction of a
// nanosecond add up without a drift.
type Gap int64

// Nanosecond is the unit that gaps are written in.
const Nanosecond Gap = 1000

// MaxGaps is how many gaps ParseGaps reads at most.
const MaxGaps = 1 << 22

// Gaps sends packets at the inter-departure times of a list, whatever their size. The
// gaps are used in order, and after the last the first again, as the packet generator's
// options -d and -D have it (tech doc, section 2). Between makes the list from absolute
// times of departure.
//
// The first packet leaves when it is ready, or at Start if that is later. The schedule
// runs on from there by the gaps alone, so it is one of absolute times. A packet that is
// ready too late for its time leaves at once, and those after it catch up: they leave back
// to back until the schedule is kept again.
type Gaps struct {
	// List holds the gaps: List[0] is the one between the first and the second packet.
	// An empty list does not pace. Many Gaps may share one list.
	List []Gap
	// Start is when the first packet leaves at the earliest.
	Start clock.Time
	// Once says that the list is used once: behind its last gap packets are not paced any
	// more and leave as soon as they can. A list of n gaps so has times for n+1 packets.
	Once bool

	begun bool
	i     int32      // the gap that follows next
	last  clock.Time // the departure before
	next  clock.Time // the schedule's next time, rounded down
	rest  Gap        // the fraction of next
}

// NewGaps returns a Gaps over the list, which it does not copy. It returns an error if
// the list is empty or longer than MaxGaps, or a gap is negative.
func NewGaps(list []Gap) (*Gaps, error) {
	if err := checkGaps(list); err != nil {
		return nil, edge(err)
	}
	return &Gaps{List: list}, nil
}

func checkGaps(list []Gap) error {
	if len(list) == 0 {
		return errNoGaps
	}
	if len(list) > MaxGaps {
		return fmt.Errorf("%d gaps are too many, %d are possible", len(list), MaxGaps)
	}
	for i, gap := range list {
		if gap < 0 {
			return fmt.Errorf("gap %d of the list is negative: %d ps", i+1, gap)
		}
	}
	return nil
}

var errNoGaps = errors.New("the list of gaps is empty, it must have at least one")

// Between returns the gaps of a list of absolute times of departure, which are counted from
// the departure of the first packet. The first packet's own 0 may stand at the head of the
// list or be left out: 0 10 25 and 10 25 both are the gaps 10 and 15. Where the gaps are
// cycled, the last time is the period: the packet that leaves then is the first of the
// next round, and the times go on with 35 and 50. It returns an error if the list has no
// time besides that 0, or a time is before the one in front of it.
func Between(times []Gap) ([]Gap, error) {
	list, err := between(times)
	return list, edge(err)
}

func between(times []Gap) ([]Gap, error) {
	list := make([]Gap, 0, len(times))
	last := Gap(0)
	for i, t := range times {
		switch {
		case t < last:
			return nil, fmt.Errorf("absolute departures must not decrease, and number %d of the list is before the one in front of it", i+1)
		case i > 0 || t > 0:
			list = append(list, t-last)
		}
		last = t
	}
	if len(list) == 0 {
		return nil, errors.New("the list of departures is empty, it must have one besides the first packet's 0")
	}
	return list, nil
}

// Next implements Pacer.
func (g *Gaps) Next(_ Size, ready clock.Time) clock.Time {
	switch {
	case len(g.List) == 0:
		return max(ready, g.last)
	case !g.begun:
		return max(ready, g.Start)
	}
	return max(ready, g.last, g.next)
}

// Missed returns by how much further a packet that is ready at that time departs behind
// the schedule than the one before it did; less than 0 where it is nearer. The schedule is
// not moved, and is kept again when what is late has been made up for.
func (g *Gaps) Missed(_ Size, ready clock.Time) time.Duration {
	if !g.begun || int(g.i) == len(g.List) {
		return 0
	}
	before := int(g.i) - 1
	if before < 0 {
		before = len(g.List) - 1
	}
	was := g.last.Sub(g.next.Add(-time.Duration(g.List[before] / Nanosecond)))
	return max(ready, g.last, g.next).Sub(g.next) - max(was, 0)
}

// Depart implements Pacer. An answer past the end of time is clock.Never.
func (g *Gaps) Depart(n Size, now clock.Time) clock.Time {
	g.last = g.Next(n, now)
	if !g.begun {
		g.begun, g.next = true, g.last
	}
	if int(g.i) == len(g.List) {
		return g.last
	}
	gap := g.List[g.i]
	g.rest += gap % Nanosecond
	carry := g.rest / Nanosecond
	g.rest %= Nanosecond
	g.next = later(g.next, uint64(gap/Nanosecond+carry))
	if g.i++; int(g.i) == len(g.List) && !g.Once {
		g.i = 0
	}
	return g.last
}

// ParseGaps reads a list of gaps: numbers of nanoseconds in decimal, with up to three
// digits after the point, separated by white space. It returns an error that names the
// line where something else is found, a gap is longer than some 106 days, or there are
// more than MaxGaps, and an error where there is none at all.
func ParseGaps(r io.Reader) ([]Gap, error) {
	list, err := parseGaps(r)
	return list, edge(err)
}

func parseGaps(r io.Reader) ([]Gap, error) {
	in := bufio.NewReader(r)
	var list []Gap
	var word []byte
	for line := 1; ; {
		c, err := in.ReadByte()
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("reading gaps: %w", err)
		}
		end := err == io.EOF
		if !end && !space(c) {
			word = append(word, c)
			if len(word) <= maxNumber {
				continue
			}
		}
		if len(word) > 0 {
			gap, err := parseGap(word)
			if err == nil && len(list) == MaxGaps {
				err = fmt.Errorf("more than %d gaps", MaxGaps)
			}
			if err != nil {
				return nil, fmt.Errorf("line %d of the gaps: %w", line, err)
			}
			list = append(list, gap)
			word = word[:0]
		}
		if end {
			break
		}
		if c == '\n' {
			line++
		}
	}
	if len(list) == 0 {
		return nil, errNoGaps
	}
	return list, nil
}

func space(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
