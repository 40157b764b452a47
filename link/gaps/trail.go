package gaps

import "github.com/netcaliper/caliper/pacer/clock"

// A trail is how a value went over time, in at most maxStretches stretches of equally many
// values: when there are more, each becomes twice as long.
type trail struct {
	stretches []stretch
	length    int // values in a stretch, but for the last
	n         int // values in the last
}

const maxStretches = 1 << 10

// A stretch has the lowest and the highest value from a time on.
type stretch struct {
	at        clock.Time
	low, high int64
}

func (t *trail) add(at clock.Time, v int64) {
	if len(t.stretches) == 0 || t.n == t.length {
		if len(t.stretches) == maxStretches {
			t.halve()
		} else {
			t.length = max(t.length, 1)
		}
		t.stretches = append(t.stretches, stretch{at, v, v})
		t.n = 1
		return
	}
	s := &t.stretches[len(t.stretches)-1]
	s.low, s.high = min(s.low, v), max(s.high, v)
	t.n++
}

// halve puts every two stretches together.
func (t *trail) halve() {
	for i := range maxStretches / 2 {
		a, b := t.stretches[2*i], t.stretches[2*i+1]
		t.stretches[i] = stretch{a.at, min(a.low, b.low), max(a.high, b.high)}
	}
	t.stretches = t.stretches[:maxStretches/2]
	t.length *= 2
}
