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

// Packet reads the packet whose header lies at off in a packets message. It reports
// false where the message contradicts itself: a header not at an 8-byte boundary, bytes
// past the end, a next header that lies in this packet, a wire length that no frame has,
// a port that no card has. The bytes returned are the message's own.
func Packet(msg []byte, off int) (h Header, frame []byte, ok bool) {
	if off < FirstPacket || off%8 != 0 || off+HeaderLen > len(msg) {
		return h, nil, false
	}
	p := msg[off:]
	h = Header{
		Len:      binary.BigEndian.Uint16(p),
		WireLen:  binary.BigEndian.Uint16(p[2:]),
		Clock:    binary.BigEndian.Uint64(p[4:]),
		Port:     p[12],
		Absolute: p[13] != 0,
		Next:     binary.BigEndian.Uint16(p[14:]),
	}
	end := HeaderLen + int(h.Len)
	switch {
	case end > len(p),
		h.WireLen < MinWire, h.WireLen > MaxWire, h.Len > h.WireLen, h.Port >= MaxPorts,
		h.Next != 0 && int(h.Next) < end:
		return Header{}, nil, false
	}
	return h, p[HeaderLen:end], true
}

// A Builder puts a packets message together in a DMA buffer of MaxDMA bytes. The zero
// Builder is empty.
type Builder struct {
	buf   [MaxDMA]byte
	n     int // bytes so far
	last  int // where the last header lies
	count int
}

// next returns where the next header goes.
func (b *Builder) next() int {
	if b.count == 0 {
		return FirstPacket
	}
	return (b.n + 7) &^ 7
}

// Fits reports whether there is room for a packet of which so many bytes are carried. One
// of up to MaxWire fits an empty message.
func (b *Builder) Fits(n int) bool { return b.next()+HeaderLen+n <= MaxDMA }

// Add puts a packet behind the others, and reports whether there was room for it. Len and
// Next of its header need not be set.
func (b *Builder) Add(h Header, frame []byte) bool {
	if !b.Fits(len(frame)) {
		return false
	}
	at := b.next()
	end := at + HeaderLen + len(frame)
	if b.count == 0 {
		binary.BigEndian.PutUint64(b.buf[:], uint64(Packets)<<32)
	} else {
		clear(b.buf[b.n:at])
		binary.BigEndian.PutUint16(b.buf[b.last+14:], uint16(at-b.last))
	}
	h.Len, h.Next = uint16(len(frame)), 0
	h.put(b.buf[at:])
	copy(b.buf[at+HeaderLen:end], frame)
	b.last, b.n = at, end
	b.count++
	return true
}

// Count returns how many packets the message has.
func (b *Builder) Count() int { return b.count }

// Bytes returns the message. It is the Builder's own memory.
func (b *Builder) Bytes() []byte { return b.buf[:b.n] }

// Clear empties the message.
func (b *Builder) Clear() { b.n, b.last, b.count = 0, 0, 0 }
