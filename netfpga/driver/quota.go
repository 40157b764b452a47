package driver

import (
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
)

// attemptSend starts to copy the next buffer to the card, if there is one, no transfer
// is under way, and the card has room for a message (tech doc section 3.4). It reports
// whether it did.
func (d *Driver) attemptSend() bool {
	if d.state != up || d.waiting.Len() == 0 && d.building == nil {
		d.stalled = nil
		return false
	}
	switch {
	case d.transfer != none:
		d.stall(&d.stats.BusBusy)
		return false
	case d.allowedSend == 0:
		d.stall(&d.stats.NoQuota)
		return false
	}
	d.stalled = nil
	d.allowedSend--
	d.copying = d.nextWaiting()
	d.write(d.copying.Message())
	return true
}

// write starts a transfer to the card.
func (d *Driver) write(msg *drivercomm.Message) {
	d.transfer = toCard
	d.stats.Messages++
	d.trace(DMATx, msg.Len)
	d.bus.Write(msg)
}

// stall counts that something has to wait, once for as long as it waits for the same.
func (d *Driver) stall(cause *uint64) {
	if d.stalled != cause {
		*cause++
	}
	d.stalled = cause
}

// canBe reports whether the card can have granted so many messages: it cannot grant more
// than it has slots for.
func canBe(quota int32) bool { return quota >= 0 && quota <= drivercomm.Slots }

// moreQuota adds what a quota message grants.
func (d *Driver) moreQuota(n int32) {
	if !canBe(n) || d.allowedSend+int(n) > drivercomm.Slots {
		d.stats.Malformed++
		return
	}
	d.stats.Quotas++
	d.allowedSend += int(n)
	d.trace(Quota, int(n))
}

// receive handles what came from the card, the original's nf2c_rx.
func (d *Driver) receive(queue int, bytes []byte) {
	switch {
	case queue == pci.Generator:
		d.receiveMessage(bytes)
	case d.state != up:
		d.stats.Ignored++
	default:
		d.turn = true
		d.stats.Received++
		d.config.Received(queue-pci.Received, bytes)
	}
}

// receiveMessage handles a message of the generator.
func (d *Driver) receiveMessage(msg []byte) {
	r, ok := drivercomm.ParseReply(msg)
	if ok && d.card.own && !d.card.line.add(r.Time, d.stamp) {
		d.stats.BadStamps++
	}
	switch {
	case ok && r.Type == drivercomm.ResetDone && d.state == resetting && canBe(r.Quota):
		d.resetDone(int(r.Quota))
	case ok && r.Type == drivercomm.Quota && d.state == up:
		d.moreQuota(r.Quota)
	default:
		d.stats.Malformed++
	}
}
