package gaps

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// pcap is the classic format (draft-ietf-opsawg-pcap): a header of 24 bytes, and 16
// before each packet. The magic number tells the byte order, and whether the stamps are
// in microseconds or nanoseconds.
type pcap struct {
	order binary.ByteOrder
	unit  uint32 // of the fraction of a stamp, in ns
	most  uint32 // bytes captured of a packet
}

func newPcap(r *Reader) (*pcap, error) {
	b, err := r.src.take(24)
	if err != nil {
		return nil, fmt.Errorf("its header is cut short: %w", err)
	}
	p := &pcap{order: binary.ByteOrder(binary.BigEndian), unit: 1000}
	if b[0] != 0xa1 {
		p.order = binary.LittleEndian
	}
	if p.order.Uint32(b[0:]) == 0xa1b23c4d {
		p.unit = 1
	}
	if major := p.order.Uint16(b[4:]); major != 2 {
		return nil, fmt.Errorf("it is pcap of version %d, only 2 is known", major)
	}
	// Files with longer packets than their snapshot length exist, and other tools read
	// them up to this length.
	const longest = 1 << 18
	p.most = min(max(p.order.Uint32(b[16:]), longest), maxPacket)
	// The upper half of the link type tells of frame check sequences.
	r.Interfaces = []Interface{{LinkType: uint16(p.order.Uint32(b[20:])), Resolution: time.Duration(p.unit)}}
	return p, nil
}

func (p *pcap) String() string { return "pcap" }

func (p *pcap) next(r *Reader) (record, error) {
	r.src.begin = r.src.offset
	b, err := r.src.take(16)
	if err != nil {
		return record{}, err
	}
	seconds, fraction := p.order.Uint32(b[0:]), p.order.Uint32(b[4:])
	captured, length := p.order.Uint32(b[8:]), p.order.Uint32(b[12:])
	if fraction >= 1e9/p.unit {
		return record{}, fmt.Errorf("the time stamp of a packet has %d parts of a second, and each is %d ns", fraction, p.unit)
	}
	if captured > p.most {
		return record{}, fmt.Errorf("a packet of %d bytes, where at most %d are possible", captured, p.most)
	}
	err = r.packet(int(captured))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return record{
		at:       clock.Time(seconds)*1e9 + clock.Time(fraction*p.unit),
		captured: int(captured), length: int(min(max(length, captured), maxPacket)), timed: true,
	}, err
}
