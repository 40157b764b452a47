package traffic

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// A Tempo says when the packets of a capture leave: at their own times, with a Speed, or at
// a rate, whatever their times were. The rates are as tcpreplay has them.
type Tempo struct {
	Speed Speed // as fast as recorded times that; where there is no rate
	PPS   Speed // packets a second
	Mbps  Speed // Mbit/s of frames, without FCS, preamble and gap
	Line  int64 // bit/s of a line: as fast as that takes them
}

// pacer returns the Pacer of a rate, nil where packets keep their times.
func (t Tempo) pacer() pacer.Pacer {
	switch {
	case t.PPS > 0:
		return &pacer.Rate{BitsPerSecond: int64(t.PPS) * 8}
	case t.Mbps > 0:
		return &pacer.Rate{BitsPerSecond: int64(t.Mbps)}
	case t.Line > 0:
		return &pacer.Rate{BitsPerSecond: t.Line}
	}
	return nil
}

// size is what a frame counts for at the rate.
func (t Tempo) size(f *link.Frame) pacer.Size {
	switch {
	case t.PPS > 0:
		return pacer.Size{Wire: 1e6} // as PPS are millionths
	case t.Mbps > 0:
		return pacer.Size{Wire: f.Len()}
	}
	return f.Size
}

// String says what the tempo is.
func (t Tempo) String() string {
	switch {
	case t.PPS > 0:
		return fmt.Sprintf("%v packets/s", t.PPS)
	case t.Mbps > 0:
		return fmt.Sprintf("%v Mbit/s of frames", t.Mbps)
	case t.Line > 0:
		return fmt.Sprintf("as fast as a line of %v Mbit/s", Speed(t.Line))
	}
	return fmt.Sprintf("speed %v", t.Speed)
}

// Speed is a factor, or a number of something a second, in millionths.
type Speed uint64

// Speeds.
const (
	Recorded Speed = 1e6
	slowest  Speed = 1e3
	fastest  Speed = 1e12
)

// ParseSpeed reads a number, 0.001 to 1000000, with up to six decimals.
func ParseSpeed(s string) (Speed, error) {
	n, err := pacer.ParseDecimal(s, 6)
	if err != nil || Speed(n) < slowest || Speed(n) > fastest {
		return 0, fmt.Errorf("%.32q is not a number from 0.001 to 1000000 with at most six decimals", s)
	}
	return Speed(n), nil
}

// String writes the number.
func (v Speed) String() string { return pacer.FormatDecimal(int64(v), 6) }

// after returns when what was at d is replayed.
func (v Speed) after(d time.Duration) time.Duration {
	hi, lo := bits.Mul64(uint64(d), uint64(Recorded))
	if hi >= uint64(v) {
		return longest
	}
	q, _ := bits.Div64(hi, lo, uint64(v))
	return time.Duration(min(q, uint64(longest)))
}
