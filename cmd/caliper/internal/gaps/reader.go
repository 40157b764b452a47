package gaps

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Packet is what is read of one packet.
type Packet struct {
	Time      clock.Time // ns since 1970
	Interface int        // index of Reader.Interfaces
	Index     uint32     // of the machine's interface, in a capture of all of them
	Direction Direction
	Flow      pacer.Flow
	Size      pacer.Size
}

// Direction is which way a packet passed the interface, where the file says so.
type Direction uint8

// The directions.
const (
	Unknown Direction = iota
	Received
	Sent
)

var directions = [...]string{"", "received", "sent"}

// String returns "sent", "received" or nothing.
func (d Direction) String() string { return directions[d] }

// An Interface is where packets were captured.
type Interface struct {
	Name       string
	LinkType   uint16        // LINKTYPE_ value
	Resolution time.Duration // of the time stamps, rounded up to ns
	Speed      int64         // bit/s, 0 where the file does not tell
}

// maxInterfaces is how many interfaces a file may have.
const maxInterfaces = 1 << 10

// maxPacket is the largest packet that a file may hold, in bytes. None of any link type
// comes near; a larger number is no length.
const maxPacket = 1 << 24

// A Reader reads a capture file from front to back.
type Reader struct {
	// Interfaces are those that the file has told of so far.
	Interfaces []Interface
	// Skipped counts packets that Next did not return.
	Skipped Skipped

	src    source
	format format
	data   [1<<16 + headers]byte // the headers of a packet; zeros behind them
}

// Skipped counts packets that cannot be measured.
type Skipped struct {
	LinkType uint64 `json:"link_type"` // of a link whose frames are not known
	Untimed  uint64 `json:"untimed"`   // without a time stamp
}

// A format is the kind of the file.
type format interface {
	String() string
	// next reads the headers of the next packet into data and returns what the file
	// tells of it. It returns io.EOF at the end of the file and io.ErrUnexpectedEOF
	// where the file ends within something.
	next(r *Reader) (record, error)
}

// A record is a packet as the file has it, headers not yet looked at.
type record struct {
	at        clock.Time
	iface     int
	direction Direction
	captured  int // bytes in the file
	length    int // bytes that the packet had
	timed     bool
}

// NewReader reads the beginning of a capture. It returns an error if that is not one.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{src: source{in: bufio.NewReaderSize(in, 1<<18)}}
	magic, err := r.src.in.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty, or a few bytes long")
		}
		return nil, err
	}
	switch binary.BigEndian.Uint32(magic) {
	case blockSection:
		r.format = &pcapng{}
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1:
		r.format, err = newPcap(r)
		if err != nil {
			return nil, err
		}
	default:
		if magic[0] == 0x1f && magic[1] == 0x8b {
			return nil, errors.New("it is compressed: unpack it with gzip -d")
		}
		return nil, fmt.Errorf("it is neither pcapng nor pcap: it begins with % x", magic)
	}
	return r, nil
}

// Format returns "pcapng" or "pcap".
func (r *Reader) Format() string { return r.format.String() }

// Offset returns how many bytes of the file have been read.
func (r *Reader) Offset() int64 { return r.src.offset }

// Next returns the next packet, or io.EOF behind the last. Another error says at which
// byte the file is damaged or cut short, and what was returned before is whole.
func (r *Reader) Next() (Packet, error) {
	for {
		rec, err := r.format.next(r)
		switch {
		case err == io.EOF:
			return Packet{}, err
		case err == io.ErrUnexpectedEOF:
			return Packet{}, fmt.Errorf("it is cut short at byte %d", r.src.offset)
		case err != nil:
			return Packet{}, fmt.Errorf("byte %d: %w", r.src.begin, err)
		}
		if !rec.timed {
			r.Skipped.Untimed++
			continue
		}
		p := Packet{Time: rec.at, Interface: rec.iface, Direction: rec.direction}
		if !r.measure(&p, rec) {
			r.Skipped.LinkType++
			continue
		}
		return p, nil
	}
}

// headers is how many bytes of a packet are looked at: the longest link header, two VLAN
// tags, and the longest IPv4 and TCP headers.
const headers = 20 + 8 + 60 + 60

// packet reads the headers of a packet of n bytes and skips the rest.
func (r *Reader) packet(n int) error {
	m := min(n, headers)
	clear(r.data[m:headers])
	if err := r.src.read(r.data[:m]); err != nil {
		return err
	}
	return r.src.skip(int64(n - m))
}

// A source counts the bytes that are read.
type source struct {
	in     *bufio.Reader
	offset int64
	begin  int64 // where the block or record that is read begins
	few    [32]byte
}

// read fills b. It returns io.EOF only where not a byte was left.
func (s *source) read(b []byte) error {
	n, err := io.ReadFull(s.in, b)
	s.offset += int64(n)
	return err
}

// take reads n bytes, at most 32, which are good until the next call.
func (s *source) take(n int) ([]byte, error) {
	b := s.few[:n]
	return b, s.read(b)
}

func (s *source) skip(n int64) error {
	for n > 0 {
		m, err := s.in.Discard(int(min(n, 1<<30)))
		s.offset += int64(m)
		n -= int64(m)
		if err != nil {
			return err
		}
	}
	return nil
}
