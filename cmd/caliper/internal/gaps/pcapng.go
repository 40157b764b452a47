package gaps

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// The blocks and options of pcapng that are read (draft-ietf-opsawg-pcapng).
const (
	blockSection   = 0x0A0D0D0A // the same in both byte orders
	blockInterface = 1
	blockOldPacket = 2 // obsolete, and still found
	blockSimple    = 3 // a packet without a time stamp
	blockPacket    = 6

	byteOrderMagic = 0x1A2B3C4D

	optionEnd        = 0
	optionName       = 2 // of an interface
	optionSpeed      = 8
	optionResolution = 9
	optionOffset     = 14
	optionFlags      = 2 // of a packet
)

// pcapng is a file of blocks, each with its length before and behind it.
type pcapng struct {
	order binary.ByteOrder
	left  int64     // bytes of the block that are not read yet, without the length behind it
	known []stamps  // the interfaces of the section
	start [12]byte  // of a block, with the byte-order magic of a section
	value [256]byte // of an option, its beginning
}

// stamps says how the time stamps of an interface are meant.
type stamps struct {
	iface  int    // index of Reader.Interfaces
	second uint64 // units of a second
	offset int64  // s
}

func (f *pcapng) String() string { return "pcapng" }

func (f *pcapng) next(r *Reader) (record, error) {
	for {
		rec, found, err := f.block(r)
		if err != nil || found {
			return rec, err
		}
	}
}

// block reads one block, and tells whether it was a packet.
func (f *pcapng) block(r *Reader) (rec record, found bool, err error) {
	r.src.begin = r.src.offset
	kind, length, err := f.head(r)
	if err != nil {
		return rec, false, err
	}
	if f.left < 0 || length%4 != 0 {
		return rec, false, fmt.Errorf("a block of %d bytes is not possible", length)
	}
	switch kind {
	case blockSection:
		err = f.version(r)
	case blockInterface:
		err = f.describe(r)
	case blockPacket, blockOldPacket:
		rec, err = f.packet(r, kind)
		found = true
	case blockSimple:
		found = true
	}
	if err == nil {
		err = f.end(r, length)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return rec, found, err
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
	if major := f.order.Uint16(b[0:]); major != 1 {
		return fmt.Errorf("a section of version %d, only 1 is known", major)
	}
	f.known = f.known[:0]
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
	value = f.value[:min(n, len(f.value))]
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
	iface := Interface{LinkType: f.order.Uint16(b[0:])}
	resolution := byte(6) // microseconds
	var offset int64
	for {
		code, value, err := f.option(r)
		if err != nil {
			return err
		}
		switch {
		case code == optionEnd:
			return f.add(r, iface, resolution, offset)
		case code == optionName:
			iface.Name = string(value)
		case code == optionSpeed && len(value) == 8:
			iface.Speed = int64(min(f.order.Uint64(value), 1<<50))
		case code == optionResolution && len(value) == 1:
			resolution = value[0]
		case code == optionOffset && len(value) == 8:
			offset = int64(f.order.Uint64(value))
		}
	}
}

// add takes in an interface of the section. One that an earlier section has described with
// the same words is the same: a file may be several put one behind the other.
func (f *pcapng) add(r *Reader, iface Interface, resolution byte, offset int64) error {
	second := uint64(1)
	base, exponent := uint64(10), int(resolution)
	if resolution&0x80 != 0 {
		base, exponent = 2, int(resolution&0x7f)
	}
	for range exponent {
		over, product := bits.Mul64(second, base)
		if over != 0 {
			return fmt.Errorf("an interface with time stamps of %d to the minus %d seconds", base, exponent)
		}
		second = product
	}
	iface.Resolution = time.Duration(max(1, (1e9+second-1)/second))
	index := -1
	for i := range r.Interfaces {
		if r.Interfaces[i] == iface && !f.has(i) {
			index = i
			break
		}
	}
	if index < 0 {
		index = len(r.Interfaces)
		if index == maxInterfaces {
			return fmt.Errorf("more than %d interfaces", maxInterfaces)
		}
		r.Interfaces = append(r.Interfaces, iface)
	}
	f.known = append(f.known, stamps{index, second, offset})
	return nil
}

// has tells whether the section has an interface of that index.
func (f *pcapng) has(index int) bool {
	for _, k := range f.known {
		if k.iface == index {
			return true
		}
	}
	return false
}

// packet reads a packet block of either kind.
func (f *pcapng) packet(r *Reader, kind uint32) (record, error) {
	b, err := f.take(r, 20)
	if err != nil {
		return record{}, err
	}
	id := f.order.Uint32(b[0:])
	if kind == blockOldPacket {
		id = uint32(f.order.Uint16(b[0:])) // and a count of drops
	}
	if int64(id) >= int64(len(f.known)) {
		return record{}, fmt.Errorf("a packet of interface %d, and the section has %d", id, len(f.known))
	}
	at, err := f.known[id].time(f.order.Uint32(b[4:]), f.order.Uint32(b[8:]))
	if err != nil {
		return record{}, err
	}
	captured, length := f.order.Uint32(b[12:]), f.order.Uint32(b[16:])
	padded := (int64(captured) + 3) &^ 3
	if f.left -= padded; f.left < 0 || captured > maxPacket {
		return record{}, fmt.Errorf("a packet of %d bytes in a block of %d", captured, f.left+padded+32)
	}
	rec := record{at: at, iface: f.known[id].iface, captured: int(captured),
		length: int(min(max(length, captured), maxPacket)), timed: true}
	if err := r.packet(int(captured)); err != nil {
		return record{}, err
	}
	if err := r.src.skip(padded - int64(captured)); err != nil {
		return record{}, err
	}
	for {
		code, value, err := f.option(r)
		if err != nil {
			return record{}, err
		}
		if code == optionFlags && len(value) == 4 {
			switch f.order.Uint32(value) & 3 {
			case 1:
				rec.direction = Received
			case 2:
				rec.direction = Sent
			}
		}
		if code == optionEnd {
			return rec, nil
		}
	}
}

// latest bounds time stamps, so that their differences and sums fit 64 bits: the year 2116.
const (
	latest       = 1 << 62 // ns
	latestSecond = latest / 1_000_000_000
)

// time returns a time stamp in ns since 1970.
func (s *stamps) time(high, low uint32) (clock.Time, error) {
	stamp := uint64(high)<<32 | uint64(low)
	hi, lo := bits.Mul64(stamp, 1e9)
	if hi >= s.second || s.offset < -latestSecond || s.offset > latestSecond {
		return 0, errTime
	}
	ns, _ := bits.Div64(hi, lo, s.second)
	if ns > latest {
		return 0, errTime
	}
	t := int64(ns) + s.offset*1e9 // at most 2^63 - 1
	if t < 0 || t > latest {
		return 0, errTime
	}
	return clock.Time(t), nil
}

var errTime = errors.New("a time stamp that is not between the years 1970 and 2116")
