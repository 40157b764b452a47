package hold

import (
	"errors"
	"fmt"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// Config sets up a Hold.
type Config struct {
	// Guard is how long a frame without a departure time may be kept off the wire by
	// frames that have one; 0 means 100 ms.
	Guard time.Duration

	// Reserve makes the scheduled time of a paced frame what it is held to: flows that
	// ask for the same instant have been given one after the other, and are not late.
	Reserve bool

	// Rate is the aggregate of all classes in bit/s, counted in Unit; 0 means none.
	Rate int64
	Unit pacer.Unit

	// Classes are tried in their order, and the first whose rule matches has the flow.
	// What none of them wants is in Default, whose Rule does not count. At most
	// MaxClasses.
	Classes []Class
	Default Class

	// FlowBytes is how many bytes of frames of one flow may wait; beyond it they are
	// dropped as link.FlowFull. One frame always may. 0 means 32 MiB, which is more than
	// a connection with the buffers of package stack can have in flight.
	FlowBytes int
	// FlowTime is how long what a flow has waiting may take to leave at the rate of its
	// pacer; beyond it its frames are dropped as link.FlowFull. One frame always may wait.
	// 0 means that there is no such bound, nor is there with a pacer that has no rate.
	FlowTime time.Duration
	// Bytes is how many bytes may wait in all; beyond it frames are dropped as
	// link.QueueFull. 0 means 256 MiB.
	Bytes int

	// Flows is how many flows are kept apart; 0 means 1<<21. Those beyond it share one
	// pacer and one queue a class, and are counted.
	Flows int
	// Idle is for how long after its next departure a flow without frames is kept, if
	// its pacer comes from its class; 0 means 1 s.
	Idle time.Duration
}

// A Class is a set of flows that share.
type Class struct {
	// Name is for counters and for SetRate. No two classes have the same. That of
	// Config.Default may be empty, and is "default" then.
	Name string
	// Rule says which flows are in the class.
	Rule pacer.Rule
	// Policy makes the pacer of each flow of the class, on its first frame.
	Policy pacer.Policy
	// Rate is the aggregate of the class in bit/s, counted in Unit; 0 means none.
	Rate int64
	Unit pacer.Unit
	// Weight is the share of the class where classes compete, in bytes of the wire, up
	// to MaxWeight; 0 means 1.
	Weight int
}

// Bounds of a Config.
const (
	MaxClasses = 64
	MaxWeight  = 1 << 16

	maxFlowBytes = 1 << 30
)

// Check returns an error that says what is wrong with the config. A nil one is fine.
func (c *Config) Check() error {
	if c == nil {
		return nil
	}
	if c.Guard < 0 || c.Idle < 0 || c.FlowTime < 0 || c.FlowBytes < 0 || c.Bytes < 0 || c.Flows < 0 {
		return errors.New("hold: no time and no bound may be negative")
	}
	if c.FlowBytes > maxFlowBytes {
		return fmt.Errorf("hold: at most %d bytes of a flow may wait, not %d", maxFlowBytes, c.FlowBytes)
	}
	if c.Rate < 0 || c.Unit > pacer.Payload {
		return errors.New("hold: the rate of the port is not at least 0 bit/s of wire, IP or payload")
	}
	return checkClasses(c.Classes, c.Default)
}

func checkClasses(classes []Class, rest Class) error {
	if len(classes) > MaxClasses {
		return fmt.Errorf("hold: there are %d classes, the most are %d", len(classes), MaxClasses)
	}
	seen := make(map[string]bool)
	for _, c := range append([]Class{rest.named()}, classes...) {
		switch {
		case c.Name == "":
			return errors.New("hold: a class has no name")
		case seen[c.Name]:
			return fmt.Errorf("hold: two classes are called %q", c.Name)
		case c.Rate < 0 || c.Unit > pacer.Payload:
			return fmt.Errorf("hold: the rate of class %q is not at least 0 bit/s of wire, IP or payload", c.Name)
		case c.Weight < 0 || c.Weight > MaxWeight:
			return fmt.Errorf("hold: the weight of class %q is %d, and not between 1 and %d", c.Name, c.Weight, MaxWeight)
		}
		seen[c.Name] = true
	}
	return nil
}

// named returns the default class with its name.
func (c Class) named() Class {
	if c.Name == "" {
		c.Name = "default"
	}
	return c
}

// complete returns the config with what zero stands for.
func (c *Config) complete() Config {
	if c == nil {
		c = &Config{}
	}
	full := *c
	or := func(v *int, zero int) {
		if *v == 0 {
			*v = zero
		}
	}
	or(&full.FlowBytes, 32<<20)
	or(&full.Bytes, 256<<20)
	or(&full.Flows, 1<<21)
	if full.Guard == 0 {
		full.Guard = 100 * time.Millisecond
	}
	if full.Idle == 0 {
		full.Idle = time.Second
	}
	return full
}
