package pcap

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Capture writes every frame that passes it into an Output, in both directions.
// Put directly above the device that sends, it sees a frame at its departure: the time
// stamp of a frame sent is Frame.Sent of a device that stamps, and then it is copied after it
// has left, else when it was handed to the device; that of one received is when it
// arrived. The bytes are those on the wire. Frames that the device has no room for
// are not written, until it takes them.
type Capture struct {
	// SentOnly leaves out what arrives. Where both ends of a wire are captured, each frame
	// is then in the file once, at its departure.
	SentOnly bool

	below   link.Device
	handler link.Handler
	clk     clock.Clock
	file    *Output
	id      uint32 // of the interface, in the file
	wait    bool   // for a slow disk
	told    bool   // what is below stamps
	scratch []byte
	ends    []int
	one     [1]*link.Frame
}

// NewCapture returns a capture of what passes to and from below, which appears in the
// file as an interface of its own under the name of below. Several captures on one clock
// may share a file.
//
// In virtual time, where nobody waits, a slow disk is waited for. In real time it is not:
// frames that find the file's buffer full are lost to the file, and counted.
func NewCapture(below link.Device, clk clock.Clock, file *Output) *Capture {
	c := &Capture{below: below, clk: clk, file: file, id: file.interfaces, told: below.Info().Stamps}
	_, c.wait = clk.(*clock.Virtual)
	file.interfaces++
	file.write(AppendInterface(nil, interfaceOf(below.Info())), 0, c.wait)
	return c
}

// Info implements link.Device.
func (c *Capture) Info() link.Info {
	i := c.below.Info()
	i.Super = 0
	return i
}

// Attach implements link.Device.
func (c *Capture) Attach(h link.Handler) {
	c.handler = h
	c.below.Attach(c)
}

// Transmit implements link.Device.
func (c *Capture) Transmit(frames []*link.Frame) (int, error) {
	if c.told {
		for _, f := range frames {
			f.Watch(c)
		}
		return c.below.Transmit(frames)
	}
	// The bytes are copied before, as the frames then belong to the device, and written
	// after it has taken them.
	blocks, ends := c.encode(frames, Sent, c.clk.Now())
	n, err := c.below.Transmit(frames)
	c.commit(blocks, ends, n)
	return n, err
}

// Left implements link.Witness.
func (c *Capture) Left(f *link.Frame) {
	c.one[0] = f
	blocks, ends := c.encode(c.one[:], Sent, f.Sent.Or(f.Depart))
	c.one[0] = nil
	c.commit(blocks, ends, 1)
}

// Receive implements link.Handler.
func (c *Capture) Receive(frames []*link.Frame) {
	if !c.SentOnly {
		blocks, ends := c.encode(frames, Received, c.clk.Now())
		c.commit(blocks, ends, len(frames))
	}
	c.handler.Receive(frames)
}

// Ready implements link.Handler.
func (c *Capture) Ready() { c.handler.Ready() }

// Below implements link.Device.
func (c *Capture) Below() link.Device { return c.below }

// Counters implements link.Device. What is written is counted by the Output.
func (c *Capture) Counters() link.Counters { return link.Counters{Kind: "capture"} }

// Close implements link.Device. The file stays open.
func (c *Capture) Close() error { return c.below.Close() }

// encode returns a packet block for each frame and where it ends. It lends out the
// scratch space until commit, so that a frame received while one is being sent does
// not write over it. Frames received have the time at which they came in, where they say it,
// and all others the one given.
func (c *Capture) encode(frames []*link.Frame, direction Direction, at clock.Time) (blocks []byte, ends []int) {
	blocks, ends = c.scratch[:0], c.ends[:0]
	c.scratch, c.ends = nil, nil
	for _, f := range frames {
		t := at
		if direction == Received {
			t = f.Arrived.Or(at)
		}
		stamp := clock.Time(c.clk.Wall(t).UnixNano())
		blocks = AppendPacket(blocks, c.id, stamp, direction, f.Bytes())
		ends = append(ends, len(blocks))
	}
	return blocks, ends
}

// commit writes the first n blocks.
func (c *Capture) commit(blocks []byte, ends []int, n int) {
	begin := 0
	for _, end := range ends[:n] {
		c.file.write(blocks[begin:end], 1, c.wait)
		begin = end
	}
	c.scratch, c.ends = blocks, ends
}

// interfaceOf describes a device.
func interfaceOf(info link.Info) Interface {
	face := Interface{Name: info.Name, Link: Raw, Speed: info.Speed}
	if info.Address != nil {
		face.Link = Ethernet
	}
	return face
}
