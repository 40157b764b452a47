package netfpga

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/queue"
)

// fromBelow hands up what the device below has to say.
//
// By the card a received frame goes: queue, offered to the driver with PKT_AVAIL, copied
// over the bus, DMA_RX_COMPLETE, up.
type fromBelow struct{ *Interface }

// Ready implements link.Handler.
func (i fromBelow) Ready() { i.mac.Resume() }

// Receive implements link.Handler.
func (i fromBelow) Receive(frames []*link.Frame) {
	if i.route == ByCard {
		for _, f := range frames {
			i.arrive(f)
		}
		return
	}
	i.account.received.Frames += uint64(len(frames))
	for _, f := range frames {
		i.account.received.Bytes += uint64(f.Len())
	}
	i.above.Receive(frames)
}

// receiveSlots is how many received frames of a port wait on the card for the bus.
const receiveSlots = 256

// receiving is what a port received that the driver has not got yet.
type receiving struct {
	frames  queue.Ring[*link.Frame]
	offered bool // the first of them, on the bus
	one     [1]*link.Frame
}

// arrive puts a frame into the queue on the card.
func (i *Interface) arrive(f *link.Frame) {
	switch {
	case i.closed:
		i.account.received.Drop(f, link.Closed)
	case i.card.err != nil:
		i.account.received.Drop(f, link.LinkError)
	case f.Len() > drivercomm.MaxDMA:
		i.account.received.Drop(f, link.TooLong)
	case i.rx.frames.Len() >= receiveSlots:
		i.account.received.Drop(f, link.QueueFull)
	default:
		i.rx.frames.Push(f)
		i.offer()
	}
}

// offer offers the oldest frame to the driver.
func (i *Interface) offer() {
	if i.rx.offered || i.rx.frames.Len() == 0 {
		return
	}
	f := i.rx.frames.First()
	i.rx.offered = true
	i.card.bus.Offer(pci.Received+i.n, f.Bytes())
}

// taken tells that the driver has the bytes of the oldest frame.
func (i *Interface) taken() {
	i.rx.offered = false
	i.rx.frames.Pop().Free()
	i.offer()
}

// fromCard gets what the driver has got.
func (i *Interface) fromCard(frame []byte) {
	f := i.card.pool.Frame(len(frame))
	copy(f.Bytes(), frame)
	if i.closed || i.above == nil {
		i.account.received.Drop(f, link.Closed)
		return
	}
	i.account.received.Frames++
	i.account.received.Bytes += uint64(len(frame))
	i.rx.one[0] = f
	i.above.Receive(i.rx.one[:])
	i.rx.one[0] = nil
}

// clear drops all frames, but for the one on the bus, whose memory the transfer needs.
func (r *receiving) clear(stats *link.Stats, cause link.Cause) {
	n := r.frames.Len()
	for k := range n {
		f := r.frames.Pop()
		if k == 0 && r.offered {
			r.frames.Push(f)
			continue
		}
		stats.Drop(f, cause)
	}
}
