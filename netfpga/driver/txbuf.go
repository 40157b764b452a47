package driver

import "github.com/netcaliper/caliper/netfpga/drivercomm"

// txBuffers is how many transmit buffers there are.
const txBuffers = 16

// A txbuf is a transmit buffer (tech doc section 3.1): as many packets as fit one
// transfer to the card. It is either free, or the one that is being built, or it waits
// to be copied, or is being copied.
type txbuf struct {
	drivercomm.Builder
	marks []mark
}

// nextBuffer puts the buffer that was being built with those that wait, and begins
// another. It reports false if none is free.
func (d *Driver) nextBuffer() bool {
	if d.building != nil {
		d.waiting.Push(d.building)
		d.building = nil
		d.work()
		if d.building != nil { // by somebody who received a frame, and answered
			return true
		}
	}
	n := len(d.free)
	if n == 0 {
		return false
	}
	d.building = d.free[n-1]
	d.free = d.free[:n-1]
	d.stats.HighWater = max(d.stats.HighWater, txBuffers-len(d.free))
	return true
}

// nextWaiting takes out the buffer that is copied next: the oldest that waits, else the
// one that is being built. There must be one.
func (d *Driver) nextWaiting() *txbuf {
	if d.waiting.Len() > 0 {
		return d.waiting.Pop()
	}
	b := d.building
	d.building = nil
	return b
}

// release frees a buffer that has been copied or cleared.
func (d *Driver) release(b *txbuf) {
	b.Clear()
	d.hits = append(d.hits, b.marks...)
	b.marks = b.marks[:0]
	d.free = append(d.free, b)
}

// clearBuffers frees every buffer, and returns how many packets had not been copied.
func (d *Driver) clearBuffers() (packets int) {
	for d.waiting.Len() > 0 || d.building != nil {
		b := d.nextWaiting()
		packets += b.Count()
		d.release(b)
	}
	if d.copying != nil {
		packets += d.copying.Count()
		d.release(d.copying)
		d.copying = nil
	}
	return packets
}
