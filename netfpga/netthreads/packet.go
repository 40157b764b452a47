package netthreads

import (
	"encoding/binary"
	"math/bits"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
)

// MaxPacket is what fits a slot beside its IOQ header.
const MaxPacket = SlotBytes - drivercomm.IOQHeader

// maxSlots is how many slots fit the input memory.
const maxSlots = inputSize / SlotBytes

// slot is a part of the input memory that the program gave to the hardware.
type slot struct {
	offset uint32
	state  slotState
}

type slotState uint8

const (
	slotFree slotState = iota
	slotFull           // a packet waits in it
	slotLent           // the program reads it
)

// input is the hardware of the input memory: two queues of slots, by their numbers.
type input struct {
	slots       [maxSlots]slot
	n           int
	free, ready queue
}

// queue is first in, first out.
type queue struct {
	slots [maxSlots]uint8
	n     int
}

func (q *queue) put(s int) {
	q.slots[q.n] = uint8(s)
	q.n++
}

func (q *queue) take() int {
	s := int(q.slots[0])
	copy(q.slots[:], q.slots[1:q.n])
	q.n--
	return s
}

// give puts a slot into the queue of the free ones. It returns what is wrong with it.
func (in *input) give(v uint32) string {
	offset := v &^ inputBase
	if offset > inputSize-SlotBytes || offset%8 != 0 {
		return "there can be no slot"
	}
	for s := range in.slots[:in.n] {
		have := &in.slots[s]
		switch {
		case have.offset == offset && have.state != slotLent:
			return "the hardware owns this slot already"
		case have.offset == offset:
			have.state = slotFree
			in.free.put(s)
			return ""
		case offset-have.offset < SlotBytes || have.offset-offset < SlotBytes:
			return "it overlaps another slot"
		}
	}
	in.slots[in.n] = slot{offset: offset}
	in.free.put(in.n)
	in.n++
	return ""
}

// Offer puts a packet, without IOQ header, into a free slot of the input memory, where
// the program finds it from the next cycle on. port is the number of the one that it came
// by: 0 is MAC 0, 1 host 0, 2 MAC 1, and so on. Offer reports false where no slot is
// free, and for a packet of more than MaxPacket bytes, which fits none. b is not kept.
func (m *Machine) Offer(port int, b []byte) bool {
	if m.input.free.n == 0 || len(b) > MaxPacket {
		return false
	}
	s := m.input.free.take()
	m.input.slots[s].state = slotFull
	m.input.ready.put(s)
	p := m.inputs[m.input.slots[s].offset:]
	h := drivercomm.NewIOQ(0, len(b))
	h.Src = uint16(port)
	h.Put(p)
	copy(p[drivercomm.IOQHeader:], b)
	m.effects++
	return true
}

// Free returns how many input slots can take a packet.
func (m *Machine) Free() int { return m.input.free.n }

// pop is a read of HEADER_FLUSH_W.
func (m *Machine) pop() uint32 {
	if m.input.ready.n == 0 {
		return noPacket
	}
	m.effects++
	s := &m.input.slots[m.input.ready.take()]
	s.state = slotLent
	return inputBase | s.offset
}

// engine sends.
type engine struct {
	start, end, endWord uint32
	trigger             uint32
	scheduled           bool   // trigger was written since the last launch
	before              uint32 // offset of the packet launched last
	busy                uint64 // it takes no packet before this cycle

	launched bool // packet waits for Output
	packet   Packet
	bytes    [outputSize]byte
}

// Packet is what a program launched.
type Packet struct {
	Bytes    []byte // without IOQ header; valid until the next call of Run
	Ports    uint16 // dst_port of the IOQ header: bit 0 is MAC 0, bit 1 host 0, and so on
	Thread   int
	Launched uint64 // cycle
	Due      uint64 // cycle from which it waits for nothing but its line
	Depart   uint64 // cycle in which its first word leaves the output memory
	Slot     uint32 // offset of its IOQ header in the output memory
}

// Output returns the packet for which Run stopped. Each is returned once.
func (m *Machine) Output() (Packet, bool) {
	if !m.engine.launched {
		return Packet{}, false
	}
	m.engine.launched = false
	return m.engine.packet, true
}

// launch is a read of SEND_OUT_W by thread n into d.
func (m *Machine) launch(n int, d *uint32) bool {
	e := &m.engine
	if m.cycle < e.busy {
		m.suspend(&m.threads[n], e.busy, forEngine)
		return false
	}
	// The registers take addresses and offsets alike.
	start, end := e.start&^outputBase, e.end&^outputBase
	*d = outputBase | e.before // as long as nothing is launched
	if start >= outputSize || end >= outputSize || start%8 != 0 || end < start {
		return m.fail(n, "launch of a packet from 0x%08x to 0x%08x, which is not in the output memory or does not begin with a word of 8 bytes", e.start, e.end)
	}
	if e.endWord > 0x80 || bits.OnesCount32(e.endWord) != 1 {
		return m.fail(n, "launch of a packet whose CTRL_END_W is 0x%x: one of 8 bits is to be set", e.endWord)
	}
	words := end/8 - start/8 + 1
	bytes := words*8 - uint32(bits.TrailingZeros32(e.endWord))
	if bytes <= drivercomm.IOQHeader {
		return m.fail(n, "launch of a packet without a byte")
	}

	due := m.cycle
	if ahead := int32(e.trigger - m.Time()); e.scheduled && ahead > 0 {
		due += uint64(ahead)
	}
	copy(e.bytes[:], m.outputs[start:start+bytes])
	ports, depart := binary.BigEndian.Uint16(e.bytes[:]), due
	if m.config.Line != nil {
		depart = max(due, m.config.Line(ports, int(bytes)-drivercomm.IOQHeader, due))
	}
	e.packet = Packet{
		Bytes:    e.bytes[drivercomm.IOQHeader:bytes],
		Ports:    ports,
		Thread:   n,
		Launched: m.cycle,
		Due:      due,
		Depart:   depart,
		Slot:     start,
	}
	e.launched, e.scheduled = true, false
	e.busy = depart + uint64(words)
	e.before = start
	m.effects++
	m.halt = true
	return true
}
