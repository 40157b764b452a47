// Package link is what lies below TCP/IP: frames, and devices that take them.
//
// Everything is a Device, and devices wrap devices as readers wrap readers. A frame
// carries its own departure time; whoever can honour it does, and writes down when the
// frame really left.
//
//	stack          emits packets
//	link/endpoint  makes frames of them, or super-segments of up to 64 KiB
//	link/hold      keeps them, and asks their flows' pacers when their departure is near
//	netfpga.Card   sends each at its 8 ns tick          (or no card: lead 0)
//	Trace          writes down asked, scheduled and actual times; pcap.Capture: the bytes
//	link/wire      emulated wire and bottleneck         (or link/nic: a real interface)
//
// # Where to look
//
// Where does a frame get its departure? In package hold: Frame.Depart is what its pacer asks
// for, and Frame.Sched is when the wire is free for it (hold.go there).
//
// Where is it cut? Where it gets its departure: Hold calls Frame.Cut when the turn of the next
// frame of a super-segment comes. Above a device that takes none, package endpoint does
// (super.go).
//
// Who owns its bytes? The frame has an Owner, a Pool or whoever lent the memory, who has them
// back when the frame is freed (pool.go). The frame itself belongs to one device at a time, and
// the last one calls Free.
//
// Where is it counted? In each device, as sent, dropped or waiting: Device.Counters has one
// shape, and Chain goes through all devices (counters.go). Stats.Drop is where frames are dropped.
//
// What is a port? The end of a chain, which a host sends into: an interface (link/nic), one end
// of a wire, or a file (stack/testbed makes them). The rate of a port, which all its flows share,
// is hold.Config.Rate.
//
// # Rules
//
// One goroutine, the clock's, owns all devices of a chain: every method of Device and
// Handler is called on it, unless the device says otherwise. The endpoint at the top and
// the readers of real interfaces at the bottom are the only doors between goroutines.
//
// Frames flow down by Transmit and up by Receive. Whoever gets a frame owns it.
package link

import (
	"errors"
	"net"
	"time"
)

// A Device takes frames and delivers frames.
type Device interface {
	// Info tells what the device is. It does not change.
	Info() Info

	// Transmit sends frames, the oldest first, and returns how many it took. It owns
	// those, and their departure times are no longer changed by others. It returns
	// ErrFull with n < len(frames) where it has no room now: Handler.Ready tells when
	// it has again. After Close it returns net.ErrClosed.
	Transmit(frames []*Frame) (n int, err error)

	// Attach says who gets what arrives. It is called once, before the first frame, and
	// attaches the device to the one below it: from then on frames may arrive.
	Attach(Handler)

	// Below returns the device that this one sends to, nil if it is the last of the chain.
	Below() Device

	// Counters returns what the device has counted.
	Counters() Counters

	// Close ends the device and all devices below it. Frames that wait are dropped and
	// counted. A second Close does nothing and returns nil.
	Close() error
}

// A Handler is what is above a device.
type Handler interface {
	// Receive takes over frames that arrived, the oldest first. The slice stays the
	// caller's.
	Receive(frames []*Frame)

	// Ready tells that there is room again after ErrFull.
	Ready()
}

// ErrFull is returned by Transmit when a device has no room now.
var ErrFull = errors.New("link: no room for the frame now")

// Info describes a device.
type Info struct {
	Name string
	// MTU is the largest IP packet, in bytes; see Fits.
	MTU int
	// Address is the Ethernet address. Without one, frames are IP packets without a
	// link header.
	Address net.HardwareAddr
	// Speed is the line speed in bit/s; 0 means that frames take no time.
	Speed int64
	// Paces tells that the device sends a frame at its Depart, so that one may be handed
	// to it ahead of time. Other devices send at once.
	Paces bool
	// Stamps tells that the device reads the clock when it sends, and knows better than
	// those above when a frame leaves: it alone calls Frame.LeftDuring, after its send call
	// and within Transmit. What it takes and cannot send it drops without that.
	Stamps bool
	// Lead is how long before its departure a device that Paces wants to be given a frame.
	Lead time.Duration
	// Batch is how many frames the device makes good use of in one call of Transmit; 0 says
	// that one is as good as many.
	Batch int
	// Super is the largest super-segment that the device takes, in bytes, with its one set of
	// headers; 0 says that it takes none. A device that passes frames on as they are says 0.
	Super int
	// Tick is what departure times are rounded up to, where Paces is true.
	Tick time.Duration
}

// Header returns the length of the device's link header: 14 with Ethernet, else 0.
func (i Info) Header() int {
	if i.Address == nil {
		return 0
	}
	return EthernetHeader
}

// Lengths of Ethernet, in bytes (IEEE 802.3).
const (
	EthernetHeader = 14
	fcs            = 4
	minFrame       = 64 // with FCS
	preambleAndGap = 20 // 8 preamble and start delimiter, 12 inter-packet gap
)

// WireBytes returns for how many byte times a frame of n bytes without FCS holds the
// wire: (max(64, n+4) + 20). n counts the Ethernet header, also where the device has none.
func WireBytes(n int) int { return max(minFrame, n+fcs) + preambleAndGap }

// WireTime returns how long a frame that counts as so many bytes on the wire (Size.Wire)
// holds a wire of the given speed in bit/s, rounded up to whole nanoseconds; 0 for speed
// 0. At 1 Gbit/s it is exact: 8 ns a byte.
func WireTime(wire int, speed int64) time.Duration {
	if speed <= 0 {
		return 0
	}
	return time.Duration((int64(wire)*8*int64(time.Second) + speed - 1) / speed)
}

// Stats counts what passed a device in one direction, and where the rest stayed.
type Stats struct {
	Frames uint64
	Bytes  uint64 // without FCS
	Drops  Drops
}

// Dropped returns how many frames were dropped, for any cause.
func (s *Stats) Dropped() uint64 { return s.Drops.Total() }

// Add adds what another device, or another direction, has counted.
func (s *Stats) Add(o *Stats) {
	s.Frames += o.Frames
	s.Bytes += o.Bytes
	s.Drops.Add(o)
}

// Drop frees f and counts it under its cause. It is the one place where frames end
// without having left.
func (s *Stats) Drop(f *Frame, why Cause) {
	s.Drops[why] += uint64(f.Frames())
	f.Free()
}

// Cause says why a frame was dropped.
type Cause uint8

// The causes.
const (
	QueueFull Cause = iota // a bounded queue on the way had no room
	FlowFull               // more bytes of the flow waited for departure than its bound
	TooLong                // longer than the MTU
	LinkError              // the interface refused it
	Closed                 // it waited in a device that was closed
	Malformed              // it was not a frame
	Duplicate              // a TCP retransmission whose original still waited for its departure
	OtherHost              // it arrived here and was addressed to another machine
	Forged                 // an ICMP error about nothing that is on its way
	LinkDown               // the interface was down, or had no carrier
	Lost                   // an emulated fault has taken it
	NumCauses
)

var causes = [NumCauses]string{"queue full", "flow full", "too long", "link error", "closed", "malformed", "duplicate", "other host", "forged", "link down", "lost"}

func (c Cause) String() string { return causes[c] }
