package pacer

import (
	"encoding/json"
	"errors"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A Command tells the packet scheduler how a flow is to be paced. It is plain data, so that
// the scheduler may run on another thread or in another process, but for Custom.
type Command struct {
	Op   Op
	Flow Flow

	// Policy is that of SetPolicy and ChangeRate.
	Policy Policy
	// Feedback is that of Follow.
	Feedback Feedback

	// Custom stands for the Policy of SetPolicy: a Pacer of one's own, which is the
	// scheduler's from then on. It is no data, and a command with one is for a scheduler on
	// the same thread: it cannot be encoded.
	Custom Pacer `json:"-"`
}

// Op is what a Command does.
type Op uint8

// The commands. Each of them is answered with the flow's Status.
const (
	// Query changes nothing.
	Query Op = iota
	// SetPolicy says who asks for the departures of the flow's packets, those that wait
	// among them, and begins the pacing anew. The policy none means nobody.
	SetPolicy
	// ChangeRate is SetPolicy for a policy of a Rate. If the flow is paced by a Rate in the
	// same unit already, it is that rate which changes, and the schedule goes on without a
	// break.
	ChangeRate
	// Follow has the flow's pacer take in Feedback, if it is a Follower, and the departure
	// of what waits asked for again. A Custom one may have changed, and is asked again in
	// any case; of a flow with any other nothing changes.
	Follow
	// Forget ends the pacing of the flow behind the last packet that waits.
	Forget
	numOps
)

// Pace returns the command that has p ask for the departures of the packets of a flow: as
// data where PolicyOf has a policy for it. nil means nobody.
func Pace(f Flow, p Pacer) Command {
	c := Command{Op: SetPolicy, Flow: f}
	ok := false
	if c.Policy, ok = PolicyOf(p); !ok {
		c.Custom = p
	}
	return c
}

// Check returns an error that says what is wrong with a command that came from elsewhere.
func (c *Command) Check() error {
	switch {
	case c.Op >= numOps:
		return edge(errors.New("there is no such command"))
	case c.Op == ChangeRate && (c.Policy.Kind != PacedByRate || c.Policy.BitsPerSecond < 1):
		return edge(errors.New("a rate to change to must be at least 1 bit/s"))
	case c.Custom != nil:
		return nil
	}
	return c.Policy.Check()
}

// MarshalJSON implements json.Marshaler. It returns an error for a command with a Custom
// Pacer.
func (c Command) MarshalJSON() ([]byte, error) {
	if c.Custom != nil {
		return nil, edge(errors.New("a Pacer of one's own is no data, and paces in its own process only"))
	}
	type plain Command
	return json.Marshal(plain(c))
}

// Status is what the packet scheduler knows of a flow. It is plain data.
type Status struct {
	// Paced tells that somebody asks for departures, and Follows that it is a Follower.
	Paced, Follows bool
	// Rate is what is paced at, in bit/s; 0 if the flow is not paced, or not by a rate.
	Rate int64
	// Frames wait for their departure, of so many Bytes without FCS.
	Frames, Bytes int64
	// NextDeparture is when the first of them may leave; clock.Never if none waits.
	NextDeparture clock.Time
}
