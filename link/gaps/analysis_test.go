package gaps

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/pcap/pcaptest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// TestExact has a capture that keeps a rate exactly, for which the gap of the schedule is
// not a whole number of nanoseconds: 8528 bits at 300 Mbit/s are 28426 and 2/3 ns.
func TestExact(t *testing.T) {
	rate := pacer.Rate{BitsPerSecond: 300e6, Unit: pacer.Wire}
	var times []clock.Time
	for range 10_000 {
		times = append(times, 1e15+rate.Depart(pacer.Size{Wire: 1066}, 0))
	}
	r := analyse(t, capture(times...), Config{Asked: &Schedule{Rate: 300e6, Unit: pacer.Wire}})
	f := r.Flows[0]
	if f.Gaps != 9999 || f.Asked.GapError != (link.Quantiles{}) || f.Asked.RateError != link.NewPPM(1, 1) || f.Asked.Drift != (Drift{}) || f.Asked.CDFDistance != 0 {
		t.Errorf("%+v, %+v", f, f.Asked)
	}
	if f.Gap.Min != 28426 || f.Gap.Max != 28427 || f.Gap.P50 != 28427 || fmt.Sprintf("%.2f", f.Gap.Mean) != "28426.67" {
		t.Errorf("gaps %+v", f.Gap)
	}
	if f.Start != 0 || f.Duration != int64(times[9999]-times[0]) || fmt.Sprintf("%.0f", f.WireRate) != "300000000" {
		t.Errorf("%+v", f)
	}
}

// TestKnownErrors has a list of gaps and packets that miss it by known amounts: one in ten
// leaves 8 ns late, the next is on time again, and once 1 us is lost for good.
func TestKnownErrors(t *testing.T) {
	list, err := pacer.ParseGaps(bytes.NewReader([]byte("10000 20000.25 500")))
	if err != nil {
		t.Fatal(err)
	}
	asked := pacer.Gaps{List: list}
	var times []clock.Time
	for i := range 1001 {
		at := asked.Depart(pacer.Size{}, 0) + 5e9
		if i%10 == 5 {
			at += 8
		}
		if i > 800 {
			at += 1000
		}
		times = append(times, at)
	}
	r := analyse(t, capture(times...), Config{Asked: &Schedule{Gaps: list}})
	c := r.Flows[0].Asked
	// Of 1000 gaps 200 are off by 8 ns, and one by 1000.
	if c.GapError != (link.Quantiles{P50: 0, P95: 8, P99: 8, P999: 8, Max: 1000}) {
		t.Errorf("gap error %+v", c.GapError)
	}
	if c.Drift != (Drift{0, 1008, 1000}) {
		t.Errorf("drift %+v", c.Drift)
	}
	// 334 rounds of 10000 and 333 of 20000.25 and 500.
	if total := 334*10000 + 333*20500.25; c.RateError.String() != link.NewPPM(float64(int64(total)+1000), float64(int64(total))).String() {
		t.Errorf("rate error %v", c.RateError)
	}
	if c.Gap.Min != 500 || c.Gap.Max != 20001 || c.CDFDistance != 1000 {
		t.Errorf("asked %+v, distance %d", c.Gap, c.CDFDistance)
	}
}

// TestPauses leaves pauses out, and begins the schedule afresh behind each.
func TestPauses(t *testing.T) {
	times := append(every(100, 0, 10_000), every(50, 5_000_003, 10_000)...)
	times = append(times, every(50, 90_000_007, 10_008)...)
	r := analyse(t, capture(times...), Config{
		Asked: &Schedule{Gaps: []pacer.Gap{10_000 * pacer.Nanosecond}}, Pause: time.Millisecond,
	})
	f := r.Flows[0]
	if f.Pauses != 2 || f.Paused != 5_000_003-990_000+90_000_007-5_490_003 || f.Gaps != 197 || f.Gap.Max != 10_008 {
		t.Errorf("%+v", f)
	}
	if c := f.Asked; c.Drift != (Drift{0, 49 * 8, 49 * 8}) || c.GapError.P50 != 0 || c.GapError.Max != 8 {
		t.Errorf("%+v", f.Asked)
	}
}

// TestCounted has packets without payload between those with some: a rate of payload does
// not ask for them.
func TestCounted(t *testing.T) {
	f := begin(near)
	for i := range clock.Time(100) {
		f.packet(0, i*80_000, pcap.Sent, pcaptest.UDP4(1000))
		f.packet(0, i*80_000+30_000, pcap.Sent, pcaptest.UDP4(0))
	}
	asked := &Schedule{Rate: 100e6, Unit: pacer.Payload}
	got := analyse(t, f.b, Config{Asked: asked}).Flows[0]
	if got.Packets != 200 || got.Counted != 100 || got.Gap.Min != 80_000 || got.Gap.Max != 80_000 || got.Asked.GapError.Max != 0 {
		t.Errorf("%+v, %+v", got, got.Asked)
	}
	asked.Unit = pacer.IP
	if got = analyse(t, f.b, Config{Asked: asked}).Flows[0]; got.Counted != 200 || got.Gap.Min != 30_000 {
		t.Errorf("%+v", got)
	}
}

// TestBursts has bursts of known length, by the line's speed and by a time.
func TestBursts(t *testing.T) {
	var times []clock.Time
	at := clock.Time(0)
	for _, length := range []int{1, 3, 1, 5, 2, 1} {
		times = append(times, every(length, at, 8528)...) // 1066 bytes at 1 Gbit/s
		at += 1_000_000
	}
	times = append(times, every(2, at, 8528*21/20)...)
	times = append(times, every(2, at+1_000_000, 8528*21/20+1)...)
	bursts := func(c Config) Bursts { return analyse(t, capture(times...), c).Flows[0].Bursts }
	lengths := link.Quantiles{P50: 2, P95: 5, P99: 5, P999: 5, Max: 5}
	if b := bursts(Config{}); b != (Bursts{4, 12, lengths}) {
		t.Errorf("%+v", b)
	}
	if b := bursts(Config{Line: 10e9}); b != (Bursts{}) {
		t.Errorf("%+v", b)
	}
	if b := bursts(Config{BurstGap: 8528 * 21 / 20}); b != (Bursts{4, 12, lengths}) {
		t.Errorf("%+v", b)
	}
	if b := bursts(Config{BurstGap: 8527}); b != (Bursts{}) {
		t.Errorf("%+v", b)
	}
	if b := bursts(Config{BurstGap: time.Second}); b.Bursts != 1 || b.Packets != 17 || b.Length.Max != 17 {
		t.Errorf("%+v", b)
	}
}

// TestLine takes the speed of the line from the file.
func TestLine(t *testing.T) {
	f := begin(pcap.Interface{Link: pcap.Raw, Speed: 10e6})
	for i := range clock.Time(10) {
		f.packet(0, i*800_000, pcap.Unknown, pcaptest.UDP4(1000)) // at 10 Mbit/s 852,800
	}
	if b := analyse(t, f.b, Config{}).Flows[0].Bursts; b.Packets != 10 {
		t.Errorf("%+v", b)
	}
}

// TestBackwards has packets out of order: their gaps are negative, and the sum is right.
func TestBackwards(t *testing.T) {
	f := analyse(t, capture(0, 1000, 3000, 2000, 4000), Config{}).Flows[0]
	if f.Backwards != 1 || f.Gap.Min != -1000 || f.Gap.Max != 2000 || f.Gap.Mean != 1000 || f.Duration != 4000 {
		t.Errorf("%+v", f)
	}
}

// TestSetBack has a clock that is set back. With pauses told apart, that is none of the
// flow's gaps.
func TestSetBack(t *testing.T) {
	times := append(every(10, 1e9, 1000), every(10, 1e8, 1000)...)
	config := Config{Asked: &Schedule{Gaps: []pacer.Gap{1000 * pacer.Nanosecond}}, Pause: time.Millisecond}
	f := analyse(t, capture(times...), config).Flows[0]
	if f.Backwards != 1 || f.Gaps != 18 || f.Gap.Min != 1000 || f.Gap.Max != 1000 || f.Pauses != 0 || f.Bursts.Length.Max != 10 || f.Asked.Drift != (Drift{}) {
		t.Errorf("%+v, %+v", f, f.Asked)
	}
}

// TestSeries keeps apart what different interfaces and directions saw, and bounds how many
// flows are kept.
func TestSeries(t *testing.T) {
	f := begin(near, far)
	for i := range clock.Time(10) {
		f.packet(0, i*1000, pcap.Sent, pcaptest.UDP4(1000))
		f.packet(1, i*1000+300, pcap.Received, pcaptest.UDP4(1000))
		f.packet(1, i*1000+300, pcap.Sent, pcaptest.UDP4(1000))
	}
	r := analyse(t, f.b, Config{})
	names := ""
	for _, f := range r.Flows {
		names += f.Name() + "\n"
		if f.Gap.Min != 1000 || f.Gap.Max != 1000 {
			t.Errorf("%+v", f)
		}
	}
	const name = "udp 10.0.0.1:4000 > 10.0.0.2:5201, "
	if names != name+"sent at near\n"+name+"received at far\n"+name+"sent at far\n" {
		t.Error(names)
	}

	in := open(t, bytes.NewReader(capture(1)))
	p, err := in.Next()
	if err != nil {
		t.Fatal(err)
	}
	a := NewAnalysis(in, Config{})
	for i := range maxSeries + 100 {
		p.Flow.SrcPort = uint16(i)
		a.Add(&p)
		a.Add(&p)
	}
	if r := a.Report(); len(r.Flows) != maxSeries || r.NotKept != 200 || r.Packets != 2*(maxSeries+100) {
		t.Errorf("%d flows, %d packets not kept of %d", len(r.Flows), r.NotKept, r.Packets)
	}
}

// TestDistance compares with the definition, for as many values on both sides.
func TestDistance(t *testing.T) {
	var a, b histogram
	budget := binBudget
	for _, v := range []int64{1, 2, 3, 10} {
		a.add(v, &budget)
	}
	for _, v := range []int64{5, 1, 3, 3} {
		b.add(v, &budget)
	}
	if d := distance(&a, &b); d != 5 { // 1 1, 2 3, 3 3, 10 5
		t.Error(d)
	}
}

// scenarios are the captures of the golden file.
var scenarios = []struct {
	name    string
	capture func() []byte
	config  Config
}{
	{"nothing", func() []byte { return capture() }, Config{}},
	{"one packet", func() []byte { return capture(7) }, Config{}},
	{"steady, on 8 ns ticks", func() []byte { return capture(jitter(5000, 22_725, 8)...) },
		Config{Asked: &Schedule{Gaps: []pacer.Gap{22_725 * pacer.Nanosecond}}}},
	{"a host that lets packets wait, and sends them back to back", stalls,
		Config{Asked: &Schedule{Rate: 400e6, Unit: pacer.Payload}, Line: 1e9}},
	{"the same, without what was asked for", stalls, Config{BurstGap: 9 * time.Microsecond}},
	{"with pauses", stalls, Config{Asked: &Schedule{Rate: 400e6, Unit: pacer.Payload}, Pause: 100 * time.Microsecond}},
	{"no such flow", stalls, Config{Filter: filter("not IP"), Asked: &Schedule{Rate: 1}}},
	{"flows and packets of all kinds", kinds, Config{}},
}

// jitter returns times on a schedule, rounded up to ticks.
func jitter(n int, gap, tick clock.Time) []clock.Time {
	times := every(n, 1_000_000, gap)
	for i, at := range times {
		times[i] = (at + tick - 1) / tick * tick
	}
	return times
}

// stalls has a packet every 20 us, and one time in 500 the host sleeps for 0 to 400 us.
func stalls() []byte {
	rng := rand.New(rand.NewPCG(7, 7))
	var times []clock.Time
	free := clock.Time(0)
	for i := range clock.Time(20_000) {
		at := max(i*20_000, free)
		if rng.IntN(500) == 0 {
			at += clock.Time(rng.IntN(400_000))
		}
		times = append(times, at)
		free = at + 8528
	}
	return capture(times...)
}

func filter(s string) pcap.Filter {
	f, err := pcap.ParseFilter(s)
	if err != nil {
		panic(err)
	}
	return f
}

func kinds() []byte {
	f := begin(pcap.Interface{Name: "any", Link: pcap.Cooked2}, pcap.Interface{Name: "wlan0", Link: 105})
	header := []byte{0x08, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0}
	for i := range 12 {
		ip := pcaptest.UDP4(100)
		ip[23] = byte(i) // another destination port
		for n := range 1 + i {
			f.packet(0, clock.Time(1e9+100_000*i+10_000*n), pcap.Unknown, append(header, ip...))
		}
	}
	f.packet(0, 1e9, pcap.Unknown, append(header[:20:20], pcaptest.UDP4(100)...))
	f.packet(0, 9e8, pcap.Unknown, append(header[:20:20], pcaptest.UDP4(100)...))
	f.packet(1, 1e9, pcap.Unknown, make([]byte, 50))
	return append(f.b, "\x03\x00\x00\x00\x14\x00\x00\x00\x04\x00\x00\x00abcd\x14\x00\x00\x00"...) // a simple packet
}

func TestGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range scenarios {
		fmt.Fprintf(&b, "=== %s\n", s.name)
		if err := analyse(t, s.capture(), s.config).WriteText(&b, 3); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	linktest.Golden(t, "report.golden", b.String())
}
