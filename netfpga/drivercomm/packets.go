package drivercomm

import "encoding/binary"

// FirstPacket is where the first packet_hdr lies in a packets message.
const FirstPacket = 8

// Header is a packet_hdr: one packet to be sent.
type Header struct {
	Len      int    // bytes carried
	WireLen  int    // bytes on the wire, without FCS
	Clock    uint64 // departure in ticks
	Absolute bool   // Clock counts from the card's start, else from the last transmission
	Next     int    // bytes from this header to the next, 0 in the last
}

func (h *Header) put(p []byte) {
	_ = p[HeaderLen-1]
	binary.BigEndian.PutUint16(p, uint16(h.Len))
	binary.BigEndian.PutUint16(p[2:], uint16(h.WireLen))
	binary.BigEndian.PutUint64(p[4:], h.Clock)
	var absolute uint16
	if h.Absolute {
		absolute = 1
	}
	binary.BigEndian.PutUint16(p[12:], absolute)
	binary.BigEndian.PutUint16(p[14:], uint16(h.Next))
}

// Packet reads the packet whose header lies at off in a packets message. It reports
// false where the message contradicts itself: a header not at an 8-byte boundary, bytes
// past the end, a next header that lies in this packet, a wire length that no frame has.
// The bytes returned are the message's own.
func Packet(msg []byte, off int) (h Header, frame []byte, ok bool) {
	if off < FirstPacket || off%8 != 0 || off+HeaderLen > len(msg) {
		return h, nil, false
	}
	p := msg[off:]
	h = Header{
		Len:      int(binary.BigEndian.Uint16(p)),
		WireLen:  int(binary.BigEndian.Uint16(p[2:])),
		Clock:    binary.BigEndian.Uint64(p[4:]),
		Absolute: binary.BigEndian.Uint16(p[12:]) != 0,
		Next:     int(binary.BigEndian.Uint16(p[14:])),
	}
	end := HeaderLen + h.Len
	switch {
	case end > len(p),
		h.WireLen < MinWire, h.WireLen > MaxWire, h.Len > h.WireLen,
		h.Next != 0 && h.Next < end:
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

// Add puts a packet behind the others, whose departure is absolute, and reports whether
// there was room for it. A frame of up to MaxWire bytes fits an empty message.
func (b *Builder) Add(frame []byte, wireLen int, departure uint64) bool {
	at := FirstPacket
	if b.count > 0 {
		at = (b.n + 7) &^ 7
	}
	end := at + HeaderLen + len(frame)
	if end > MaxDMA {
		return false
	}
	if b.count == 0 {
		binary.BigEndian.PutUint64(b.buf[:], uint64(Packets)<<32)
	} else {
		clear(b.buf[b.n:at])
		binary.BigEndian.PutUint16(b.buf[b.last+14:], uint16(at-b.last))
	}
	h := Header{Len: len(frame), WireLen: wireLen, Clock: departure, Absolute: true}
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
