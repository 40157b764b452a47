package hold_test

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// cutter makes super-segments and keeps account of what is cut from them.
type cutter struct {
	pool           link.Pool
	cut, ended     int // frames
	left           int // of those that ended
	made, released int // super-segments
}

func (c *cutter) Cut(_, f *link.Frame) { c.cut++; f.Origin = c }
func (c *cutter) Departed(f *link.Frame) {
	c.ended++
	if f.Sent.IsSet() {
		c.left++
	}
}
func (c *cutter) Release(*link.Frame) { c.released++ }

// super returns UDP from a port, of so many segments.
func (c *cutter) super(port uint16, payload, segment int) *link.Frame {
	const l4 = 20
	b := make([]byte, l4+8, l4+8+payload)
	b[0], b[9] = 0x45, pacer.ProtoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(l4+8+payload))
	binary.BigEndian.PutUint16(b[l4:], port)
	binary.BigEndian.PutUint16(b[l4+4:], uint16(8+payload))
	for i := range payload {
		b = append(b, byte(i>>3))
	}
	s := new(link.Super)
	if !s.Set(b, 0, l4, pacer.ProtoUDP, segment) {
		panic("no super-segment")
	}
	f := s.Frame(&c.pool, c)
	f.Flow, _ = pacer.Parse(b)
	c.made++
	return f
}

// superRun sends the same traffic as super-segments or cut before, and returns what left and
// when, with the drops.
func superRun(t *testing.T, seed uint64, whole bool, config hold.Config) ([]linktest.Record, link.Counters) {
	t.Helper()
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500, Speed: 1e9})
	if seed%3 == 0 {
		sink.Room, sink.Every = 3, 70*time.Microsecond
	}
	h := hold.New(sink, clk, &config)
	h.Attach(nobody{})
	rng := rand.New(rand.NewPCG(seed, 1))
	c := new(cutter)
	frames := 0
	for range 60 {
		port := uint16(rng.IntN(4))
		payload, segment := 1+rng.IntN(20_000), 200+rng.IntN(1200)
		f := c.super(port, payload, segment)
		frames += f.Frames()
		key := f.Flow
		f.Depart = clk.Now()
		if whole {
			h.Transmit([]*link.Frame{f})
		} else {
			var list []*link.Frame
			for cut := f.Cut(); cut != nil; cut = f.Cut() {
				list = append(list, cut)
			}
			f.Free()
			h.Transmit(list)
		}
		switch rng.IntN(8) {
		case 0:
			h.Do(pacer.Pace(key, rate(1e6+rng.Int64N(1e9))))
		case 1:
			h.Do(pacer.Pace(key, nil))
		case 2:
			if err := h.SetClasses([]hold.Class{{Name: "one", Policy: policy(5e8)}}, hold.Class{}); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(3) > 0 {
			clk.RunUntil(clk.Now() + clock.Time(rng.IntN(300_000)))
		}
	}
	if seed%2 == 0 {
		clk.RunUntil(clk.Now() + 1e9)
		for clk.Step() {
		}
	}
	stats := h.Counters()
	if n := int(stats.Sent.Frames + stats.Sent.Dropped()); frames != n+h.Counters().Waiting {
		t.Fatalf("%d were sent, %d left or were dropped, %d wait", frames, n, h.Counters().Waiting)
	}
	h.Close()
	if c.cut != frames || c.ended != frames || c.left != len(sink.Records) || c.released != c.made {
		t.Fatalf("of %d frames %d were cut, %d ended, %d of them left and %d arrived; %d super-segments of %d are released",
			frames, c.cut, c.ended, c.left, len(sink.Records), c.released, c.made)
	}
	return sink.Records, h.Counters()
}

// A super-segment leaves as the frames would that it is cut into, at the same times, and as
// much of it is dropped.
func TestSuper(t *testing.T) {
	for name, config := range map[string]hold.Config{
		"unbounded": {},
		"bounded":   {FlowBytes: 15_000, Bytes: 60_000},
		"paced":     {Default: hold.Class{Policy: policy(2e8)}, FlowTime: time.Millisecond},
		"shared":    {Flows: 2, Default: hold.Class{Policy: policy(3e8)}, FlowBytes: 30_000},
		"classes":   {Rate: 6e8, Classes: []hold.Class{{Name: "one", Policy: policy(1e8), Weight: 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				whole, stats := superRun(t, seed, true, config)
				cut, want := superRun(t, seed, false, config)
				if !reflect.DeepEqual(stats, want) {
					t.Fatalf("seed %d: %+v, want %+v", seed, stats, want)
				}
				for i := range whole {
					if i >= len(cut) || !reflect.DeepEqual(whole[i], cut[i]) {
						t.Fatalf("seed %d: frame %d of %d leaves otherwise", seed, i, len(whole))
					}
				}
				if len(whole) != len(cut) {
					t.Fatalf("seed %d: %d left, want %d", seed, len(whole), len(cut))
				}
			}
		})
	}
}

// Only the frame whose turn comes is cut.
func TestSuperIsCutAtItsTurn(t *testing.T) {
	clk := clock.NewVirtual()
	h := hold.New(linktest.NewSink(clk, link.Info{MTU: 1500}), clk, &hold.Config{Default: hold.Class{Policy: policy(8e6)}})
	h.Attach(nobody{})
	c := new(cutter)
	h.Transmit([]*link.Frame{c.super(1, 10_000, 1000)})
	for left := 1; left <= 10; left++ {
		if c.left != left || c.cut != min(left+1, 10) || h.Counters().Waiting != 10-left {
			t.Errorf("%d have left and %d wait, %d are cut", c.left, h.Counters().Waiting, c.cut)
		}
		if done := c.cut == 10; (c.released == 1) != done {
			t.Errorf("with %d cut %d are released", c.cut, c.released)
		}
		clk.RunUntil(clk.Now() + 1_066_000) // 1000 bytes and headers
	}
}

type nobody struct{}

func (nobody) Receive([]*link.Frame) {}
func (nobody) Ready()                {}
