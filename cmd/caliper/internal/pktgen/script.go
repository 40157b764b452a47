package pktgen

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Speed is how fast a capture is replayed, in millionths of the speed that it had.
type Speed uint64

// Speeds.
const (
	Recorded Speed = 1e6
	slowest  Speed = 1e3
	fastest  Speed = 1e12
)

// ParseSpeed reads a factor, 0.001 to 1000000, with up to six decimals.
func ParseSpeed(s string) (Speed, error) {
	whole, decimals, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole+(decimals + "000000")[:max(6, len(decimals))], 10, 64)
	if err != nil || whole == "" || len(decimals) > 6 || Speed(n) < slowest || Speed(n) > fastest {
		return 0, fmt.Errorf("%.32q is not a factor from 0.001 to 1000000 with at most six decimals", s)
	}
	return Speed(n), nil
}

// String writes the factor.
func (v Speed) String() string { return strconv.FormatFloat(float64(v)/1e6, 'f', -1, 64) }

// after returns when what was at d is replayed.
func (v Speed) after(d time.Duration) time.Duration {
	hi, lo := bits.Mul64(uint64(d), uint64(Recorded))
	if hi >= uint64(v) {
		return longest
	}
	q, _ := bits.Div64(hi, lo, uint64(v))
	return time.Duration(min(q, uint64(longest)))
}

// Replay says how a capture is replayed.
type Replay struct {
	Speed    Speed
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

	CutShort   uint64 `json:"cut_short"`  // of these: not all bytes are in the file, zeros stand for them
	Disordered uint64 `json:"disordered"` // of these: earlier than the packet before, sent right behind it

	// Passed over.
	TooLong uint64 `json:"too_long"` // for the MTU
	NoPlace uint64 `json:"no_place"` // the port has no place for such a packet
	Untimed uint64 `json:"untimed"`  // the file does not tell when it was
}

// A script is a capture as the frames to be sent.
type script struct {
	capture *Capture
	replay  Replay
	done    Replayed

	first time.Time     // of this pass
	last  time.Time     // the latest of this pass
	begin time.Duration // when this pass begins, from the first packet's departure
	at    time.Duration // of the packet before
	inRun uint64        // packets of this pass
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
		r, err := s.capture.Next()
		if err == io.EOF {
			if err := s.again(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		f := s.frame(&r)
		if f == nil {
			continue
		}
		f.Depart = clock.Time(s.time(r.Time))
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
		return errors.New("there is no packet in it that could be sent")
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
	s.begin, s.inRun = s.at, 0
	return nil
}

// time returns when a packet leaves that was captured at t.
func (s *script) time(t time.Time) time.Duration {
	if s.inRun++; s.inRun == 1 {
		s.first, s.last = t, t
		return s.at
	}
	if t.Before(s.last) {
		s.done.Disordered++
		return s.at
	}
	s.last = t
	s.at = min(s.begin+s.replay.Speed.after(t.Sub(s.first)), longest)
	return s.at
}

// frame returns a packet as the port wants it, or nil if it is passed over.
func (s *script) frame(r *Record) *link.Frame {
	header, ip := network(r.Link, r.Bytes)
	packet, length := r.Bytes, r.Length
	switch {
	case s.replay.Ethernet && r.Link == layers.LinkTypeEthernet && len(packet) >= link.EthernetHeader:
		header = link.EthernetHeader
	case ip:
		packet, length = packet[header:], length-header
		header = 0
	default:
		s.done.NoPlace++
		return nil
	}
	if length-header > s.replay.MTU {
		s.done.TooLong++
		return nil
	}
	if len(packet) < length {
		s.done.CutShort++
	}
	f := link.NewFrame(length)
	clear(f.Bytes()[copy(f.Bytes(), packet):])
	if s.replay.Ethernet && header == 0 {
		s.address(f)
	}
	if s.replay.Ethernet {
		header = link.EthernetHeader
	}
	f.Measure(header)
	f.Paced = true
	return f
}

// address puts an Ethernet header before an IP packet.
func (s *script) address(f *link.Frame) {
	kind := layers.EthernetTypeIPv4
	if f.Bytes()[0]>>4 == 6 {
		kind = layers.EthernetTypeIPv6
	}
	h := f.Push(link.EthernetHeader)
	copy(h, s.replay.Dst[:])
	copy(h[6:], s.replay.Src[:])
	h[12], h[13] = byte(kind>>8), byte(kind)
}
