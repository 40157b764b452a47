package pktgen

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// A Capture is a pcap or pcapng file, read packet by packet, from its beginning as often as is
// wanted. It takes memory for one packet. It belongs to one goroutine at a time.
type Capture struct {
	file    *os.File
	in      *bufio.Reader
	format  format
	blocks  *blocks         // of a pcapng file
	link    layers.LinkType // of a pcap file
	untimed uint64          // in the readings before this one
}

// format is what reads a kind of file: one of gopacket's readers.
type format interface {
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// OpenCapture opens a file and reads its header.
func OpenCapture(name string) (*Capture, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	c := &Capture{file: file, in: bufio.NewReaderSize(file, 1<<18)}
	if err := c.begin(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Stat tells what file it is.
func (c *Capture) Stat() (os.FileInfo, error) { return c.file.Stat() }

// Close closes the file.
func (c *Capture) Close() error { return c.file.Close() }

// Rewind goes back to the beginning. A pipe cannot.
func (c *Capture) Rewind() error {
	if _, err := c.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	c.untimed = c.Untimed()
	c.in.Reset(c.file)
	return c.begin()
}

// begin reads the file's header.
func (c *Capture) begin() error {
	magic, err := c.in.Peek(4)
	if err != nil && err != io.EOF {
		return err
	}
	if len(magic) < 4 {
		return errors.New("it is too short for a capture file")
	}
	switch m := binary.BigEndian.Uint32(magic); m {
	case blockSection:
		c.blocks = &blocks{in: c.in}
		r, err := pcapgo.NewNgReader(c.blocks, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return fmt.Errorf("its header: %w", cutShort(err))
		}
		c.format = r
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1:
		r, err := pcapgo.NewReader(c.in)
		if err != nil {
			return fmt.Errorf("its header: %w", cutShort(err))
		}
		r.SetSnaplen(min(r.Snaplen(), maxCaptured))
		c.format, c.link = r, r.LinkType()
	default:
		if m>>16 == 0x1f8b {
			return errors.New("it is compressed: unpack it first, for instance with gzip -dk")
		}
		return errors.New("it is neither a pcap nor a pcapng file")
	}
	return nil
}

// A Record is a packet of a file.
type Record struct {
	Time   time.Time
	Link   layers.LinkType
	Length int    // bytes that it had
	Bytes  []byte // those of them that are in the file; until the next call
}

// Next returns the next packet, or io.EOF behind the last.
func (c *Capture) Next() (Record, error) {
	data, info, err := c.format.ZeroCopyReadPacketData()
	if err == io.EOF && info.CaptureLength > 0 {
		err = errCutShort // between a packet's header and its bytes
	}
	if err != nil {
		return Record{}, cutShort(err)
	}
	r := Record{Time: info.Timestamp, Link: c.link, Length: max(info.Length, len(data)), Bytes: data}
	if c.blocks != nil {
		r.Link, _ = info.AncillaryData[0].(layers.LinkType)
	}
	return r, nil
}

// Untimed returns how many packets without a time were passed over, in all readings.
func (c *Capture) Untimed() uint64 {
	if c.blocks == nil {
		return 0
	}
	return c.untimed + c.blocks.untimed
}

func cutShort(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCutShort
	}
	return err
}

// network returns where in a packet of a link type the IP packet begins, and whether it is
// one. Other packets of Ethernet have no such place, and packets of other links cannot be
// sent.
func network(link layers.LinkType, packet []byte) (header int, ip bool) {
	kind := 0 // where the EtherType is
	switch link {
	case layers.LinkTypeEthernet:
		header, kind = 14, 12
	case layers.LinkTypeLinuxSLL:
		header, kind = 16, 14
	case layers.LinkTypeLinuxSLL2:
		header, kind = 20, 0
	case layers.LinkTypeRaw, 12, 14, layers.LinkTypeIPv4, layers.LinkTypeIPv6: // 12 and 14 are raw IP of BSD
		return 0, len(packet) > 0 && (packet[0]>>4 == 4 || packet[0]>>4 == 6)
	default:
		return 0, false
	}
	if len(packet) < header {
		return 0, false
	}
	t := layers.EthernetType(binary.BigEndian.Uint16(packet[kind:]))
	return header, t == layers.EthernetTypeIPv4 || t == layers.EthernetTypeIPv6
}
