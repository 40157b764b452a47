package nl

import (
	"fmt"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

func BenchmarkAppendPacket(b *testing.B) {
	d := describe(1470, "12345678")
	var msg []byte
	b.ReportAllocs()
	for b.Loop() {
		msg, _ = AppendPacket(msg[:0], Header{}, &d)
	}
}

func BenchmarkParsePacket(b *testing.B) {
	d := describe(1470, "12345678")
	msg, _ := AppendPacket(nil, Header{}, &d)
	b.ReportAllocs()
	for b.Loop() {
		h, body, _, _ := Next(msg)
		_ = ParsePacket(h, body, &d)
	}
}

// BenchmarkStream sends packets from another goroutine through a server and a card in
// virtual time, to a wire that takes them. One of them is an operation.
func BenchmarkStream(b *testing.B) {
	for _, w := range []Window{{Burst: 100, Bursts: 2}, {Burst: 1000, Bursts: 2}} {
		for _, most := range []int{maxBurst, aloneLen} {
			name := fmt.Sprintf("window=%dx%d/datagram=%d", w.Bursts, w.Burst, most)
			b.Run(name, func(b *testing.B) { benchmarkStream(b, w, most) })
		}
	}
}

func benchmarkStream(b *testing.B, w Window, most int) {
	r := newCard(b)
	r.end = clock.Never - 1
	r.wire.forget = true
	c := r.dial()
	defer c.Close()
	c.most = most
	const gap = 672 * time.Nanosecond
	b.ReportAllocs()
	b.ResetTimer()
	if err := r.while(func() error { return c.Stream(background, w, packets(b.N, 0, gap)) }); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

// BenchmarkReceive is the server's reading goroutine alone: what a datagram of so many
// packets costs until the clock can have them.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("packets=%d", n), func(b *testing.B) {
			var msg []byte
			for d := range packets(n, 0, 0) {
				msg, _ = AppendPacket(msg, Header{}, &d)
			}
			var r reader
			var waiting batch
			b.ReportAllocs()
			for b.Loop() {
				r.read(msg, datagram{from: 1}, true)
				waiting.clear()
				waiting.add(&r.batch)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}
