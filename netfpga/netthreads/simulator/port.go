package simulator

import (
	"errors"
	"slices"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// ports is how many ports a card has: MACs and those of the host.
const ports = 2 * drivercomm.MaxPorts

// queueBytes is the room of a port's input queue.
const queueBytes = 8 << 10

// ErrRights is that the right to make or join a tap interface is missing.
var ErrRights = errors.New("permission denied")

// A source is where the packets of a port come from.
type source interface {
	// next returns the next packet and the cycle of its arrival, which may be to come, or
	// nil if there is none now. The bytes are good until the next call.
	next(now uint64) (packet []byte, at uint64, err error)
	close() error
}

// A sink is where the packets of a port go.
type sink interface {
	// put takes a packet that left at a cycle. It reports whether there was room.
	put(packet []byte, depart uint64) (bool, error)
	close() error
}

// PortReport counts the packets of a port.
type PortReport struct {
	Port     string `json:"port"`
	In       uint64 `json:"in"`        // given to the program
	InBytes  uint64 `json:"in_bytes"`  // of these
	Dropped  uint64 `json:"dropped"`   // found the queue full
	Oversize uint64 `json:"oversize"`  // more than fits a slot: dropped, too
	Cut      uint64 `json:"cut"`       // shorter in the capture than they had been
	Left     uint64 `json:"left"`      // had arrived, and found no slot until the end
	Out      uint64 `json:"out"`       // sent by the program
	OutBytes uint64 `json:"out_bytes"` // of these
	OutLost  uint64 `json:"out_lost"`  // of these, that the interface had no room for
}

// port is a port of the card.
type port struct {
	number int
	source source // nil: none
	sink   sink   // nil: none
	report PortReport

	next  []byte // the packet that arrives next, nil if it is not known
	at    uint64 // when
	queue [][]byte
	bytes int      // in the queue
	spare [][]byte // buffers for it
}

// used reports whether there is something to tell of the port.
func (p *port) used() bool { return p.source != nil || p.sink != nil || p.report.Out > 0 }

// arrive puts the next packet that has arrived into the queue, and reports whether there
// was one.
func (p *port) arrive(now uint64, lossless bool) (bool, error) {
	if p.source == nil {
		return false, nil
	}
	if p.next == nil {
		packet, at, err := p.source.next(now)
		if err != nil || packet == nil {
			return false, err
		}
		p.next, p.at = packet, at
	}
	if p.at > now {
		return false, nil
	}
	switch room := p.bytes+len(p.next) <= queueBytes; {
	case len(p.next) > netthreads.MaxPacket:
		p.report.Oversize++
	case room:
		p.push(p.next)
	case lossless:
		return false, nil
	default:
		p.report.Dropped++
	}
	p.next = nil
	return true, nil
}

func (p *port) push(packet []byte) {
	var b []byte
	if n := len(p.spare); n > 0 {
		b, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	p.queue = append(p.queue, append(b[:0], packet...))
	p.bytes += len(packet)
}

// offer gives the machine the packet that is first in the queue, if there is one, and
// reports whether it took it.
func (p *port) offer(m *netthreads.Machine) bool {
	if len(p.queue) == 0 || !m.Offer(p.number, p.queue[0]) {
		return false
	}
	b := p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	p.bytes -= len(b)
	p.spare = append(p.spare, b)
	p.report.In++
	p.report.InBytes += uint64(len(b))
	return true
}

// waiting reports whether packets have arrived that the program has not got.
func (p *port) waiting(now uint64) bool {
	return len(p.queue) > 0 || p.next != nil && p.at <= now
}

// send takes a packet of the program.
func (p *port) send(packet []byte, depart uint64) error {
	p.report.Out++
	p.report.OutBytes += uint64(len(packet))
	if p.sink == nil {
		return nil
	}
	ok, err := p.sink.put(packet, depart)
	if !ok {
		p.report.OutLost++
	}
	return err
}
