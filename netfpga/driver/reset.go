package driver

import "github.com/netcaliper/caliper/netfpga/drivercomm"

// state is that of the interface (tech doc section 3.6).
type state uint8

const (
	down      state = iota // nothing is sent, and interrupts are ignored
	resetting              // the card is to answer a reset; nothing else is sent
	up
)

// Up brings the interface up: the card is reset, and with its answer sending begins.
// Frames may be given to Send before that.
func (d *Driver) Up() {
	if d.state != down {
		return
	}
	d.bus.Stop()
	d.state = resetting
	d.trace(Up, 0)
	d.write(drivercomm.PutReset(d.reset[:]))
	d.run()
}

// resetDone is the answer.
func (d *Driver) resetDone() {
	d.state = up
	d.allowedSend = drivercomm.StartQuota
	d.trace(Reset, d.allowedSend)
}

// Down takes the interface down. What waits to be sent is cleared, and interrupts are
// ignored from now on. What the card has already is the card's.
func (d *Driver) Down() {
	if d.state == down {
		return
	}
	d.state = down
	d.bus.Stop()
	d.transfer, d.avail = none, false
	n := d.clearBuffers()
	d.stats.Cleared += uint64(n)
	d.full, d.last = false, 0
	d.trace(Down, n)
}
