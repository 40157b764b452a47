package netfpga

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Description is a UDP packet that the driver makes and sends: the pkt_descr of tech
// doc sections 1 and 3.2.
type Description struct {
	Src, Dst       netip.AddrPort // both IPv4, or both IPv6
	SrcMAC, DstMAC [6]byte        // a SrcMAC of zeros stands for the interface's own

	// Port is the card's Ethernet port that the packet leaves by, from 0.
	Port int

	// Departure is when the packet shall leave, in ns: if Absolute a time of the card's
	// clock.Clock, else counted from the time that the packet before it asked for. The
	// packet before is the one that the same Sender injected last, and of its first
	// packet the present.
	Departure clock.Time
	Absolute  bool

	// Payload is the length of the UDP payload in bytes. It begins with Data, which must
	// not be longer, and the rest is zero.
	Payload int
	Data    []byte
}

// SenderConfig says whom to tell of what became of a Sender's packets. The functions are
// called on the clock's goroutine, also from within Mark and Inject, and may inject. Both
// may be nil.
type SenderConfig struct {
	// Hit tells that a mark was reached, with its number.
	Hit func(seq uint32)

	// Ready tells that there is room again after Inject returned link.ErrFull.
	Ready func()

	// Original has the driver do as the original did. Its packets have IP identifications
	// that count up, may be fragmented, have no UDP checksum (of IPv4), and the SrcMAC that
	// is given. Mark returns ErrMarked where a transmit buffer has a mark already.
	Original bool
}

// ErrMarked says that there is a mark in a transmit buffer that has room for one.
var ErrMarked = errors.New("netfpga: the transmit buffer has a mark already")

// A Sender injects packets: a process that sends descriptions to the driver (tech doc
// section 3.2). A card may have any number of them, beside the frames that come through
// its interfaces. What they inject leaves in the order in which it came, with the frames,
// as a link.Frame of its own that has the times that were asked for.
//
// It is not safe for concurrent use: all of it runs on the clock's goroutine.
type Sender struct {
	card   *Card
	config SenderConfig
	wait   waiter
	last   clock.Optional // departure that was asked for last
	closed bool
}

// NewSender returns a sender of packets through the card.
func (c *Card) NewSender(config SenderConfig) *Sender {
	s := &Sender{card: c, config: config}
	s.wait.ready = s.ready
	c.waiters = append(c.waiters, &s.wait)
	return s
}

func (s *Sender) ready() {
	if s.config.Ready != nil {
		s.config.Ready()
	}
}

// Inject takes a packet to be sent, and keeps nothing of d. It returns link.ErrFull where
// the driver has no transmit buffer free now, of which Ready tells the end; net.ErrClosed
// when the Sender or the card's interface is closed; that of Card.Err; and an error that
// says what is wrong with a packet that cannot be. A packet that was not taken does not
// count as the one before the next.
func (s *Sender) Inject(d *Description) error {
	i := s.card.Port(d.Port)
	if i == nil {
		return fmt.Errorf("netfpga: the card has no port %d, only 0 to %d", d.Port, len(s.card.ports)-1)
	}
	if s.closed || i.closed {
		return net.ErrClosed
	}
	if err := s.card.err; err != nil {
		return err
	}
	depart, err := s.departure(d)
	if err != nil {
		return err
	}
	u, err := layOut(d, &i.info)
	if err != nil {
		return err
	}
	f := s.card.pool.Frame(u.len())
	u.put(f.Bytes(), d, i.info.Address)
	clear(f.Bytes()[u.carried:])
	if s.config.Original {
		u.original(f.Bytes(), d, s.card.nextID)
	}
	tick, ok := s.card.driver.Send(&driver.Packet{
		Port: d.Port, Bytes: f.Bytes()[:u.carried], Wire: max(drivercomm.MinWire, u.wire),
		Departure: depart, Relative: !d.Absolute && i.sender == s,
	})
	if !ok {
		f.Free()
		s.wait.full = true
		return link.ErrFull
	}
	f.Flow = pacer.FlowOf(pacer.ProtoUDP, d.Src, d.Dst)
	f.Size = pacer.Size{Wire: link.WireBytes(u.wire), IP: u.ip, Payload: d.Payload}
	f.Paced, f.Depart, f.Enqueued = true, depart, clock.At(s.card.clk.Now())
	s.wait.full = false
	s.card.nextID++
	s.last = clock.At(depart)
	i.sender = s
	i.account.injected++
	i.give(given{frame: f, carried: u.carried, tick: tick})
	s.card.driver.Flush()
	return nil
}

// departure returns the absolute time that d asks for. What it is relative to is what
// was asked for and not a tick, so that nothing is lost however many packets there are.
func (s *Sender) departure(d *Description) (clock.Time, error) {
	if d.Departure < 0 {
		return 0, errors.New("netfpga: a departure cannot be negative")
	}
	if d.Absolute {
		return d.Departure, nil
	}
	base := s.last.Or(s.card.clk.Now())
	if d.Departure >= clock.Never-base {
		return 0, fmt.Errorf("netfpga: a gap of %v ns is beyond the end of time", int64(d.Departure))
	}
	return base + d.Departure, nil
}

// Mark asks to be told when the transmit buffer that holds what the driver received last
// has been copied to the card (tech doc section 3.5): Hit is called with seq then, or at
// once if nothing waits to be copied. If the interface goes down, which clears what
// waits, all marks are told. It returns net.ErrClosed after Close, and link.ErrFull where
// more than a thousand marks wait for one buffer.
func (s *Sender) Mark(seq uint32) error {
	if s.closed {
		return net.ErrClosed
	}
	if s.config.Original && s.card.driver.Marked() {
		return ErrMarked
	}
	if !s.card.driver.Mark((*marker)(s), seq) {
		return link.ErrFull
	}
	return nil
}

// Close ends the sender: its marks are forgotten, and nothing more is told. The packets
// that it injected still leave.
func (s *Sender) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.card.driver.Forget((*marker)(s))
	s.card.forget(&s.wait)
}

// marker is a Sender as the driver knows it.
type marker Sender

// Hit implements driver.Marker.
func (m *marker) Hit(seq uint32) {
	if m.config.Hit != nil {
		m.config.Hit(seq)
	}
}

var _ driver.Marker = (*marker)(nil)

// forget takes a waiter out of those that are told.
func (c *Card) forget(w *waiter) {
	c.waiters = slices.DeleteFunc(c.waiters, func(x *waiter) bool { return x == w })
}
