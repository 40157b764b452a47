package netfpga_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// BenchmarkCard sends frames at line rate in virtual time, from Transmit to the device
// below, which frees them. "ahead" is how many are handed over before the first leaves.
func BenchmarkCard(b *testing.B) {
	for _, size := range []int{64, 1518} { // with FCS
		for _, ahead := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%dB/ahead=%d", size, ahead), func(b *testing.B) { benchmark(b, 1, size-4, ahead, nil) })
		}
	}
}

// BenchmarkCards does so with many cards in one simulation.
func BenchmarkCards(b *testing.B) {
	for _, cards := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(cards), func(b *testing.B) { benchmark(b, cards, 1514, 1, nil) })
	}
}

// BenchmarkInject sends described packets at line rate, from Inject to the device below.
func BenchmarkInject(b *testing.B) {
	for _, size := range []int{64, 1518} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			clk := clock.NewVirtual()
			null := &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Address: make([]byte, 6)}}
			card := newCard(b, clk, null, nil)
			sender := card.NewSender(netfpga.SenderConfig{})
			gap := clock.Time(link.WireTime(link.WireBytes(size-4), card.Info().Speed))
			d := describe(size, 1e6, true)
			at := d.Departure
			b.ReportAllocs()
			for b.Loop() {
				if err := sender.Inject(d); err != nil {
					b.Fatal(err)
				}
				d.Departure, d.Absolute = gap, false
				clk.RunUntil(at)
				at += gap
			}
			if s := card.Counters(); late(s) != 0 || s.Sent.Dropped() != 0 {
				b.Fatalf("%+v", s)
			}
		})
	}
}

// BenchmarkFaithful has the machine send described packets.
func BenchmarkFaithful(b *testing.B) {
	for _, c := range []struct{ bytes, gap int }{{64, 3360}, {64, 20_000}, {64, 1_000_000}, {1518, 12_304}} {
		b.Run(fmt.Sprintf("%dB/%dns", c.bytes, c.gap), func(b *testing.B) {
			_, card := paced(b, &netfpga.Config{Firmware: &netfpga.Firmware{}}, describe(c.bytes, 0, false), b.N, int64(c.gap))
			var issued uint64
			for _, th := range card.Profile().Threads {
				issued += th.Issued
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
			b.ReportMetric(float64(issued)/1e6/b.Elapsed().Seconds(), "Minstr/s")
			b.ReportMetric(float64(b.N)*float64(c.gap)/1e9/b.Elapsed().Seconds(), "x-real-time")
		})
	}
}

// BenchmarkInfinite has frames take no time, and 32 leave at a tick.
func BenchmarkInfinite(b *testing.B) {
	benchmark(b, 1, 1514, 32, &netfpga.Config{Speed: netfpga.Infinite})
}

func benchmark(b *testing.B, cards, size, ahead int, cfg *netfpga.Config) {
	clk := clock.NewVirtual()
	null := &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Address: make([]byte, 6)}}
	all := make([]*netfpga.Card, cards)
	for i := range all {
		all[i] = newCard(b, clk, null, cfg)
	}
	gap := link.WireTime(link.WireBytes(size), all[0].Info().Speed)
	at := clk.Now().Add(time.Millisecond)
	batch := make([]*link.Frame, ahead)
	var pool link.Pool
	send := func() {
		for _, card := range all {
			due := at
			for i := range batch {
				f := pool.Frame(size)
				f.Size.Wire = link.WireBytes(size)
				f.Depart, f.Paced = due, true
				due = due.Add(gap)
				batch[i] = f
			}
			if n, err := card.Transmit(batch); err != nil {
				b.Fatalf("Transmit = %d, %v", n, err)
			}
		}
		at = at.Add(max(time.Duration(ahead)*gap, 8*time.Nanosecond))
		for clk.Next() <= at-1 {
			clk.Step()
		}
	}
	send()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += ahead * cards {
		send()
	}
	b.StopTimer()
	for clk.Step() {
	}
	var s link.Counters
	for _, card := range all {
		s = card.Counters()
		if s.Sent.Frames == 0 || late(s)+s.Get("driver_disordered") != 0 || s.Sent.Dropped() != 0 {
			b.Fatalf("%+v", s)
		}
	}
	b.ReportMetric(float64(s.Sent.Frames)/float64(s.Get("driver_messages")), "packets/message")
}
