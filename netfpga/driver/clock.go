package driver

import (
	"math"
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Clock is what the driver knows of the card's clock. It is zero where the card counts
// the host's time.
type Clock struct {
	Offset   time.Duration // what it shows now, minus the host's time
	DriftPPM float64       // by how much it runs fast, in parts per million

	// Error is by how much the departure that Send was given last may be wrong at most,
	// before it is rounded up to a tick. It is the larger the further ahead that was.
	//
	// It holds where the clock's drift does not change within the two seconds that the
	// estimate looks back. It covers a delay that all the card's messages have in common,
	// up to that of the fastest answer to a reset, and one that they have by chance, up to
	// that of three in four of those that the estimate keeps.
	Error time.Duration
}

// cardClock converts times of the host to the card's ticks.
type cardClock struct {
	nominal drivercomm.Tick
	own     bool // it is not the host's clock
	down    bool // times are cut to ticks, and not rounded up
	known   bool // times can be converted
	asked   int  // resets that were sent to learn it
	line    estimate
	bound   float64 // of the last conversion, ns
}

func (c *cardClock) init(config *Config) {
	*c = cardClock{
		nominal: config.Tick, own: config.OwnClock, known: !config.OwnClock, down: config.Truncate,
		line: estimate{tick: config.Tick},
	}
}

// tick returns the first tick that is not before at, or with down the last one not after it.
func (c *cardClock) tick(at clock.Time) uint64 {
	base := uint64(0)
	if c.own {
		c.bound = c.line.bound(at)
		base, at = c.line.convert(at)
	}
	if c.down {
		return base + c.nominal.Down(at)
	}
	return base + c.nominal.Up(at)
}

// Where the card's clock is its own, the driver comes up with several resets, so that it
// knows the drift before it has to convert the first departure.
const (
	handshakes   = 11
	betweenThese = 10 * time.Millisecond
)

// learned takes in that the time stamp added last answered a reset, which had reached the
// card so long before, and reports whether that is enough.
func (c *cardClock) learned(after time.Duration) bool {
	if !c.own {
		return true
	}
	c.line.answered(after)
	if c.asked++; c.asked < handshakes {
		return false
	}
	c.line.close()
	c.known = true
	return true
}

func (c *cardClock) stats(now clock.Time) Clock {
	if !c.own || !c.known {
		return Clock{}
	}
	l := &c.line
	since := now - l.host
	began := c.nominal.Time(l.card) - l.host
	return Clock{
		Offset:   time.Duration(began) + time.Duration(math.Round(l.ahead(float64(since)))),
		DriftPPM: l.slope * 1e6,
		Error:    time.Duration(math.Ceil(c.bound)),
	}
}
