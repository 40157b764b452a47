package nic

import (
	"errors"
	"fmt"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// maxTold is how many changes are told. More are counted: an interface may flap.
const maxTold = 10

// State is what the kernel says of an interface.
type State struct {
	Gone    bool  // it was removed, or moved to another namespace
	Up      bool  // an administrator has not taken it down
	Carrier bool  // there is somebody at the other end of the line
	MTU     int   // in bytes
	Lost    error // nothing more will be heard, and the other fields say nothing
}

// usable tells whether frames can leave.
func (s State) usable() bool { return s.Up && s.Carrier }

// A status is the State of a Device's interface, and how it came to that.
type status struct {
	State
	downAt clock.Optional // since when it is down
	told   int

	downs uint64        // how often it went down or lost its carrier
	down  time.Duration // how long that was for, without the time since downAt
	mtus  uint64        // how often its MTU was changed
}

// newStatus returns that of an interface that is up.
func newStatus() status { return status{State: State{Up: true, Carrier: true}} }

// counters counts what became of the interface until now.
func (s *status) counters(now clock.Time) []link.Counter {
	down := s.down
	if since, ok := s.downAt.Get(); ok {
		down += now.Sub(since)
	}
	return []link.Counter{
		{Name: "downs", Value: int64(s.downs)},
		{Name: "down_ns", Value: int64(down)},
		{Name: "mtu_changes", Value: int64(s.mtus)},
	}
}

// changed takes in a new state.
func (d *Device) changed(s State) {
	if d.closed {
		return
	}
	if s.Lost != nil {
		d.say(fmt.Sprintf("what becomes of it is not known from now on: %v", s.Lost))
		return
	}
	now, mtu := d.clk.Now(), d.config.Info.MTU
	st := &d.state
	was := st.State
	st.State = s
	switch {
	case s.Gone:
		d.fail(ErrGone)
		return
	case was.usable() && !s.usable():
		st.downs++
		st.downAt = clock.At(now)
		why := "it was taken down"
		if s.Up {
			why = "it has no carrier"
		}
		d.say(why + ": until it is up again nothing leaves or arrives")
	case !was.usable() && s.usable():
		down := now.Sub(st.downAt.Or(now))
		d.say(fmt.Sprintf("it is up again, after %v", down.Round(time.Millisecond)))
		st.down += down
		st.downAt = clock.Optional{}
	}
	if s.MTU == was.MTU || s.MTU == 0 {
		return
	}
	if was.MTU != 0 {
		st.mtus++
	}
	switch {
	case s.MTU < mtu:
		d.say(fmt.Sprintf("its MTU is %d now and was %d when it was opened: longer packets are dropped", s.MTU, mtu))
	case was.MTU != 0 && was.MTU < mtu:
		d.say(fmt.Sprintf("its MTU is %d again", s.MTU))
	}
}

// say tells of a change.
func (d *Device) say(what string) {
	if d.state.told++; d.config.Tell == nil || d.state.told > maxTold {
		return
	}
	if d.state.told == maxTold {
		what += "; more of this is counted and not told"
	}
	d.config.Tell(d.wrap(errors.New(what)))
}
