package drivercomm

import "encoding/binary"

// FirstPacket is where the first packet_hdr lies in a packets message.
const FirstPacket = 8

// Header is a packet_hdr: one packet to be sent.
type Header struct {
	Clock    uint64 // departure in ticks
	Len      uint16 // bytes carried
	WireLen  uint16 // bytes on the wire, without FCS
	Next     uint16 // bytes from this header to the next, 0 in the last
	Port     uint8  // Ethernet port, below MaxPorts
	Absolute bool   // Clock counts from the card's start, else from the port's last transmission
}

// put writes the header, HeaderLen bytes, into p.
func (h *Header) put(p []byte) {
	_ = p[HeaderLen-1]
	binary.BigEndian.PutUint16(p, h.Len)
	binary.BigEndian.PutUint16(p[2:], h.WireLen)
	binary.BigEndian.PutUint64(p[4:], h.Clock)
	p[12], p[13] = h.Port, 0
	if h.Absolute {
		p[13] = 1
	}
	binary.BigEndian.PutUint16(p[14:], h.Next)
}

// A Message is what the bus copies to the card in one transfer. Every transfer is accounted
// for by its length; bytes it has only where somebody reads them.
type Message struct {
	Type    Type
	Len     int      // bytes
	Packets []Header // of type Packets, in their order
	Bytes   []byte   // all Len of them, or nil
}

// NewReset returns a reset message, with its bytes.
func NewReset() *Message {
	return &Message{Type: Reset, Len: ResetLen, Bytes: PutReset(make([]byte, ResetLen))}
}

// A Builder puts a packets message together. The zero Builder is empty, and its messages
// have no bytes.
type Builder struct {
	msg Message
	mem []byte // nil if nobody reads the bytes
	at  int    // where the last header lies
}

// NewBuilder returns an empty Builder whose messages have their bytes, in MaxDMA bytes of
// memory.
func NewBuilder() Builder { return Builder{mem: make([]byte, MaxDMA)} }

// next returns where the next header goes.
func (b *Builder) next() int {
	if b.Count() == 0 {
		return FirstPacket
	}
	return (b.msg.Len + 7) &^ 7
}

// Fits reports whether there is room for a packet of which so many bytes are carried. One
// of up to MaxWire fits an empty message.
func (b *Builder) Fits(n int) bool { return b.next()+HeaderLen+n <= MaxDMA }

// Add puts a packet behind the others, and reports whether there was room for it. Len and
// Next of its header need not be set. The frame's bytes are copied if the message has bytes,
// and not read if it has none.
func (b *Builder) Add(h Header, frame []byte) bool {
	if !b.Fits(len(frame)) {
		return false
	}
	at := b.next()
	if n := b.Count(); n > 0 {
		b.msg.Packets[n-1].Next = uint16(at - b.at)
	}
	h.Len, h.Next = uint16(len(frame)), 0
	b.msg.Packets = append(b.msg.Packets, h)
	if b.mem != nil {
		b.write(&h, at, frame)
	}
	b.at, b.msg.Len = at, at+HeaderLen+len(frame)
	return true
}

// write writes the packet whose header lies at at.
func (b *Builder) write(h *Header, at int, frame []byte) {
	if b.Count() == 1 {
		binary.BigEndian.PutUint64(b.mem, uint64(Packets)<<32)
	} else {
		clear(b.mem[b.msg.Len:at])
		binary.BigEndian.PutUint16(b.mem[b.at+14:], uint16(at-b.at))
	}
	h.put(b.mem[at:])
	copy(b.mem[at+HeaderLen:], frame)
}

// Count returns how many packets the message has.
func (b *Builder) Count() int { return len(b.msg.Packets) }

// Message returns the message, which has a packet at least. It is the Builder's own, until
// Clear.
func (b *Builder) Message() *Message {
	b.msg.Type = Packets
	if b.mem != nil {
		b.msg.Bytes = b.mem[:b.msg.Len]
	}
	return &b.msg
}

// Clear empties the message.
func (b *Builder) Clear() { b.at, b.msg = 0, Message{Packets: b.msg.Packets[:0]} }
