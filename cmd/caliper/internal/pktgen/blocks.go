package pktgen

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// blocks stands between a pcapng file and gopacket's reader, which keeps all that it reads
// but packets, and trusts the lengths in them. It passes on sections, interfaces, and
// packets that have a time, without their options, and nothing that could take more memory
// than its bounds.
type blocks struct {
	in         *bufio.Reader
	order      binary.ByteOrder // of the section
	interfaces int              // in the section
	untimed    uint64           // packets without a time
	buf        []byte
	out        []byte // what is left of buf to be passed on
}

// Blocks of pcapng (draft-ietf-opsawg-pcapng), and the bounds; lengths in bytes.
const (
	blockSection   = 0x0a0d0d0a // the same in both byte orders
	blockInterface = 1
	blockOldPacket = 2
	blockSimple    = 3 // a packet without a time
	blockPacket    = 6

	byteOrderMagic = 0x1a2b3c4d

	packetHeader   = 28      // of either kind of packet, with the block's own
	maxCaptured    = 1 << 18 // of a packet
	maxDescription = 1 << 14 // of a section or an interface
	maxInterfaces  = 1 << 7  // in a section
)

// errCutShort is not io.ErrUnexpectedEOF, which gopacket takes for the end of the file where
// no block has begun.
var errCutShort = errors.New("the file is cut short")

func (b *blocks) Read(p []byte) (int, error) {
	for len(b.out) == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	return n, nil
}

// next reads a block into b.out, if it is one to be passed on. It returns io.EOF where no
// block begins.
func (b *blocks) next() error {
	head, err := b.peek(12)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(head) == blockSection {
		b.interfaces = 0
		switch uint32(byteOrderMagic) {
		case binary.LittleEndian.Uint32(head[8:]):
			b.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]):
			b.order = binary.BigEndian
		default:
			return errors.New("a section of pcapng has no byte order")
		}
	}
	if b.order == nil {
		return errors.New("a pcapng file begins with a section")
	}
	kind, length := b.order.Uint32(head), b.order.Uint32(head[4:])
	if length < 12 || length%4 != 0 {
		return fmt.Errorf("a pcapng block cannot have %d bytes", length)
	}
	switch kind {
	case blockInterface:
		if b.interfaces++; b.interfaces > maxInterfaces {
			return fmt.Errorf("it has more than %d interfaces", maxInterfaces)
		}
		fallthrough
	case blockSection:
		if length > maxDescription {
			return fmt.Errorf("it describes an interface or section in %d bytes, which is too much", length)
		}
		return b.take(int(length))
	case blockPacket, blockOldPacket:
		return b.packet(length)
	case blockSimple:
		b.untimed++
	}
	return b.skip(int64(length))
}

// packet takes a packet without its options, which follow it.
func (b *blocks) packet(length uint32) error {
	const captured = 20 // where that is in the header
	head, err := b.peek(packetHeader)
	if err != nil {
		return err
	}
	n := b.order.Uint32(head[captured:])
	if n > maxCaptured {
		return fmt.Errorf("a packet cannot have %d bytes", n)
	}
	rest := int64(length) - packetHeader - int64((n+3)&^3)
	if rest < 4 {
		return fmt.Errorf("a packet of %d bytes does not fit its block of %d", n, length)
	}
	if err := b.take(int(int64(length) - rest)); err != nil {
		return err
	}
	// The length is the block's new one, before and behind it.
	end := len(b.out)
	b.out = append(b.out, 0, 0, 0, 0)
	b.order.PutUint32(b.out[4:], uint32(len(b.out)))
	b.order.PutUint32(b.out[end:], uint32(len(b.out)))
	b.buf = b.out
	return b.skip(rest)
}

// take reads n bytes, and makes them what is passed on.
func (b *blocks) take(n int) error {
	if cap(b.buf) < n {
		b.buf = make([]byte, n, n+4)
	}
	b.buf = b.buf[:n]
	if _, err := io.ReadFull(b.in, b.buf); err != nil {
		return errCutShort
	}
	b.out = b.buf
	return nil
}

func (b *blocks) peek(n int) ([]byte, error) {
	head, err := b.in.Peek(n)
	if err == io.EOF && len(head) > 0 {
		err = errCutShort
	}
	return head, err
}

func (b *blocks) skip(n int64) error {
	m, err := io.CopyN(io.Discard, b.in, n)
	if err == io.EOF && m < n {
		err = errCutShort
	}
	return err
}
