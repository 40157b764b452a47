package pktgen

import (
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Five packets, 1000 ticks (8 us) apart from tick 1000 on, come when it is tick 3500: the
// first three are late. Behind them there is one for tick 20000.
func TestLatePolicies(t *testing.T) {
	absolute := message(1000, 2000, 3000, 4000, 5000, 20000)
	gaps := relative(message(1000, 1000, 1000, 1000, 1000, 15000))
	for _, c := range []struct {
		late  string
		msg   *drivercomm.Message
		want  string // ticks
		stats Stats
	}{
		{"catch-up", absolute, "3500 3584 3668 4000 5000 20000", Stats{Late: 3, CaughtUp: 3}},
		{"catch-up", gaps, "3500 3584 3668 4000 5000 20000", Stats{Late: 3, CaughtUp: 3}},
		{"catch-up=2", absolute, "3500 3584 3668 4668 5668 20668", Stats{Late: 3, CaughtUp: 2, Moved: 1}},
		{"catch-up=2", gaps, "3500 3584 3668 4668 5668 20668", Stats{Late: 3, CaughtUp: 2, Moved: 1}},
		{"catch-up=3", absolute, "3500 3584 3668 4000 5000 20000", Stats{Late: 3, CaughtUp: 3}},
		{"re-base", absolute, "3500 4500 5500 6500 7500 22500", Stats{Late: 1, Moved: 1}},
		{"re-base", gaps, "3500 4500 5500 6500 7500 22500", Stats{Late: 1, Moved: 1}},
		{"drop", absolute, "4000 5000 20000", Stats{Late: 3, Dropped: 3}},
		{"drop", gaps, "4000 5000 20000", Stats{Late: 3, Dropped: 3}},
		{"faithful", absolute, "3500 3584 3668 4000 5000 20000", Stats{Late: 3, CaughtUp: 3}},
		{"faithful", gaps, "3500 3584 3668 4000 5000 20000", Stats{Late: 3, CaughtUp: 3}},
	} {
		late, err := ParseLate(c.late)
		if err != nil {
			t.Fatal(err)
		}
		card := newCardOf(t, 1, late)
		card.clk.RunUntil(3500 * 8)
		card.gen.Receive(c.msg)
		card.run()
		if got, want := card.ticks(), c.want; got != want {
			t.Errorf("%s: left at ticks %s, want %s", c.late, got, want)
		}
		s := card.gen.Stats()
		if got := (Stats{Late: s.Late, CaughtUp: s.CaughtUp, Moved: s.Moved, Dropped: s.Dropped}); got != c.stats || card.dropped != int(s.Dropped) {
			t.Errorf("%s: %+v, want %+v", c.late, got, c.stats)
		}
	}
}

// The split of the original: a gap of 5000 ticks (40 us) or more begins anew when its
// packet is late, a shorter one is caught up with. Absolute departures stay what they are.
func TestFaithful(t *testing.T) {
	for _, c := range []struct {
		msg  *drivercomm.Message
		want string
	}{
		{relative(message(1000, 4999, 4999, 4999)), "9000 9084 10998 15997"},
		{relative(message(1000, 5000, 5000, 5000)), "9000 9084 14084 19084"},
		{relative(message(1000, 100, 5000, 100, 100)), "9000 9084 9168 9268 9368"},
		{message(1000, 6000, 11000, 16000), "9000 9084 11000 16000"},
	} {
		card := newCardOf(t, 1, Late{Policy: Faithful})
		card.clk.RunUntil(9000 * 8)
		card.gen.Receive(c.msg)
		card.run()
		if got := card.ticks(); got != c.want {
			t.Errorf("left at ticks %s, want %s", got, c.want)
		}
	}
}

// A schedule that was moved stays so until the card is reset, also between ticks.
func TestRebaseIsForGood(t *testing.T) {
	card := newCardOf(t, 1, Late{Policy: Rebase})
	card.clk.RunUntil(801)
	card.gen.Receive(message(50, 200, 1_000_000)) // 51 ticks late, at the next tick
	card.run()
	if got, want := card.ticks(), "101 251 1000051"; got != want {
		t.Errorf("left at ticks %s, want %s", got, want)
	}
	card.at = nil
	card.gen.Receive(drivercomm.NewReset())
	card.gen.Receive(message(2_000_000))
	card.run()
	if got, want := card.ticks(), "2000000"; got != want {
		t.Errorf("after a reset left at ticks %s, want %s", got, want)
	}
}

// ticks returns the departures in ticks.
func (c *card) ticks() string {
	at := c.at
	c.at = make([]clock.Time, len(at))
	for i := range at {
		c.at[i] = at[i] / 8
	}
	s := c.departures()
	c.at = at
	return s
}

func TestParseLate(t *testing.T) {
	for _, s := range []string{"catch-up", "catch-up=1", "catch-up=100", "re-base", "drop", "faithful"} {
		if l, err := ParseLate(s); err != nil || l.String() != s || l.Check() != nil {
			t.Errorf("%q: %v, %v", s, l, err)
		}
	}
	for s, want := range map[string]string{
		"":            "no late policy \"\"",
		"catchup":     "one of catch-up, re-base, drop, faithful, or catch-up=N",
		"catch-up=":   "number of packets",
		"catch-up=0":  "number of packets",
		"catch-up=-1": "number of packets",
		"catch-up=x":  "number of packets",
		"drop=1":      "has no cap",
	} {
		if l, err := ParseLate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", s, l, err)
		}
	}
	for _, l := range []Late{{Policy: 4}, {Cap: -1}, {Policy: Drop, Cap: 1}} {
		if err := l.Check(); err == nil {
			t.Errorf("%v is taken", l)
		}
	}
}

// FuzzParseLate reads policies: what is taken is written and read as the same.
func FuzzParseLate(f *testing.F) {
	for _, s := range []string{"catch-up", "catch-up=100", "re-base", "drop", "faithful", "drop=1", "catch-up=0", "="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLate(s)
		if err != nil {
			return
		}
		if again, err := ParseLate(l.String()); err != nil || again != l || l.Check() != nil {
			t.Errorf("%q is %+v, read again %+v, %v", s, l, again, err)
		}
	})
}
