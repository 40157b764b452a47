package link

import (
	"fmt"
	"hash/crc32"
	"hash/fnv"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Trace stands directly above the last device of a chain and sees what leaves and what
// arrives. It keeps the statistics of departures and, with a Recorder, adds every frame to
// the fingerprint of the run. Above a device that stamps it is told by it when each frame has
// left, and works after that; above any other it stamps each frame itself (Frame.Sent), with
// the time at which it hands it on.
//
// What the device below refuses is stamped again when it is sent again, and counts once.
// The Origin of a frame is told by the device below, which knows whether it took it.
type Trace struct {
	// Departures are the statistics of the frames that left.
	Departures Departures

	clk   clock.Clock
	below Device
	above Handler
	rec   *Recorder
	told  bool // what is below stamps

	out, in uint64 // what the fingerprint knows the two directions by
	left    []left // what is in Transmit now
}

// left is what is kept of a frame that belongs to the device below.
type left struct {
	departure Departure
	size      int
	sum       uint32
}

// NewTrace returns a Trace above below. The recorder, which may be nil, is the one of all
// traces of the run. Two traces of one run tell their frames apart by Info.Name of what
// is below them.
func NewTrace(below Device, clk clock.Clock, rec *Recorder) *Trace {
	info := below.Info()
	return &Trace{clk: clk, below: below, rec: rec, told: info.Stamps, out: nameID(info.Name + " out"), in: nameID(info.Name + " in")}
}

func nameID(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// Info returns what is below.
func (t *Trace) Info() Info {
	i := t.below.Info()
	i.Super = 0
	return i
}

// Attach implements Device.
func (t *Trace) Attach(above Handler) {
	t.above = above
	t.below.Attach(t)
}

// Transmit hands the frames on and writes down those that leave. Those that it stamps itself
// have all the time of the call.
func (t *Trace) Transmit(frames []*Frame) (int, error) {
	if t.told {
		for _, f := range frames {
			f.Watch(t)
		}
		return t.below.Transmit(frames)
	}
	now := t.clk.Now()
	// A device below may deliver, and so make us transmit again, before it returns:
	// what is in t.left from first on is this call's.
	first := len(t.left)
	for _, f := range frames {
		f.Sent = clock.At(now)
		l := left{departure: f.Departure()}
		if t.rec != nil {
			l.size, l.sum = f.Len(), checksum(f.Bytes())
		}
		t.left = append(t.left, l)
	}
	n, err := t.below.Transmit(frames)
	for i := range t.left[first : first+n] {
		l := &t.left[first+i]
		t.Departures.Add(&l.departure)
		if t.rec != nil {
			t.rec.add(t.out, now, l.size, l.sum)
		}
	}
	t.left = t.left[:first]
	for _, f := range frames[n:] {
		f.Sent = clock.Optional{}
	}
	return n, err
}

// Left implements Witness.
func (t *Trace) Left(f *Frame) {
	d := f.Departure()
	t.Departures.Add(&d)
	if t.rec != nil {
		t.rec.add(t.out, d.Sent, f.Len(), checksum(f.Bytes()))
	}
}

// Receive writes down what arrives and passes it on.
func (t *Trace) Receive(frames []*Frame) {
	if t.rec != nil {
		now := t.clk.Now()
		for _, f := range frames {
			t.rec.add(t.in, now, f.Len(), checksum(f.Bytes()))
		}
	}
	t.above.Receive(frames)
}

// Ready implements Handler.
func (t *Trace) Ready() { t.above.Ready() }

// Below implements Device.
func (t *Trace) Below() Device { return t.below }

// Counters implements Device. What left is in Departures.
func (t *Trace) Counters() Counters { return Counters{Kind: "trace"} }

// Close closes what is below.
func (t *Trace) Close() error { return t.below.Close() }

// A Recorder takes the fingerprint of a run: a running hash over time, device, direction
// and bytes of every frame, in order. The zero value is ready for use. It belongs to the
// clock's goroutine.
//
// Two runs with the same fingerprint sent the same bytes at the same times. It is made to
// compare runs and not against an adversary: bytes go in by their CRC-32C, so a change of
// one frame within 32 bits in a row is always seen, any other is missed once in 2^32; all
// the rest goes in with 64 bits. It is the same on every machine.
type Recorder struct{ sum uint64 }

// Hash returns the fingerprint of all frames so far, 16 hexadecimal digits.
func (r *Recorder) Hash() string { return fmt.Sprintf("%016x", r.sum) }

// add takes in one frame. For a given sum before, each step is a bijection of what it
// takes in, so that no single difference can be lost in it.
func (r *Recorder) add(device uint64, at clock.Time, size int, sum uint32) {
	h := mix(r.sum + device)
	h = mix(h + uint64(at))
	r.sum = mix(h + uint64(size)<<32 + uint64(sum))
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
// Number Generators, 2014), with the increment before it.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
