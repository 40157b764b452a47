package pktgen

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Late is what becomes of packets whose departure has passed when it is their turn. The
// zero Late is CatchUp without a cap. Its text form is the policy's name, and for a cap
// "catch-up=100".
type Late struct {
	Policy Policy

	// Cap is how many packets in a row CatchUp sends late. With the one behind them the
	// schedule begins anew, as under Rebase. 0 means no cap.
	Cap int
}

// Policy is the kind of a Late.
type Policy uint8

// The policies.
const (
	// CatchUp sends at once, at line rate, until the schedule is caught up with.
	CatchUp Policy = iota
	// Rebase moves the schedule: the late packet leaves at once, and all behind it, also
	// those with absolute departures, as much later as it was late. That is for good:
	// until the next reset of the card.
	Rebase
	// Drop sends no packet late.
	Drop
	// Faithful does as the original did. A packet whose departure is less than 5000 ticks
	// (40 us) behind the one before is sent at once, to catch up, without a cap. With any
	// other the schedule begins anew: relative departures behind it count from when it
	// really leaves. Absolute ones stay what they are.
	Faithful
)

var policies = [...]string{"catch-up", "re-base", "drop", "faithful"}

func (p Policy) String() string {
	if int(p) >= len(policies) {
		return fmt.Sprintf("policy %d", uint8(p))
	}
	return policies[p]
}

// Check returns an error if l is none.
func (l Late) Check() error {
	switch {
	case int(l.Policy) >= len(policies):
		return fmt.Errorf("there is no late policy %d", l.Policy)
	case l.Cap < 0:
		return fmt.Errorf("a cap of %d packets cannot be", l.Cap)
	case l.Cap > 0 && l.Policy != CatchUp:
		return fmt.Errorf("the late policy %v has no cap", l.Policy)
	}
	return nil
}

// String returns the text form.
func (l Late) String() string {
	if l.Cap > 0 {
		return fmt.Sprintf("%v=%d", l.Policy, l.Cap)
	}
	return l.Policy.String()
}

// ParseLate reads the text form.
func ParseLate(s string) (Late, error) {
	name, number, capped := strings.Cut(s, "=")
	for p, known := range policies {
		if known != name {
			continue
		}
		l := Late{Policy: Policy(p)}
		if capped {
			n, err := strconv.Atoi(number)
			if err != nil || n < 1 {
				return Late{}, fmt.Errorf("%q: the cap must be a number of packets, as in catch-up=100", s)
			}
			l.Cap = n
		}
		return l, l.Check()
	}
	return Late{}, fmt.Errorf("there is no late policy %q: it is one of %s, or catch-up=N", s, strings.Join(policies[:], ", "))
}

// schedule is what a port's sending thread remembers of late packets.
type schedule struct {
	late  int    // packets in a row that were
	moved uint64 // by how many ticks the schedule is later than was asked for
}

// late decides about a packet that was scheduled for a tick which has passed. It returns
// the departure that others are relative to, and whether the packet is sent.
func (e *egress) late(departure uint64, now clock.Time) (uint64, bool) {
	s, stats := &e.sending, &e.g.stats
	stats.Late++
	s.schedule.late++
	policy := e.g.late
	switch {
	case policy.Policy == Drop:
		stats.Dropped++
		return departure, false
	case policy.Policy == Faithful:
		if departure < after(s.last, Horizon) {
			break
		}
		stats.Moved++
		return e.earliest(now), true
	case policy.Policy == Rebase, policy.Cap > 0 && s.schedule.late > policy.Cap:
		stats.Moved++
		at := e.earliest(now)
		s.schedule.moved += at - departure
		s.schedule.late = 0
		return at, true
	}
	stats.CaughtUp++
	return departure, true
}

// earliest returns the first tick at which a packet can leave.
func (e *egress) earliest(now clock.Time) uint64 {
	return max(e.g.counter.Up(now), e.mac.Free())
}
