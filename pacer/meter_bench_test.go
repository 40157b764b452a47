package pacer_test

import (
	"fmt"
	"testing"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// BenchmarkMeter measures a departure and an acknowledgement, with a window of 256 KiB, of
// 8 MiB and of 64 MiB, without a loss and where one in a hundred segments is lost.
func BenchmarkMeter(b *testing.B) {
	for _, size := range []int{180, 5800, 46_000} {
		for _, every := range []int{0, 100} {
			b.Run(fmt.Sprintf("window=%d/loss=1in%d", size, every), func(b *testing.B) {
				var m pacer.Meter
				w := newWindow(&m, size)
				for range 2 * size {
					w.step(every)
				}
				b.ReportAllocs()
				for b.Loop() {
					w.step(every)
				}
			})
		}
	}
}

// BenchmarkMeterGrowingBlock measures what one loss at the front of a large window costs:
// the block behind it grows by a segment an acknowledgement.
func BenchmarkMeterGrowingBlock(b *testing.B) {
	const size = 5800
	b.ReportAllocs()
	acks := 0
	for b.Loop() {
		var m pacer.Meter
		for i := range pacer.Seq(size) {
			m.Sent(i*mss, (i+1)*mss, 0, false)
		}
		for i := range pacer.Seq(size - 1) {
			m.Acked(0, []pacer.SACKBlock{{Start: mss, End: (i + 2) * mss}}, 1)
		}
		acks += size - 1
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(acks), "ns/ack")
}

// BenchmarkMeterManyBlocks is a peer that tells of one segment in two, in no order, and
// then of all in blocks that begin anywhere: nothing makes it pay for them again.
func BenchmarkMeterManyBlocks(b *testing.B) {
	const size = 5800
	b.ReportAllocs()
	acks := 0
	for b.Loop() {
		var m pacer.Meter
		for i := range pacer.Seq(size) {
			m.Sent(i*mss, (i+1)*mss, 0, false)
		}
		for i := range pacer.Seq(size) {
			k := i * 2477 % size
			m.Acked(0, []pacer.SACKBlock{{Start: k * mss, End: (k + 1) * mss}}, 1)
		}
		for i := range pacer.Seq(size) {
			k := i * 2477 % size
			m.Acked(0, []pacer.SACKBlock{{Start: k * mss, End: size * mss}}, 1)
		}
		acks += 2 * size
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(acks), "ns/ack")
}

// window keeps a number of segments outstanding, acknowledges one a step, and loses some,
// which are sent again a window later.
type window struct {
	m       *pacer.Meter
	size    int
	now     clock.Time
	next    int   // to leave
	arrived int   // all before it have
	holes   []int // that did not arrive, those sent again excepted
	blocks  [3]pacer.SACKBlock
}

func newWindow(m *pacer.Meter, size int) *window {
	w := &window{m: m, size: size, holes: make([]int, 0, size)}
	for range size {
		w.send(w.next)
		w.next++
	}
	return w
}

func (w *window) send(i int) {
	w.now++
	w.m.Sent(pacer.Seq(i)*mss, pacer.Seq(i+1)*mss, w.now, false)
}

// step lets the oldest segment but the lost ones arrive, and sends one. One in every `every`
// is lost; 0 means none.
func (w *window) step(every int) {
	latest := w.next - w.size/2
	if every > 0 && latest%every == 0 {
		w.holes = append(w.holes, latest)
	}
	if len(w.holes) > 0 && w.holes[0] < w.next-w.size+1 {
		w.send(w.holes[0])
		copy(w.holes, w.holes[1:])
		w.holes = w.holes[:len(w.holes)-1]
	}
	w.arrived = latest
	if len(w.holes) > 0 {
		w.arrived = w.holes[0]
	}
	n := 0
	for i := len(w.holes) - 1; i >= 0 && n < 3; i-- {
		end := latest
		if i+1 < len(w.holes) {
			end = w.holes[i+1]
		}
		if start := w.holes[i] + 1; start < end {
			w.blocks[n] = pacer.SACKBlock{Start: pacer.Seq(start) * mss, End: pacer.Seq(end) * mss}
			n++
		}
	}
	w.m.Acked(pacer.Seq(w.arrived)*mss, w.blocks[:n], w.now+20)
	w.send(w.next)
	w.next++
}
