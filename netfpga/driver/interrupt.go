package driver

import "github.com/netcaliper/caliper/netfpga/pci"

// Interrupt implements pci.Host.
func (d *Driver) Interrupt() { d.run() }

// intr reads why the card raised its interrupt, and handles it (tech doc section 3.3).
// It reports whether there was an interrupt.
func (d *Driver) intr() bool {
	s := d.bus.Status()
	if s == 0 {
		return false
	}
	if d.state == down {
		d.stats.Ignored++
		return true
	}
	if s&pci.DMATxComplete != 0 {
		d.transfer = none
		if d.card.own {
			d.copied = d.clk.Now()
		}
		d.trace(DMATxComplete, 0)
		if d.copying != nil {
			d.release(d.copying)
			d.copying = nil
		}
	}
	if s&pci.PktAvail != 0 {
		d.avail = true
		if d.card.own {
			d.stamp = d.clk.Now()
		}
		d.trace(PktAvail, 0)
	}
	if s&pci.DMARxComplete != 0 {
		d.transfer = none
		d.trace(DMARxComplete, 0)
		d.receive(d.rxQueue, d.rxbuf[:d.rxLen])
	}
	return true
}

// attemptReceive starts to fetch the card's message, if it has one and no transfer is
// under way.
func (d *Driver) attemptReceive() bool {
	if !d.avail || d.transfer != none {
		return false
	}
	d.avail = false
	d.transfer = fromCard
	d.rxQueue, d.rxLen = d.bus.Read(d.rxbuf[:])
	d.trace(DMARx, d.rxLen)
	return true
}
