package hold_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// back is a device for the bottom of a chain that keeps the frames that left.
type back struct {
	link.Bottom
	info   link.Info
	frames []*link.Frame
}

func (b *back) Info() link.Info     { return b.info }
func (b *back) Attach(link.Handler) {}
func (b *back) Close() error        { return nil }

func (b *back) Transmit(frames []*link.Frame) (int, error) {
	b.frames = append(b.frames, frames...)
	return len(frames), nil
}

// Each operation is one frame that leaves and the next one of its flow that comes: the
// clock's event, Depart, out of the wheel and into it. Each flow has a rate of its own, and
// one frame that waits: where there are many, flow and frame are in no cache when they leave,
// and are in one when the frame comes again. Frames have no bytes here.
func BenchmarkFlows(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			frames := make([]link.Frame, n)
			clk := clock.NewVirtual()
			below := &back{info: link.Info{MTU: 1500}, frames: make([]*link.Frame, 0, n)}
			heap := heapInUse()
			held := hold.New(below, clk, nil)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range frames {
				f := &frames[i]
				f.Flow = pacer.Flow{SrcPort: uint16(i), DstPort: uint16(i >> 16), Proto: pacer.ProtoUDP}
				f.Size.Wire = 1538
				// # a million frames a second in all, from flows of half to twice the mean
				bps := int64(8*1538*1e6/float64(n)*(0.5+1.5*rng.Float64())) + 1
				held.Do(pacer.Pace(f.Flow, &pacer.Rate{BitsPerSecond: bps}))
			}
			one := make([]*link.Frame, 1)
			send := func(f *link.Frame) {
				f.Paced, f.Depart, one[0] = false, clk.Now(), f
				held.Transmit(one)
			}
			for i := range frames {
				send(&frames[i])
			}
			left := 0
			step := func() {
				clk.Step()
				for _, f := range below.frames {
					send(f)
				}
				left += len(below.frames)
				below.frames = below.frames[:0]
			}
			for left < 3*n {
				step()
			}
			perFlow := float64(heapInUse()-heap) / float64(n)
			left = 0
			b.ReportAllocs()
			b.ResetTimer()
			for left < b.N {
				step()
			}
			b.ReportMetric(perFlow, "B/flow")
		})
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
