package link

import "iter"

// Counters is what a device has counted since it was made, in the one shape that all devices
// have. Whoever reports reads them from the top of a chain down (see Chain), and nothing else.
//
// Of the frames that a device was given, or made itself, each has been handed on, was dropped,
// or waits, whenever one looks:
//
//	taken + made = Sent.Frames + Sent.Drops.Total() + Waiting
//
// A device that only looks on counts nothing, and returns its kind alone.
type Counters struct {
	Kind string // of device: "hold", "card", "wire", "tun"
	Name string // of the interface, where it has one

	Sent     Stats // towards the wire
	Received Stats // from there
	Waiting  int   // frames that the device has now, to be sent

	More []Counter // what only this kind of device counts
}

// A Counter is a number with a name, as metrics have it: small letters and underscores, with
// the unit at its end if it has one ("flows", "late_host", "down_ns").
type Counter struct {
	Name  string
	Value int64
	Level bool // it goes down as well as up, and two of them are no sum
}

// Get returns the value of the counter of that name among More, 0 if there is none.
func (c *Counters) Get(name string) int64 {
	for _, m := range c.More {
		if m.Name == name {
			return m.Value
		}
	}
	return 0
}

// Chain returns a device and all those below it, the upper ones first.
func Chain(top Device) iter.Seq[Device] {
	return func(yield func(Device) bool) {
		for d := top; d != nil && yield(d); d = d.Below() {
		}
	}
}

// Dropped returns what a chain has dropped of what it was to send.
func Dropped(top Device) (d Drops) {
	for dev := range Chain(top) {
		c := dev.Counters()
		d.Add(&c.Sent)
	}
	return d
}

// Bottom is the part of a Device that is the last of its chain and counts nothing, for those
// that are made of little more than Transmit.
type Bottom struct{}

// Below implements Device.
func (Bottom) Below() Device { return nil }

// Counters implements Device.
func (Bottom) Counters() Counters { return Counters{} }
