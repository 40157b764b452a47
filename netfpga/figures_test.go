package netfpga_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// The figures that Caliper's paper shows of the original, from the card in virtual time.
// -full runs as many packets as the original did; the tables are the same.
var full = flag.Bool("full", false, "run the figures with as many packets as the paper")

// packets returns n, or few where -full is not given.
func packets(few, n int) int {
	if *full {
		return n
	}
	return few
}

// inject gives a card n packets with departures of the pacer's, from 1 ms on, as fast as
// it takes them. As with the original generator the first departure is absolute, and the
// others are relative unless the packet says absolute. It returns the asked times.
func inject(t testing.TB, clk *clock.Virtual, card *netfpga.Card, p pacer.Pacer, n int, packet func(i int) *netfpga.Description) []clock.Time {
	t.Helper()
	asked := make([]clock.Time, 0, n)
	waiting := false
	s := card.NewSender(netfpga.SenderConfig{Ready: func() { waiting = false }})
	for i := range n {
		d := *packet(i)
		at := 1e6 + p.Depart(pacer.Size{Wire: link.WireBytes(42 + d.Payload), Payload: d.Payload}, 0)
		d.Departure = at
		if i == 0 {
			d.Absolute = true
		} else if !d.Absolute {
			d.Departure -= asked[i-1]
		}
		for s.Inject(&d) == link.ErrFull {
			for waiting = true; waiting; {
				clk.Step()
			}
		}
		asked = append(asked, at)
	}
	run(clk)
	return asked
}

// always is the same packet again and again, with relative departures.
func always(bytes int) func(int) *netfpga.Description {
	return same(describe(bytes, 0, false))
}

func same(d *netfpga.Description) func(int) *netfpga.Description {
	return func(int) *netfpga.Description { return d }
}

// gapErrors returns abs(asked - actual) of each gap, sorted, and the mean of the actual ones.
func gapErrors(asked, sent []clock.Time) (errors []int64, mean float64) {
	for i := 1; i < len(sent); i++ {
		e := (asked[i] - asked[i-1]) - (sent[i] - sent[i-1])
		errors = append(errors, int64(max(e, -e)))
	}
	slices.Sort(errors)
	return errors, float64(sent[len(sent)-1]-sent[0]) / float64(len(sent)-1)
}

// Figure 4: UDP in frames of 1518 bytes at 100 to 1000 Mb/s of the wire. The original had
// a 95th percentile of 8 ns or less.
func TestFigure4(t *testing.T) {
	var table strings.Builder
	for rate := int64(100e6); rate <= 1000e6; rate += 100e6 {
		clk, dev := clock.NewVirtual(), newBelow()
		p, err := pacer.NewRate(rate, pacer.Wire)
		if err != nil {
			t.Fatal(err)
		}
		asked := inject(t, clk, newCard(t, clk, dev, nil), p, packets(20_000, 1_500_000), always(1518))
		errors, mean := gapErrors(asked, dev.sent)
		exact := 1538 * 8e9 / float64(rate)
		fmt.Fprintf(&table, "%4d Mb/s: gap %10.2f ns, mean %10.2f ns, error p95 %d ns, max %d ns\n",
			rate/1e6, exact, mean, errors[len(errors)*95/100], errors[len(errors)-1])
		if len(dev.sent) != len(asked) {
			t.Errorf("%d of %d left", len(dev.sent), len(asked))
		}
	}
	want := `
 100 Mb/s: gap  123040.00 ns, mean  123040.00 ns, error p95 0 ns, max 0 ns
 200 Mb/s: gap   61520.00 ns, mean   61520.00 ns, error p95 0 ns, max 0 ns
 300 Mb/s: gap   41013.33 ns, mean   41013.33 ns, error p95 6 ns, max 6 ns
 400 Mb/s: gap   30760.00 ns, mean   30760.00 ns, error p95 0 ns, max 0 ns
 500 Mb/s: gap   24608.00 ns, mean   24608.00 ns, error p95 0 ns, max 0 ns
 600 Mb/s: gap   20506.67 ns, mean   20506.67 ns, error p95 6 ns, max 6 ns
 700 Mb/s: gap   17577.14 ns, mean   17577.14 ns, error p95 7 ns, max 7 ns
 800 Mb/s: gap   15380.00 ns, mean   15380.00 ns, error p95 4 ns, max 4 ns
 900 Mb/s: gap   13671.11 ns, mean   13671.11 ns, error p95 7 ns, max 7 ns
1000 Mb/s: gap   12304.00 ns, mean   12304.00 ns, error p95 0 ns, max 0 ns
`
	if table.String() != want[1:] {
		t.Errorf("got\n%swant%s", table.String(), want)
	}
}

// The original's own check: a gap of 13,560 ns at a payload of 1470 bytes. It had a mean of
// 13560.00 ns, a variance of 32.59, and an average error of 0.36 ns.
func TestGapOf13560(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	p := &pacer.Gaps{List: []pacer.Gap{13_560 * pacer.Nanosecond}}
	asked := inject(t, clk, newCard(t, clk, dev, nil), p, packets(20_000, 1_000_000), always(1470+46))
	errors, mean := gapErrors(asked, dev.sent)
	sum, squares := 0.0, 0.0
	for i, e := range errors {
		sum += float64(e)
		gap := float64(dev.sent[i+1] - dev.sent[i])
		squares += (gap - mean) * (gap - mean)
	}
	n := float64(len(errors))
	if got := fmt.Sprintf("mean %.2f, variance %.2f, average error %.2f", mean, squares/n, sum/n); got != "mean 13560.00, variance 0.00, average error 0.00" {
		t.Error(got)
	}
}

// pareto returns n gaps from a Pareto distribution, cut off at 10 ms, with fractions of a ns.
func pareto(rng *rand.Rand, n int, least, shape float64) []pacer.Gap {
	gaps := make([]pacer.Gap, n)
	for i := range gaps {
		gaps[i] = pacer.Gap(min(least/math.Pow(1-rng.Float64(), 1/shape), 1e7) * 1000)
	}
	return gaps
}

// distance returns by how much the gaps of two sequences differ as distributions: the
// largest difference between the same quantiles of them, in ns.
func distance(a, b []clock.Time) clock.Time {
	sorted := func(times []clock.Time) []clock.Time {
		var gaps []clock.Time
		for i := 1; i < len(times); i++ {
			gaps = append(gaps, times[i]-times[i-1])
		}
		slices.Sort(gaps)
		return gaps
	}
	x, y := sorted(a), sorted(b)
	var most clock.Time
	for i := range x {
		most = max(most, x[i]-y[i], y[i]-x[i])
	}
	return most
}

// Figure 5: Pareto gaps. Figure 6: the "spike bump" mix of 1518, 612 and 64 bytes, which
// is mostly small and large packets. The distributions of what was asked for and of what
// left are less than a tick apart; those of the sizes are the same.
func TestFigures5And6(t *testing.T) {
	n := packets(4000, 400_000)
	for _, c := range []struct {
		what   string
		least  float64 // gap, ns: the time of the longest frame
		shape  float64
		packet func(rng *rand.Rand) int
	}{
		{"figure 5", 12_304, 1.5, func(*rand.Rand) int { return 1518 }},
		{"figure 5, heavy tail", 12_304, 0.9, func(*rand.Rand) int { return 1518 }},
		{"figure 6", 12_304, 1.5, spikeBump},
	} {
		rng := rand.New(rand.NewPCG(5, 6))
		var sizes, left []int
		bySize := map[int]func(int) *netfpga.Description{64: always(64), 612: always(612), 1518: always(1518)}
		clk, dev := clock.NewVirtual(), newBelow()
		dev.onFrame = func(f *link.Frame) { left = append(left, f.Len()+4) }
		p := &pacer.Gaps{List: pareto(rng, n, c.least, c.shape)}
		asked := inject(t, clk, newCard(t, clk, dev, nil), p, n, func(i int) *netfpga.Description {
			size := c.packet(rng)
			sizes = append(sizes, size)
			return bySize[size](i)
		})
		errors, _ := gapErrors(asked, dev.sent)
		if worst, d := errors[len(errors)-1], distance(asked, dev.sent); worst > 7 || d > 7 || d == 0 {
			t.Errorf("%s: the largest error is %d ns, the distributions are %d ns apart", c.what, worst, d)
		}
		if !slices.Equal(sizes, left) {
			t.Errorf("%s: other sizes left than were asked for", c.what)
		}
	}
}

// spikeBump returns the length of a frame: half are 1518 bytes, a tenth 612, the rest 64.
func spikeBump(rng *rand.Rand) int {
	switch x := rng.IntN(10); {
	case x < 5:
		return 1518
	case x < 6:
		return 612
	}
	return 64
}

// What a tick cannot hold of a gap is not lost: after a million packets the departure is
// off by less than a tick. The original lost up to 7 ns a packet, 560 ppm at 950 Mb/s.
func TestMillion(t *testing.T) {
	n := 1_000_000
	if slow {
		n = 100_000
	}
	rate, err := pacer.NewRate(950e6, pacer.Wire)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		pacer    pacer.Pacer
		num, den int64 // the gap, ns
	}{
		{"950 Mb/s", rate, 1538 * 8 * 20, 19},
		{"13,333.33 ns", &pacer.Gaps{List: []pacer.Gap{13_333_330}}, 1_333_333, 100},
	} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, nil)
		inject(t, clk, card, c.pacer, n, always(1518))
		var worst clock.Time
		for i, at := range dev.sent {
			e := at - 1e6 - clock.Time(int64(i)*c.num/c.den)
			worst = max(worst, e, -e)
		}
		if len(dev.sent) != n || worst > 8 {
			t.Errorf("%s: %d packets, the largest error in all of them is %d ns", c.what, len(dev.sent), worst)
		}
	}
}

// Frames of 64 bytes every 672 ns, which is line rate, with a payload that is different in
// each, are all exact, and their checksums are right.
func TestSmallestAtLineRate(t *testing.T) {
	n := packets(20_000, 1_500_000)
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	payload := func(i int) []byte {
		data := binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
		return append(append(data, data...), 1, byte(i))
	}
	k := 0
	dev.onFrame = func(f *link.Frame) {
		b := f.Bytes()
		if string(b[42:]) != string(payload(k)) || ones(0, b[14:34]) != 0xffff || ones(17+26, b[26:]) != 0xffff {
			t.Fatalf("frame %d has other bytes, or a wrong checksum: %x", k, b)
		}
		k++
	}
	p := &pacer.Gaps{List: []pacer.Gap{672 * pacer.Nanosecond}}
	inject(t, clk, card, p, n, func(i int) *netfpga.Description {
		d := describe(64, 0, true)
		d.Src = netip.AddrPortFrom(d.Src.Addr(), uint16(i))
		d.Data = payload(i)
		return d
	})
	for i, at := range dev.sent {
		if want := clock.Time(1e6 + i*672); at != want {
			t.Fatalf("frame %d left at %v, want %v", i, at, want)
		}
	}
	if s := card.Counters(); s.Sent.Frames != uint64(n) || late(s) != 0 {
		t.Errorf("%+v", s)
	}
}

// ones is the sum of b in ones' complement, which is all ones over a right checksum.
func ones(sum uint32, b []byte) uint32 {
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	return sum>>16 + sum&0xffff
}

// Every profile sends at the speed of its line, at its ticks: frames back to back, and
// frames at 95 % of it. None is late by two ticks: one that it is rounded up to, and one
// where the frame in front of it ends within a tick.
func TestProfiles(t *testing.T) {
	var table strings.Builder
	for _, profile := range netfpga.Profiles() {
		for _, bytes := range []int{64, 1518} {
			wire := int64(link.WireBytes(bytes - 4))
			n := packets(20_000, 1_000_000)
			for _, percent := range []int64{100, 95} {
				clk, dev := clock.NewVirtual(), newBelow()
				card := newCard(t, clk, dev, &netfpga.Config{Profile: profile.Name})
				p, err := pacer.NewRate(profile.Speed*percent/100, pacer.Wire)
				if err != nil {
					t.Fatal(err)
				}
				asked := inject(t, clk, card, p, n, always(bytes))
				var worst clock.Time
				for i, at := range dev.sent {
					worst = max(worst, at-asked[i])
					if at != profile.Tick.Time(profile.Tick.Down(at)) || at < asked[i] {
						t.Fatalf("%s: frame %d left at %d, asked %d", profile.Name, i, int64(at), int64(asked[i]))
					}
				}
				exact := float64(wire) * 8e9 / float64(profile.Speed*percent/100)
				took := float64(dev.sent[n-1] - dev.sent[0])
				fmt.Fprintf(&table, "%-11s %4d B at %3d%%: a gap of %8.2f ns, mean %8.2f ns; late by %d ns at most, info %v\n",
					profile.Name, bytes, percent, exact, took/float64(n-1), worst, time.Duration(card.Info().Tick))
			}
		}
	}
	want := `
netfpga-1g    64 B at 100%: a gap of   672.00 ns, mean   672.00 ns; late by 0 ns at most, info 8ns
netfpga-1g    64 B at  95%: a gap of   707.37 ns, mean   707.37 ns; late by 7 ns at most, info 8ns
netfpga-1g  1518 B at 100%: a gap of 12304.00 ns, mean 12304.00 ns; late by 0 ns at most, info 8ns
netfpga-1g  1518 B at  95%: a gap of 12951.58 ns, mean 12951.58 ns; late by 7 ns at most, info 8ns
netfpga-10g   64 B at 100%: a gap of    67.20 ns, mean    67.20 ns; late by 4 ns at most, info 7ns
netfpga-10g   64 B at  95%: a gap of    70.74 ns, mean    70.74 ns; late by 6 ns at most, info 7ns
netfpga-10g 1518 B at 100%: a gap of  1230.40 ns, mean  1230.40 ns; late by 6 ns at most, info 7ns
netfpga-10g 1518 B at  95%: a gap of  1295.16 ns, mean  1295.16 ns; late by 6 ns at most, info 7ns
25g           64 B at 100%: a gap of    26.88 ns, mean    26.88 ns; late by 3 ns at most, info 3ns
25g           64 B at  95%: a gap of    28.29 ns, mean    28.29 ns; late by 2 ns at most, info 3ns
25g         1518 B at 100%: a gap of   492.16 ns, mean   492.16 ns; late by 3 ns at most, info 3ns
25g         1518 B at  95%: a gap of   518.06 ns, mean   518.06 ns; late by 2 ns at most, info 3ns
40g           64 B at 100%: a gap of    16.80 ns, mean    16.80 ns; late by 4 ns at most, info 4ns
40g           64 B at  95%: a gap of    17.68 ns, mean    17.68 ns; late by 4 ns at most, info 4ns
40g         1518 B at 100%: a gap of   307.60 ns, mean   307.60 ns; late by 4 ns at most, info 4ns
40g         1518 B at  95%: a gap of   323.79 ns, mean   323.79 ns; late by 3 ns at most, info 4ns
100g          64 B at 100%: a gap of     6.72 ns, mean     6.72 ns; late by 6 ns at most, info 4ns
100g          64 B at  95%: a gap of     7.07 ns, mean     7.07 ns; late by 5 ns at most, info 4ns
100g        1518 B at 100%: a gap of   123.04 ns, mean   123.04 ns; late by 6 ns at most, info 4ns
100g        1518 B at  95%: a gap of   129.52 ns, mean   129.52 ns; late by 3 ns at most, info 4ns
`
	if table.String() != want[1:] {
		t.Errorf("got\n%swant%s", table.String(), want)
	}
}
