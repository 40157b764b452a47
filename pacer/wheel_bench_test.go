package pacer

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/btree"

	"github.com/netcaliper/caliper/pacer/clock"
)

// frameTime is how long a frame of 1518 bytes holds a line of 1 Gbit/s, in ns.
const frameTime = 12304

// benchFlow is a flow that has one frame to send.
type benchFlow struct {
	due clock.Time
	seq uint64 // where the order has to be written down
}

func (f *benchFlow) before(g *benchFlow) bool {
	return f.due < g.due || f.due == g.due && f.seq < g.seq
}

// benchPort is a line at full load: whichever of its flows is the first sends and is put
// back, due some gap later. The gaps of n flows are n frame times in the mean, and from
// half to one and a half of that.
type benchPort struct {
	flows []benchFlow
	gaps  [4096]clock.Time
	sent  uint64
}

func newBenchPort(n int) *benchPort {
	rng := rand.New(rand.NewPCG(1, 2))
	p := &benchPort{flows: make([]benchFlow, n), sent: uint64(n)}
	for i := range p.gaps {
		p.gaps[i] = clock.Time((0.5 + rng.Float64()) * float64(n) * frameTime)
	}
	for i := range p.flows {
		p.flows[i] = benchFlow{due: clock.Time(rng.IntN(n * frameTime)), seq: uint64(i)}
	}
	return p
}

// gap returns the time from a departure of a flow to its next.
func (p *benchPort) gap() clock.Time {
	p.sent++
	return p.gaps[p.sent%uint64(len(p.gaps))]
}

// bench runs a port of ten to a million flows. start puts them all into a queue, and step
// takes the first out and puts it back.
func bench(b *testing.B, start func(p *benchPort) (step func())) {
	for _, n := range []int{10, 1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			step := start(newBenchPort(n))
			for range 3 * n { // until they are spread as they stay
				step()
			}
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

func benchWheel(p *benchPort) (step func()) {
	w := new(Wheel[*benchFlow])
	for i := range p.flows {
		w.Add(p.flows[i].due, &p.flows[i])
	}
	return func() {
		f, at, _ := w.Take(clock.Never)
		w.Add(at+p.gap(), f)
	}
}

func BenchmarkWheel(b *testing.B) { bench(b, benchWheel) }

// BenchmarkWheelWorst reports how long the slowest of single steps take, with the 50 ns
// that it takes to read the time.
func BenchmarkWheelWorst(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			step := benchWheel(newBenchPort(n))
			for range 3 * n {
				step()
			}
			took := make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				start := time.Now()
				step()
				if len(took) < cap(took) {
					took = append(took, time.Since(start))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)*999/1000]), "p99.9-ns")
			b.ReportMetric(float64(took[len(took)*9999/10000]), "p99.99-ns")
		})
	}
}

func BenchmarkWheelRemove(b *testing.B) {
	bench(b, func(p *benchPort) func() {
		w := new(Wheel[*benchFlow])
		handles := make([]Handle, len(p.flows))
		for i := range p.flows {
			handles[i] = w.Add(p.flows[i].due, &p.flows[i])
		}
		return func() {
			h := &handles[p.sent*7919%uint64(len(handles))]
			f, _ := w.Remove(*h)
			*h = w.Add(p.gap(), f)
		}
	})
}

type benchHeap []*benchFlow

func (h benchHeap) Len() int           { return len(h) }
func (h benchHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h benchHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *benchHeap) Push(x any)        { *h = append(*h, x.(*benchFlow)) }
func (h *benchHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func BenchmarkWheelVersusHeap(b *testing.B) {
	bench(b, func(p *benchPort) func() {
		h := new(benchHeap)
		for i := range p.flows {
			heap.Push(h, &p.flows[i])
		}
		return func() {
			f := heap.Pop(h).(*benchFlow)
			f.due += p.gap()
			f.seq = p.sent
			heap.Push(h, f)
		}
	})
}

func BenchmarkWheelVersusBTree(b *testing.B) {
	bench(b, func(p *benchPort) func() {
		t := btree.NewG(32, (*benchFlow).before)
		for i := range p.flows {
			t.ReplaceOrInsert(&p.flows[i])
		}
		return func() {
			f, _ := t.DeleteMin()
			f.due += p.gap()
			f.seq = p.sent
			t.ReplaceOrInsert(f)
		}
	})
}
