package pacer

import (
	"fmt"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Unit says which of a packet's bytes a rate counts.
type Unit uint8

// The units.
const (
	Wire    Unit = iota // all that takes time on the wire: Size.Wire
	IP                  // from the IP header on: Size.IP
	Payload             // above TCP or UDP, as iperf3's -b is meant: Size.Payload
)

func (u Unit) String() string {
	switch u {
	case Wire:
		return "wire"
	case IP:
		return "IP"
	case Payload:
		return "payload"
	}
	return fmt.Sprintf("Unit(%d)", uint8(u))
}

// In returns how many bytes the packet counts for in the unit u.
func (s Size) In(u Unit) int {
	switch u {
	case Wire:
		return s.Wire
	case IP:
		return s.IP
	case Payload:
		return s.Payload
	}
	return 0
}

// Rate spaces packets out so that they leave at a constant rate.
//
// A packet leaves when the one before it is paid for: at the departure of the one before
// plus that one's bits divided by the rate. If it is ready only later it leaves at once,
// and the schedule starts afresh from there: time in which nothing was sent is lost and
// gives no credit for a burst.
//
// The arithmetic is exact. Departures are whole nanoseconds, rounded down; the fraction
// is kept and carried on as long as the schedule goes on without a break. The n-th
// departure after a start at t is t + floor(bits of all packets before * 1e9 / rate).
//
// A packet that has no bytes in the unit of the rate, such as a pure ACK where payload
// is counted, costs nothing and leaves as soon as it can without overtaking.
type Rate struct {
	// BitsPerSecond is the rate in bit/s; 0 or less means no limit. While packets are
	// on their way SetRate changes it.
	BitsPerSecond int64
	// Unit says what is counted.
	Unit Unit
	sent bool // something has departed
	// Line is the speed of the line in bit/s. A packet is never asked to leave before
	// the one in front of it is off the line, as a short packet at a high rate of payload
	// else would be; the packets behind make up for it. 0 means that there is no line.
	Line int64

	last clock.Time // the departure before
	off  clock.Time // when that packet is off the line
	next clock.Time // when what has left is paid for, rounded down
	rest uint64     // the fraction of next, in ns/BitsPerSecond
}

// mostBehind is how far the schedule may fall behind the line and still be made up for.
const mostBehind = 100_000 // ns

// maxPacket bounds the size that a packet is charged for, 1 GiB, so that its cost in
// bits * 1e9 and all sums with it stay within 64 bits.
const maxPacket = 1 << 30

// NewRate returns a Rate of so many bit/s, counted in the given unit. It returns an
// error if the rate is not at least 1 bit/s or there is no such unit.
func NewRate(bps int64, unit Unit) (*Rate, error) {
	if unit > Payload {
		return nil, fmt.Errorf("pacer: a rate counts wire, IP or payload bytes, not %v", unit)
	}
	r := &Rate{Unit: unit}
	if err := r.SetRate(bps, 0); err != nil {
		return nil, err
	}
	return r, nil
}

// Next implements Pacer.
func (r *Rate) Next(n Size, ready clock.Time) clock.Time {
	earliest := max(ready, r.last, r.off)
	if r.BitsPerSecond <= 0 || n.In(r.Unit) <= 0 {
		return earliest
	}
	return max(r.next, earliest)
}

// Depart implements Pacer. An answer past the end of time is clock.Never.
func (r *Rate) Depart(n Size, now clock.Time) clock.Time {
	leaves := r.Next(n, now)
	r.restart(now)
	r.last, r.sent = leaves, true
	if cost := r.cost(n); cost > 0 {
		r.charge(cost)
	}
	r.occupy(n)
	return leaves
}

// Missed returns by how much the schedule is moved up, and what was asked for is missed,
// when a packet that is ready at that time departs next. It is 0 before the first one, and
// where there is no limit.
func (r *Rate) Missed(_ Size, ready clock.Time) time.Duration {
	if r.BitsPerSecond <= 0 || !r.sent {
		return 0
	}
	to, _ := r.moved(ready)
	return to.Sub(r.next)
}

// restart moves the schedule up where it is not to be made up for, and reports whether it
// did: to now where nothing waits, else to no more than mostBehind.
func (r *Rate) restart(now clock.Time) bool {
	to, moves := r.moved(now)
	if moves {
		r.next, r.rest = to, 0
	}
	return moves
}

// moved returns what restart makes of the schedule, and whether that is new.
func (r *Rate) moved(now clock.Time) (next clock.Time, moves bool) {
	busy := max(r.last, r.off)
	switch {
	case now > max(r.next, busy):
		return now, true
	case r.next < max(now, busy)-mostBehind:
		return max(now, busy) - mostBehind, true
	}
	return r.next, false
}

// cost returns what the packet is charged, in bits * 1e9; 0 if nothing.
func (r *Rate) cost(n Size) uint64 {
	size := n.In(r.Unit)
	if r.BitsPerSecond <= 0 || size <= 0 {
		return 0
	}
	return uint64(min(size, maxPacket)) * 8 * 1e9
}

// occupy keeps the line busy for the packet that leaves at last.
func (r *Rate) occupy(n Size) {
	if r.Line > 0 {
		wire := uint64(min(n.Wire, maxPacket)) * 8 * 1e9
		r.off = later(r.last, (wire+uint64(r.Line)-1)/uint64(r.Line))
	}
}

// SetRate changes the rate to bps, in bit/s, at the time now. Departures that were given
// out stand. What is not yet paid of the packet before is paid at the new rate, with the
// fraction of a nanosecond that its departure was rounded down by: so Next at once answers
// within one gap at the new rate, however slow the one before was. It returns an error, and
// changes nothing, if bps is not at least 1.
func (r *Rate) SetRate(bps int64, now clock.Time) error {
	if bps < 1 {
		return fmt.Errorf("pacer: a rate of %d bit/s is not possible, it must be at least 1 bit/s", bps)
	}
	var unpaid uint64 // bits * 1e9, those of one packet and a fraction
	if from := max(now, r.last); r.next >= from {
		unpaid = uint64(r.next-from)*uint64(max(r.BitsPerSecond, 0)) + r.rest
		r.next = from
	}
	r.BitsPerSecond, r.rest = bps, 0
	r.charge(min(unpaid, uint64(clock.Never)))
	return nil
}

// follow sets the rate to bps at the time now, and to no limit if that is not at least 1.
// Where nothing changes it does nothing, not even to a fraction.
func (r *Rate) follow(bps int64, now clock.Time) {
	switch {
	case bps < 1:
		r.BitsPerSecond, r.rest = 0, 0
	case bps != r.BitsPerSecond:
		_ = r.SetRate(bps, now) // refuses only what is below 1
	}
}

// charge moves next on by the time that cost, in bits * 1e9, takes.
func (r *Rate) charge(cost uint64) {
	rate := uint64(r.BitsPerSecond)
	gap := cost / rate
	r.rest += cost % rate
	if r.rest >= rate {
		r.rest -= rate
		gap++
	}
	r.next = later(r.next, gap)
}

// later returns t plus gap nanoseconds, or Never if that is past the end of time. t must
// not be negative, and gap below 1<<63.
func later(t clock.Time, gap uint64) clock.Time {
	return clock.Time(min(uint64(t)+gap, uint64(clock.Never)))
}

// BitRate returns the rate that is paced at, in bit/s; 0 if there is no limit.
func (r *Rate) BitRate() int64 { return max(0, r.BitsPerSecond) }
