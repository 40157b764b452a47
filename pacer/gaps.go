package pacer

import (
	"bufio"
	"errors"
	"fmt"
	"io"

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
// options -d and -D have it (tech doc, section 2).
//
// The first packet leaves when it is ready, or at Start if that is later. The schedule
// runs on from there by the gaps alone. A packet that is ready too late for its time
// leaves at once, and those after it catch up: they leave back to back until the
// schedule is kept again.
type Gaps struct {
	// List holds the gaps: List[0] is the one between the first and the second packet.
	// An empty list does not pace.
	List []Gap
	// Start is when the first packet leaves at the earliest.
	Start clock.Time

	begun bool
	last  clock.Time // the departure before
	next  clock.Time // the schedule's next time, rounded down
	rest  Gap        // the fraction of next
	i     int        // the gap that follows next
}

// NewGaps returns a Gaps over the list, which it does not copy. It returns an error if
// the list is empty or a gap is negative.
func NewGaps(list []Gap) (*Gaps, error) {
	if len(list) == 0 {
		return nil, errNoGaps
	}
	for i, gap := range list {
		if gap < 0 {
			return nil, fmt.Errorf("pacer: gap %d of the list is negative: %d ps", i+1, gap)
		}
	}
	return &Gaps{List: list}, nil
}

var errNoGaps = errors.New("pacer: the list of gaps is empty, it must have at least one")

// Next implements Pacer.
func (g *Gaps) Next(n Size, ready clock.Time) clock.Time {
	asked := *g
	return asked.Depart(n, ready)
}

// Depart implements Pacer. An answer past the end of time is clock.Never.
func (g *Gaps) Depart(_ Size, now clock.Time) clock.Time {
	now = max(now, g.last)
	if len(g.List) == 0 {
		g.last = now
		return now
	}
	if !g.begun {
		g.begun = true
		g.next = max(now, g.Start)
	}
	g.last = max(now, g.next)

	g.rest += g.List[g.i] % Nanosecond
	carry := g.rest / Nanosecond
	g.rest %= Nanosecond
	g.next = later(g.next, uint64(g.List[g.i]/Nanosecond+carry))
	if g.i++; g.i == len(g.List) {
		g.i = 0
	}
	return g.last
}

// ParseGaps reads a list of gaps: numbers of nanoseconds in decimal, with up to three
// digits after the point, separated by white space. It returns an error that names the
// line where something else is found, a gap is longer than some 106 days, or there are
// more than MaxGaps, and an error where there is none at all.
func ParseGaps(r io.Reader) ([]Gap, error) {
	in := bufio.NewReader(r)
	var list []Gap
	var word []byte
	for line := 1; ; {
		c, err := in.ReadByte()
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("pacer: reading gaps: %w", err)
		}
		end := err == io.EOF
		if !end && !space(c) {
			word = append(word, c)
			if len(word) <= maxGapWord {
				continue
			}
		}
		if len(word) > 0 {
			gap, err := parseGap(word)
			if err == nil && len(list) == MaxGaps {
				err = fmt.Errorf("more than %d gaps", MaxGaps)
			}
			if err != nil {
				return nil, fmt.Errorf("pacer: line %d of the gaps: %w", line, err)
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

// maxGapWord is the longest number that is read, with room for leading zeros.
const maxGapWord = 32

func space(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// parseGap reads a number of nanoseconds.
func parseGap(word []byte) (Gap, error) {
	if len(word) > maxGapWord {
		return 0, fmt.Errorf("%q... is too long for a number", word[:maxGapWord])
	}
	const limit = 1<<63 - 1
	var ps uint64
	digits, decimals, point := 0, 0, false
	for _, c := range word {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return 0, fmt.Errorf("%q is not a number of nanoseconds such as 13560 or 13333.33", word)
		}
		if digits++; point {
			decimals++
		}
		if decimals > 3 {
			return 0, fmt.Errorf("%s ns is finer than a picosecond: give at most three decimals", word)
		}
		if ps > (limit-uint64(c-'0'))/10 {
			return 0, tooLong(word)
		}
		ps = ps*10 + uint64(c-'0')
	}
	if digits == 0 {
		return 0, fmt.Errorf("%q is not a number of nanoseconds such as 13560 or 13333.33", word)
	}
	for ; decimals < 3; decimals++ {
		if ps > limit/10 {
			return 0, tooLong(word)
		}
		ps *= 10
	}
	return Gap(ps), nil
}

func tooLong(word []byte) error {
	return fmt.Errorf("%s ns is too long for a gap, the longest is 106 days", word)
}
