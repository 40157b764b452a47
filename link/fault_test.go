package link_test

import (
	"bytes"
	"math/bits"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestFaultConformance(t *testing.T) {
	linktest.RunOver(t, func(clk *clock.Virtual, below link.Device) link.Device {
		return link.NewFault(below, clk, nil)
	})
}

// faultRun sends n numbered frames, one a microsecond, in both directions and returns
// what left and what arrived.
func faultRun(t *testing.T, n int, c *link.FaultConfig) (d *link.Fault, left, arrived []linktest.Record) {
	t.Helper()
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500})
	above := &linktest.Collector{Clock: clk}
	d = link.NewFault(sink, clk, c)
	d.Attach(above)
	for i := range n {
		clk.RunUntil(clock.Time(i) * 1000)
		b := linktest.Packet(sink.Info(), i, 64)
		if n, err := d.Transmit([]*link.Frame{linktest.FrameOf(b)}); n != 1 || err != nil {
			t.Fatalf("Transmit = %d, %v", n, err)
		}
		sink.Arrive(b)
	}
	clk.RunUntil(clock.Never)
	return d, sink.Records, above.Records
}

func TestFaultDrop(t *testing.T) {
	d, left, arrived := faultRun(t, 10_000, &link.FaultConfig{
		Seed: 1, Sent: link.Faults{Drop: 0.1}, Received: link.Faults{Drop: 0.5},
	})
	c := d.Counters()
	check := func(what string, n int, s link.Stats, about uint64) {
		lost := s.Drops[link.Lost]
		if n+int(lost) != 10_000 || s != (link.Stats{Frames: uint64(n), Bytes: 64 * uint64(n), Drops: s.Drops}) || s.Dropped() != lost || lost < about-about/10 || lost > about+about/10 {
			t.Errorf("%d of 10000 frames %s, %+v, want some %d lost", n, what, s, about)
		}
	}
	check("left", len(left), c.Sent, 1000)
	check("arrived", len(arrived), c.Received, 5000)
}

func TestFaultDuplicate(t *testing.T) {
	d, left, arrived := faultRun(t, 100, &link.FaultConfig{Sent: link.Faults{Duplicate: 1}})
	c := d.Counters()
	if c.Get("sent_duplicated") != 100 || c.Sent.Frames != 200 || len(left) != 200 || len(arrived) != 100 || c.Get("received_duplicated") != 0 {
		t.Errorf("%d left, %d arrived, %+v", len(left), len(arrived), c)
	}
	for i := range left {
		if !bytes.Equal(left[i].Bytes, left[i/2*2].Bytes) {
			t.Fatalf("frame %d is not its copy", i)
		}
	}
}

func TestFaultCorrupt(t *testing.T) {
	d, left, arrived := faultRun(t, 100, &link.FaultConfig{Received: link.Faults{Corrupt: 1}})
	if c := d.Counters(); c.Get("sent_corrupted") != 0 || c.Get("received_corrupted") != 100 {
		t.Errorf("%+v", c)
	}
	for i := range left {
		flipped := 0
		for j := range left[i].Bytes {
			flipped += bits.OnesCount8(left[i].Bytes[j] ^ arrived[i].Bytes[j])
		}
		if flipped != 1 {
			t.Fatalf("%d bits of frame %d are flipped, want 1", flipped, i)
		}
	}
}

func TestFaultReorder(t *testing.T) {
	d, left, _ := faultRun(t, 1000, &link.FaultConfig{Sent: link.Faults{Reorder: 0.1}, Late: 10 * time.Microsecond})
	c := d.Counters()
	reordered := c.Get("sent_reordered")
	if len(left) != 1000 || reordered < 50 || reordered > 150 || c.Get("received_reordered") != 0 {
		t.Fatalf("%d frames left, %+v", len(left), c)
	}
	var late int64
	for _, r := range left {
		number := int(r.Bytes[30])<<8 | int(r.Bytes[31])
		switch r.At.Sub(clock.Time(number) * 1000) {
		case 0:
		case 10 * time.Microsecond:
			late++
		default:
			t.Errorf("frame %d left at %v", number, r.At)
		}
	}
	if late != reordered {
		t.Errorf("%d frames were late, want %d", late, reordered)
	}
}

func TestFaultSeed(t *testing.T) {
	all := link.Faults{Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, Corrupt: 0.1}
	run := func(seed uint64) []byte {
		_, left, arrived := faultRun(t, 200, &link.FaultConfig{Seed: seed, Sent: all, Received: all})
		var b []byte
		for _, r := range append(left, arrived...) {
			b = append(append(b, r.At.String()...), r.Bytes...)
		}
		return b
	}
	if !bytes.Equal(run(1), run(1)) {
		t.Error("the same seed gave other faults")
	}
	if bytes.Equal(run(1), run(2)) {
		t.Error("another seed gave the same faults")
	}
}

type origins map[*link.Frame]int

func (o origins) Departed(f *link.Frame) { o[f]++ }

// Frames that a full device below refuses, and those that are late, are not lost, and
// Close tells their Origins.
func TestFaultClose(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500})
	sink.Room, sink.Every = 1, time.Second
	d := link.NewFault(sink, clk, &link.FaultConfig{Sent: link.Faults{Reorder: 0.5}})
	d.Attach(&linktest.Collector{Clock: clk})
	told := make(origins)
	var frames []*link.Frame
	for range 10 {
		f := link.NewFrame(64)
		f.Origin = told
		frames = append(frames, f)
	}
	if n, err := d.Transmit(frames); n != 10 || err != nil {
		t.Fatalf("Transmit = %d, %v", n, err)
	}
	more := []*link.Frame{link.NewFrame(64)}
	if n, err := d.Transmit(more); n != 0 || err != link.ErrFull {
		t.Errorf("Transmit to a full device = %d, %v", n, err)
	}
	for range 2 {
		if c := d.Counters(); c.Sent.Frames != 1 || c.Sent.Bytes != 64 || c.Waiting != 9 || c.Sent.Dropped() != 0 {
			t.Errorf("%+v", c)
		}
		clk.RunUntil(clock.Time(10 * time.Millisecond)) // the late ones are due, and refused too
	}
	d.Close()
	if c := d.Counters(); len(sink.Records) != 1 || c.Sent.Drops[link.Closed] != 9 || c.Sent.Frames != 1 || c.Waiting != 0 || len(told) != 10 {
		t.Errorf("%d frames left, %+v, %d Origins told", len(sink.Records), c, len(told))
	}
	clk.RunUntil(clock.Never)
	if len(sink.Records) != 1 {
		t.Error("a frame left after Close")
	}
}

func TestFaultNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	d := link.NewFault(&linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, clk, &link.FaultConfig{
		Sent: link.Faults{Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, Corrupt: 0.1},
	})
	d.Attach(new(linktest.Null))
	linktest.NoAllocs(t, clk, d)
}
