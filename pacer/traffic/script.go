package traffic

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Replay says how a capture is replayed.
type Replay struct {
	Filter   pcap.Filter   // which packets are
	Tempo    Tempo         // when
	Passes   uint64        // how often; 0 is no bound
	Packets  uint64        // how many there are at most; 0 is no bound
	Duration time.Duration // for how long they are sent; 0 is no bound

	// Frames are for a device with this MTU, in bytes, and an Ethernet header if Ethernet
	// is true. Packets that have none get one with these addresses.
	MTU      int
	Ethernet bool
	Src, Dst [6]byte
}

// Replayed is what became of the packets of a capture, those of all passes together.
type Replayed struct {
	Passes  uint64 `json:"passes"`  // that were begun
	Packets uint64 `json:"packets"` // that were read and could be sent

	CutShort uint64 `json:"cut_short"`     // of these: not all bytes are in the file, zeros stand for them
	Negative uint64 `json:"negative_gaps"` // before these: earlier than the packet before, sent right behind it

	// Passed over.
	Filtered uint64 `json:"filtered"` // not meant by the filter
	TooLong  uint64 `json:"too_long"` // for the MTU
	NoPlace  uint64 `json:"no_place"` // the port has no place for such a packet
	Links    string `json:"no_place_links,omitempty"`
	Untimed  uint64 `json:"untimed"` // the file does not tell when it was
}

// PassedOver returns how many packets were not sent, for whatever cause.
func (r *Replayed) PassedOver() uint64 { return r.Filtered + r.TooLong + r.NoPlace + r.Untimed }

// String writes it as lines of a report.
func (r *Replayed) String() string {
	s := fmt.Sprintf("read: %s in %s; cut short: %d, negative gaps: %d; passed over: by the filter %d, too long %d, no place at the port %d, untimed %d\n",
		link.Count(r.Packets, "packet"), link.Count(r.Passes, "pass"), r.CutShort, r.Negative, r.Filtered, r.TooLong, r.NoPlace, r.Untimed)
	if r.Links != "" {
		s += fmt.Sprintf("there are packets of %s, which no port has a place for\n", r.Links)
	}
	return s
}

// A script is a capture as the frames to be sent.
type script struct {
	capture *pcap.File
	replay  Replay
	done    Replayed
	pool    link.Pool

	rate  pacer.Pacer   // of the tempo, nil where packets keep their times
	line  pcap.Timeline // of this pass
	begin time.Duration // when this pass begins, from the first packet's departure
	at    time.Duration // of the packet before
	inRun uint64        // packets of this pass
}

func newScript(c *pcap.File, r Replay) script {
	return script{capture: c, replay: r, rate: r.Tempo.pacer()}
}

// next returns the next frame. Depart is counted from the departure of the first. It
// returns io.EOF at the end of the last pass.
func (s *script) next() (*link.Frame, error) {
	for {
		if s.replay.Packets > 0 && s.done.Packets == s.replay.Packets {
			return nil, io.EOF
		}
		if s.done.Passes == 0 {
			s.done.Passes = 1
		}
		p, err := s.capture.Next()
		if err == io.EOF {
			if err := s.again(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		f := s.frame(&p)
		if f == nil {
			continue
		}
		f.Depart = clock.Time(s.time(&p, f))
		if s.at >= longest || s.replay.Duration > 0 && s.at >= s.replay.Duration {
			f.Free()
			return nil, io.EOF
		}
		s.done.Packets++
		return f, nil
	}
}

// again begins another pass, one mean gap behind the last packet of this one. It returns
// io.EOF if that was the last.
func (s *script) again() error {
	switch {
	case s.inRun == 0:
		return s.nothing()
	case s.done.Passes == s.replay.Passes:
		return io.EOF
	}
	if err := s.capture.Rewind(); err != nil {
		return err
	}
	s.done.Passes++
	if s.inRun > 1 {
		s.at += (s.at - s.begin) / time.Duration(s.inRun-1)
	}
	s.begin, s.inRun, s.line = s.at, 0, pcap.Timeline{}
	return nil
}

// nothing says why there is nothing to be sent.
func (s *script) nothing() error {
	switch {
	case s.done.Links != "":
		return fmt.Errorf("there is no packet in it that could be sent: some are of %s, and %s are known", s.done.Links, pcap.Known)
	case s.done.Filtered > 0 && s.done.NoPlace+s.done.TooLong+s.done.Untimed == 0:
		return errors.New("no packet in it is meant by the filter")
	}
	return errors.New("there is no packet in it that could be sent")
}

// time returns when the frame of a packet leaves.
func (s *script) time(p *pcap.Packet, f *link.Frame) time.Duration {
	s.inRun++
	if s.rate != nil {
		s.at = min(time.Duration(s.rate.Depart(s.replay.Tempo.size(f), 0)), longest)
		return s.at
	}
	before := s.line.Negative
	s.at = min(s.begin+s.replay.Tempo.Speed.after(s.line.At(p.Time)), longest)
	s.done.Negative += s.line.Negative - before
	return s.at
}

// frame returns a packet as the port wants it, or nil if it is passed over.
func (s *script) frame(p *pcap.Packet) *link.Frame {
	flow, size, known := p.Measure()
	ip, isIP := p.FindIP()
	packet, length := p.Bytes, p.Length
	header, tags := link.EthernetHeader, 0
	switch {
	case !s.replay.Filter.Match(flow, p.Direction, s.capture.Interfaces[p.Interface].Name, p.Index):
		s.done.Filtered++
		return nil
	case s.rate == nil && !p.Timed:
		s.done.Untimed++
		return nil
	case s.replay.Ethernet && p.Link == pcap.Ethernet && len(packet) >= link.EthernetHeader:
		tags = link.VLANBytes(packet)
	case isIP:
		packet, length, header = packet[ip:], length-ip, 0
		if size.IP > 0 { // without padding
			length = size.IP
			packet = packet[:min(length, len(packet))]
		}
	default:
		if s.done.NoPlace++; !known && s.done.Links == "" {
			s.done.Links = p.Link.String()
		}
		return nil
	}
	if length-header-tags > s.replay.MTU {
		s.done.TooLong++
		return nil
	}
	if len(packet) < length {
		s.done.CutShort++
	}
	f := s.pool.Frame(length)
	clear(f.Bytes()[copy(f.Bytes(), packet):])
	if s.replay.Ethernet && header == 0 {
		s.address(f)
	}
	header = 0
	if s.replay.Ethernet {
		header = link.EthernetHeader
	}
	f.Measure(header)
	f.Paced = true
	return f
}

// address puts an Ethernet header before an IP packet.
func (s *script) address(f *link.Frame) {
	etherType := [2]byte{0x08, 0x00}
	if f.Bytes()[0]>>4 == 6 {
		etherType = [2]byte{0x86, 0xdd}
	}
	h := f.Push(link.EthernetHeader)
	copy(h, s.replay.Dst[:])
	copy(h[6:], s.replay.Src[:])
	copy(h[12:], etherType[:])
}
