package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The blocks and options of pcapng that are read or written.
const (
	blockSection   = 0x0A0D0D0A // the same in both byte orders
	blockInterface = 1
	blockOldPacket = 2 // obsolete, and still found
	blockSimple    = 3 // a packet without a time stamp
	blockPacket    = 6 // the enhanced one

	byteOrderMagic = 0x1A2B3C4D

	optionEnd         = 0
	optionName        = 2 // of an interface
	optionApplication = 4 // of a section
	optionSpeed       = 8 // of an interface, in bit/s
	optionResolution  = 9
	optionFCS         = 13
	optionOffset      = 14
	optionFlags       = 2 // of a packet
)

// pcapng is a file of blocks, each with its length before and behind it.
type pcapng struct {
	order binary.ByteOrder
	left  int64     // bytes of the block that are not read yet, without the length behind it
	known []meant   // the interfaces of the section
	start [12]byte  // of a block, with the byte-order magic of a section
	value [256]byte // of an option, its beginning

	all       map[Interface][]int // the indices that interfaces of a description have
	bySection map[Interface]int   // how many of them the section has
}

// meant is what is kept of a section's interface.
type meant struct {
	stamps
	index int    // of Reader.Interfaces
	snap  uint32 // bytes that are captured of a packet at most; 0 is no bound
}

func (f *pcapng) String() string { return "pcapng" }

func (f *pcapng) next(r *Reader) (Packet, error) {
	for {
		p, found, err := f.block(r)
		if err != nil || found {
			return p, err
		}
	}
}

// block reads one block, and tells whether it was a packet.
func (f *pcapng) block(r *Reader) (p Packet, found bool, err error) {
	r.src.begin = r.src.offset
	kind, length, err := f.head(r)
	if err != nil {
		return p, false, err
	}
	if f.left < 0 || length%4 != 0 {
		return p, false, fmt.Errorf("a block of %d bytes is not possible", length)
	}
	switch kind {
	case blockSection:
		err = f.version(r)
	case blockInterface:
		err = f.describe(r)
	case blockPacket, blockOldPacket:
		p, err = f.packet(r, kind)
		found = true
	case blockSimple:
		p, err = f.simple(r)
		found = true
	}
	if err == nil {
		err = f.end(r, length)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return p, found, err
}

// head reads the kind and the length of a block, and of a section's the byte order.
func (f *pcapng) head(r *Reader) (kind, length uint32, err error) {
	b := f.start[:]
	if err := r.src.read(b[:8]); err != nil {
		return 0, 0, err
	}
	f.left = -12
	if binary.BigEndian.Uint32(b) == blockSection {
		f.left = -16
		if err := r.src.read(b[8:]); err != nil {
			return 0, 0, io.ErrUnexpectedEOF
		}
		switch uint32(byteOrderMagic) {
		case binary.LittleEndian.Uint32(b[8:]):
			f.order = binary.LittleEndian
		case binary.BigEndian.Uint32(b[8:]):
			f.order = binary.BigEndian
		default:
			return 0, 0, fmt.Errorf("a section with the byte-order magic % x", b[8:])
		}
	}
	length = f.order.Uint32(b[4:])
	f.left += int64(length)
	return f.order.Uint32(b), length, nil
}

// end skips what is left of a block, and compares the length behind it.
func (f *pcapng) end(r *Reader, length uint32) error {
	if err := r.src.skip(f.left); err != nil {
		return err
	}
	b, err := r.src.take(4)
	if err != nil {
		return err
	}
	if behind := f.order.Uint32(b); behind != length {
		return fmt.Errorf("a block of %d bytes has %d as the length behind it", length, behind)
	}
	return nil
}

// take reads n bytes of the block. It is an error if the block is shorter.
func (f *pcapng) take(r *Reader, n int) ([]byte, error) {
	if f.left -= int64(n); f.left < 0 {
		return nil, errShort
	}
	return r.src.take(n)
}

var errShort = errors.New("a block is shorter than what is in it")

func (f *pcapng) version(r *Reader) error {
	b, err := f.take(r, 12)
	if err != nil {
		return err
	}
	// Version 1.2 was written by mistake, and is 1.0.
	major, minor := f.order.Uint16(b[0:]), f.order.Uint16(b[2:])
	if major != 1 || minor != 0 && minor != 2 {
		return fmt.Errorf("a section of version %d.%d, and 1.0 and 1.2 are known", major, minor)
	}
	f.known = f.known[:0]
	clear(f.bySection)
	return nil
}

// option reads an option and returns its code and its first bytes, or optionEnd if there
// is none.
func (f *pcapng) option(r *Reader) (code uint16, value []byte, err error) {
	if f.left < 4 {
		return optionEnd, nil, nil
	}
	b, err := f.take(r, 4)
	if err != nil {
		return 0, nil, err
	}
	code = f.order.Uint16(b[0:])
	n := int(f.order.Uint16(b[2:]))
	padded := (n + 3) &^ 3
	if f.left -= int64(padded); f.left < 0 {
		return 0, nil, errShort
	}
	value = f.value[:min(n, len(f.value)-1)]
	if err := r.src.read(value); err != nil {
		return 0, nil, err
	}
	return code, value, r.src.skip(int64(padded - len(value)))
}

// describe reads the description of an interface.
func (f *pcapng) describe(r *Reader) error {
	b, err := f.take(r, 8)
	if err != nil {
		return err
	}
	face := Interface{Link: LinkType(f.order.Uint16(b[0:]))}
	is := meant{stamps: stamps{unit: microseconds}, snap: f.order.Uint32(b[4:])}
	for {
		code, value, err := f.option(r)
		if err != nil {
			return err
		}
		switch {
		case code == optionEnd:
			face.Resolution = is.unit.resolution()
			return f.add(r, face, is)
		case code == optionName:
			face.Name = string(value)
		case code == optionSpeed && len(value) == 8:
			face.Speed = int64(min(f.order.Uint64(value), 1<<50))
		case code == optionResolution && len(value) == 1:
			is.unit = unit(value[0])
		case code == optionFCS && len(value) == 1:
			// The specification says bits, and its example bytes.
			face.FCS = int(value[0])
			if face.FCS >= 8 {
				face.FCS /= 8
			}
		case code == optionOffset && len(value) == 8:
			is.offset = int64(f.order.Uint64(value))
		}
	}
}

// add takes in an interface of the section. One that an earlier section has described with
// the same words is the same: a file may be several put one behind the other.
func (f *pcapng) add(r *Reader, face Interface, is meant) error {
	if len(f.known) == MaxInterfaces {
		return fmt.Errorf("more than %d interfaces", MaxInterfaces)
	}
	same, nth := f.all[face], f.bySection[face]
	if nth == len(same) {
		if len(r.Interfaces) == MaxInterfaces {
			return fmt.Errorf("more than %d interfaces", MaxInterfaces)
		}
		same = append(same, len(r.Interfaces))
		f.all[face] = same
		r.Interfaces = append(r.Interfaces, face)
	}
	f.bySection[face]++
	is.index = same[nth]
	f.known = append(f.known, is)
	return nil
}

// packet reads a packet block of either kind.
func (f *pcapng) packet(r *Reader, kind uint32) (p Packet, err error) {
	b, err := f.take(r, 20)
	if err != nil {
		return p, err
	}
	id := f.order.Uint32(b[0:])
	if kind == blockOldPacket {
		id = uint32(f.order.Uint16(b[0:])) // and a count of drops
	}
	if int64(id) >= int64(len(f.known)) {
		return p, fmt.Errorf("a packet of interface %d, and the section has %d", id, len(f.known))
	}
	is := &f.known[id]
	if p.Time, err = is.time(f.order.Uint32(b[4:]), f.order.Uint32(b[8:])); err != nil {
		return p, err
	}
	p.Timed = true
	captured, length := f.order.Uint32(b[12:]), f.order.Uint32(b[16:])
	if err := f.bytes(r, &p, is, captured, length); err != nil {
		return p, err
	}
	for {
		code, value, err := f.option(r)
		if err != nil || code == optionEnd {
			return p, err
		}
		if code == optionFlags && len(value) == 4 {
			flags := f.order.Uint32(value)
			p.Direction = [...]Direction{Unknown, Received, Sent, Unknown}[flags&3]
			if fcs := int(flags >> 5 & 15); fcs > 0 {
				p.FCS = fcs
			}
		}
	}
}

// simple reads a simple packet block: one of the first interface, captured as far as that
// does.
func (f *pcapng) simple(r *Reader) (p Packet, err error) {
	b, err := f.take(r, 4)
	if err != nil {
		return p, err
	}
	if len(f.known) == 0 {
		return p, errors.New("a packet of interface 0, and the section has none")
	}
	is := &f.known[0]
	length := f.order.Uint32(b)
	captured := length
	if is.snap > 0 {
		captured = min(captured, is.snap)
	}
	return p, f.bytes(r, &p, is, captured, length)
}

// bytes reads the bytes of a packet in a block.
func (f *pcapng) bytes(r *Reader, p *Packet, is *meant, captured, length uint32) error {
	padded := (int64(captured) + 3) &^ 3
	if f.left < padded || captured > maxPacket {
		return fmt.Errorf("a packet of %d bytes, and its block has %d for it", captured, f.left)
	}
	f.left -= padded
	face := &r.Interfaces[is.index]
	p.Interface, p.Link, p.FCS = is.index, face.Link, face.FCS
	p.Captured, p.Length = int(captured), lengthOf(length, captured)
	if err := r.packet(int(captured)); err != nil {
		return err
	}
	return r.src.skip(padded - int64(captured))
}
