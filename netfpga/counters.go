package netfpga

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/firmware"
)

// account is what an interface counts.
type account struct {
	sent     link.Stats // frames handed to the device below, and those dropped
	received link.Stats // frames that came from below
	injected int64      // packets that senders injected
	refused  int64      // how often the device below had no room for a frame
	foreign  int64      // frames of the faithful card's program that nobody had given to it
	late     late
}

// merge adds what another interface has counted.
func (a *account) merge(o *account) {
	a.sent.Add(&o.sent)
	a.received.Add(&o.received)
	a.injected += o.injected
	a.refused += o.refused
	a.foreign += o.foreign
	a.late.merge(&o.late)
}

// counters returns them in the shape of all devices.
func (a *account) counters(name string, waiting int) link.Counters {
	return link.Counters{
		Kind: "card", Name: name, Sent: a.sent, Received: a.received, Waiting: waiting,
		More: append([]link.Counter{
			{Name: "injected", Value: a.injected},
			{Name: "refused", Value: a.refused},
			{Name: "foreign", Value: a.foreign},
		}, a.late.counters()...),
	}
}

// Counters implements link.Device, for the interface. What senders have injected, and what the
// program of a faithful card has made (foreign), is sent beside what the interface was given.
// Of the paced frames, late_host and so on count those that left after their tick, by what
// kept them:
//
//	host     it was handed to the card after its departure
//	card     it waited in the driver or on the card, for quota, the bus or a slot
//	line     the frame in front of it was still on the line
//	below    the device below had no room
//	clock    the clock called late; never in virtual time
//	policy   the schedule had been moved behind a late one
//	dropped  it would have been late, and was dropped (Config.Late)
func (i *Interface) Counters() link.Counters {
	return i.account.counters(i.info.Name, i.waiting())
}

// waiting returns how many frames the driver and the card have. Those that an interface had
// when it was closed have been dropped, and only their places are left.
func (i *Interface) waiting() int {
	if i.closed {
		return 0
	}
	return i.txring.Len() + i.behind.Len()
}

// Counters implements link.Device, for all interfaces of the card, with what its parts count:
// driver, bus, generator (pktgen) and machine, whose counters the packages' Stats describe.
func (c *Card) Counters() link.Counters {
	var all account
	waiting := 0
	for _, i := range c.ports {
		all.merge(&i.account)
		waiting += i.waiting()
	}
	k := all.counters(c.ports[0].info.Name, waiting)
	add := func(name string, n uint64) {
		k.More = append(k.More, link.Counter{Name: name, Value: int64(n)})
	}
	level := func(name string, n int64) {
		k.More = append(k.More, link.Counter{Name: name, Value: n, Level: true})
	}
	d := c.driver.Stats()
	add("driver_packets", d.Packets)
	add("driver_messages", d.Messages)
	add("driver_quotas", d.Quotas)
	level("driver_buffers_peak", int64(d.HighWater))
	add("driver_disordered", d.Disordered)
	add("driver_cleared", d.Cleared)
	add("driver_ignored", d.Ignored)
	add("driver_malformed", d.Malformed)
	add("driver_bad_stamps", d.BadStamps)
	add("driver_received", d.Received)
	add("driver_no_quota", d.NoQuota)
	add("driver_bus_busy", d.BusBusy)
	add("driver_no_buffer", d.NoBuffer)
	bus := c.bus.Stats()
	add("bus_transfers", bus.Transfers)
	add("bus_bytes", bus.Bytes)
	g := c.gen.Stats()
	add("pktgen_messages", g.Messages)
	add("pktgen_packets", g.Packets)
	add("pktgen_replies", g.Replies)
	add("pktgen_input_full", g.InputFull)
	add("pktgen_late", g.Late)
	add("pktgen_caught_up", g.CaughtUp)
	add("pktgen_moved", g.Moved)
	add("pktgen_dropped", g.Dropped)
	var m firmware.Stats
	if c.firmware != nil {
		m = c.firmware.Program()
	}
	level("machine_slots", int64(m.Slots))
	level("machine_behind_ns", int64(m.Behind))
	add("machine_launched", m.Launched)
	add("machine_no_port", m.NoPort)
	add("machine_too_long", m.TooLong)
	add("machine_queue_full", m.QueueFull)
	return k
}

// Clock returns what the driver knows of the card's clock.
func (c *Card) Clock() driver.Clock { return c.driver.Clock() }
