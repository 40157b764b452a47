package gaps

import (
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Packet is what is measured of one packet.
type Packet struct {
	Time      clock.Time // ns since 1970
	Interface int        // index of the file's interfaces
	Index     uint32     // of the machine's interface, in a capture of all of them
	Direction pcap.Direction
	Flow      pacer.Flow
	Size      pacer.Size
}

// A Reader reads packets that can be measured.
type Reader struct {
	*pcap.Reader
	// Skipped counts packets that Next did not return.
	Skipped Skipped
}

// Skipped counts packets that cannot be measured.
type Skipped struct {
	LinkType uint64 `json:"link_type"`       // of a link whose frames are not known
	Links    string `json:"links,omitempty"` // the first of these
	Untimed  uint64 `json:"untimed"`         // without a time stamp
}

// NewReader returns a Reader of a file, of which pcap.Headers bytes a packet are enough.
func NewReader(file *pcap.Reader) *Reader { return &Reader{Reader: file} }

// Next returns the next packet, or io.EOF behind the last. Another error says what is wrong
// with the file there.
func (r *Reader) Next() (Packet, error) {
	for {
		p, err := r.Reader.Next()
		if err != nil {
			return Packet{}, err
		}
		flow, size, known := p.Measure()
		switch {
		case !p.Timed:
			r.Skipped.Untimed++
		case !known:
			if r.Skipped.LinkType++; r.Skipped.LinkType == 1 {
				r.Skipped.Links = p.Link.String()
			}
		default:
			return Packet{p.Time, p.Interface, p.Index, p.Direction, flow, size}, nil
		}
	}
}
