package driver

import "github.com/netcaliper/caliper/netfpga/drivercomm"

// state is that of the interface (tech doc section 3.6).
type state uint8

const (
	down      state = iota // nothing is sent, and interrupts are ignored
	resetting              // the card is to answer a reset; nothing else is sent
	up
)

// Up brings the interface up: the card is reset, and with its answer sending begins. Where
// the card's clock is its own, that takes several resets, and a tenth of a second. Packets
// may be given to Send before; until the card's clock is known, it has no room for them.
func (d *Driver) Up() {
	if d.state != down {
		return
	}
	d.bus.Stop()
	d.state = resetting
	d.card.init(&d.config)
	d.trace(Up, 0)
	d.askReset()
}

// askReset has the card reset, as soon as the bus is free.
func (d *Driver) askReset() {
	d.resetDue = true
	d.run()
}

// attemptReset starts to copy a reset, which is due, to the card, if no transfer is under
// way. It reports whether it did.
func (d *Driver) attemptReset() bool {
	if d.transfer != none {
		return false
	}
	d.resetDue = false
	d.write(d.reset)
	return true
}

// resetDone is the card's answer, with the messages that it has room for.
func (d *Driver) resetDone(quota int) {
	if !d.card.learned(max(0, d.stamp.Sub(d.copied))) {
		d.again.Reset(betweenThese)
		return
	}
	d.state = up
	d.allowedSend = quota
	d.trace(Reset, d.allowedSend)
}

// Down takes the interface down. What waits to be sent is cleared, all marks are told,
// and interrupts are ignored from now on. What the card has already is the card's.
func (d *Driver) Down() {
	if d.state == down {
		return
	}
	d.state = down
	d.bus.Stop()
	d.again.Stop()
	d.transfer, d.avail, d.resetDue = none, false, false
	d.full, d.last = false, [drivercomm.MaxPorts]departure{}
	n := d.clearBuffers()
	d.stats.Cleared += uint64(n)
	d.trace(Down, n)
	d.notify()
}
