package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A Packet is what a file has of a packet.
type Packet struct {
	Time      clock.Time // ns since 1970
	Timed     bool       // the file tells the time
	Direction Direction
	Interface int    // index of Reader.Interfaces
	Index     uint32 // of the machine's interface, in a capture of all of them
	Link      LinkType

	Length   int    // bytes that it had on its link, without FCS
	Captured int    // of these, in the file
	FCS      int    // bytes of frame check sequence that were taken off
	Bytes    []byte // the first of those captured that are kept; until the next call
}

// Direction is which way a packet passed the interface, where the file says so.
type Direction uint8

// The directions, as pcapng numbers them.
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
	Link       LinkType
	Resolution time.Duration // of the time stamps, rounded up to ns
	Speed      int64         // bit/s, 0 where the file does not tell
	FCS        int           // bytes of frame check sequence behind each frame
}

// The bounds of what is kept.
const (
	MaxInterfaces = 1 << 16
	MaxKept       = 1 << 18 // of a packet, in bytes: the snap length of tcpdump and Wireshark

	// maxPacket is the largest packet that a file may hold, in bytes. None of any link
	// type comes near; a larger number is no length.
	maxPacket = 1 << 24
)

// Headers is how many bytes of a packet a Reader keeps for Packet.Measure: the longest link
// header with some tags, and the longest headers of IP and TCP, with IPv6 extensions.
const Headers = 256

// A Reader reads a capture file from front to back.
type Reader struct {
	// Interfaces are those that the file has told of so far.
	Interfaces []Interface

	src    source
	format format
	data   []byte // of a packet
}

// A format is the kind of the file.
type format interface {
	String() string
	// next reads the next packet, with the bytes that the file has for it in data. It
	// returns io.EOF at the end of the file and io.ErrUnexpectedEOF where the file ends
	// within something.
	next(r *Reader) (Packet, error)
}

// NewReader reads the beginning of a capture. It returns an error if that is not one. The
// first keep bytes of each packet are kept, MaxKept at most.
func NewReader(in io.Reader, keep int) (*Reader, error) {
	r := &Reader{src: source{in: bufio.NewReaderSize(in, 1<<18)}, data: make([]byte, min(keep, MaxKept))}
	return r, r.begin()
}

func (r *Reader) begin() error {
	magic, err := r.src.in.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty, or a few bytes long")
		}
		return err
	}
	switch m := binary.BigEndian.Uint32(magic); {
	case m == blockSection:
		r.format = &pcapng{bySection: make(map[Interface]int), all: make(map[Interface][]int)}
	case m == 0xa1b2c3d4 || m == 0xd4c3b2a1 || m == 0xa1b23c4d || m == 0x4d3cb2a1:
		r.format, err = newClassic(r)
	default:
		if name := foreign(magic); name != "" {
			return errors.New(name)
		}
		err = fmt.Errorf("it is neither pcapng nor pcap: it begins with % x", magic)
	}
	return err
}

// foreign says what a file of another format is, and what to do.
func foreign(magic []byte) string {
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return "it is compressed: unpack it with gzip -d"
	case string(magic) == "\x28\xb5\x2f\xfd":
		return "it is compressed: unpack it with zstd -d"
	case string(magic) == "\xfd7zX":
		return "it is compressed: unpack it with xz -d"
	case string(magic) == "\xa1\xb2\xcd\x34" || string(magic) == "\x34\xcd\xb2\xa1":
		return "it is the modified pcap of old Linux kernels: editcap makes pcapng of it"
	}
	return ""
}

// Format returns "pcapng" or "pcap".
func (r *Reader) Format() string { return r.format.String() }

// Offset returns how many bytes of the file have been read.
func (r *Reader) Offset() int64 { return r.src.offset }

// Next returns the next packet, or io.EOF behind the last. Another error says at which
// byte the file is damaged or cut short, and what was returned before is whole.
func (r *Reader) Next() (Packet, error) {
	p, err := r.format.next(r)
	switch {
	case err == io.EOF:
		return p, err
	case err == io.ErrUnexpectedEOF:
		return p, fmt.Errorf("it is cut short at byte %d", r.src.offset)
	case err != nil:
		return p, fmt.Errorf("byte %d: %w", r.src.begin, err)
	}
	p.Bytes = r.data[:min(p.Captured, len(r.data))]
	p.finish()
	return p, nil
}

// finish takes the frame check sequence off, and reads what a cooked header tells.
func (p *Packet) finish() {
	if p.Link != Ethernet || p.FCS > p.Length {
		p.FCS = 0
	}
	p.Length -= p.FCS
	p.Captured = min(p.Captured, p.Length)
	p.Bytes = p.Bytes[:min(len(p.Bytes), p.Captured)]
	p.cooked()
}

// packet reads the bytes of a packet that are kept, and skips the rest of n.
func (r *Reader) packet(n int) error {
	m := min(n, len(r.data))
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
