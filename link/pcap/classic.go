package pcap

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// classic is the format pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, and 16
// before each packet. The magic number tells the byte order, and whether the stamps are
// in microseconds or nanoseconds.
type classic struct {
	order binary.ByteOrder
	unit  uint32 // of the fraction of a stamp, in ns
	most  uint32 // bytes captured of a packet
	minor uint16 // of the version
}

func newClassic(r *Reader) (*classic, error) {
	b, err := r.src.take(24)
	if err != nil {
		return nil, fmt.Errorf("its header is cut short: %w", err)
	}
	c := &classic{order: binary.ByteOrder(binary.BigEndian), unit: 1000}
	if b[0] != 0xa1 {
		c.order = binary.LittleEndian
	}
	if c.order.Uint32(b[0:]) == 0xa1b23c4d {
		c.unit = 1
	}
	c.minor = c.order.Uint16(b[6:])
	if major := c.order.Uint16(b[4:]); major != 2 || c.minor > 4 {
		return nil, fmt.Errorf("it is pcap of version %d.%d, and 2.0 to 2.4 are known", major, c.minor)
	}
	// Files with longer packets than their snapshot length exist, and other tools read
	// them up to this length.
	c.most = min(max(c.order.Uint32(b[16:]), MaxKept), maxPacket)
	// The upper half of the link type tells of frame check sequences: whether there are
	// any, and of how many words of two bytes.
	const present = 1 << 26
	network := c.order.Uint32(b[20:])
	face := Interface{Link: LinkType(network), Resolution: time.Duration(c.unit)}
	if network&present != 0 {
		face.FCS = int(network>>28) * 2
	}
	r.Interfaces = []Interface{face}
	return c, nil
}

func (c *classic) String() string { return "pcap" }

func (c *classic) next(r *Reader) (Packet, error) {
	r.src.begin = r.src.offset
	b, err := r.src.take(16)
	if err != nil {
		return Packet{}, err
	}
	seconds, fraction := c.order.Uint32(b[0:]), c.order.Uint32(b[4:])
	captured, length := c.order.Uint32(b[8:]), c.order.Uint32(b[12:])
	// Before version 2.3 the two lengths were the other way round, and some programs
	// went on with that.
	if c.minor < 3 || c.minor == 3 && captured > length {
		captured, length = length, captured
	}
	if captured > c.most {
		return Packet{}, fmt.Errorf("a packet of %d bytes, where at most %d are possible", captured, c.most)
	}
	err = r.packet(int(captured))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	face := &r.Interfaces[0]
	return Packet{
		Time:  clock.Time(seconds)*1e9 + clock.Time(fraction)*clock.Time(c.unit),
		Timed: true, Link: face.Link, FCS: face.FCS,
		Captured: int(captured), Length: lengthOf(length, captured),
	}, err
}

// lengthOf returns how long a packet was that says so of itself.
func lengthOf(length, captured uint32) int { return int(min(max(length, captured), maxPacket)) }
