package link_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// frame is a paced frame of flow number f with its four times.
func frame(f uint16, depart, sched, handed, sent clock.Time) *link.Departure {
	return &link.Departure{Flow: pacer.Flow{SrcPort: f}, Paced: true, Depart: depart, Sched: sched, Enqueued: handed, Sent: sent}
}

func report(frames ...*link.Departure) link.Report {
	var d link.Departures
	for _, x := range frames {
		d.Add(x)
	}
	return d.Report()
}

func TestGapErrorIsSymmetrical(t *testing.T) {
	// Asked every 1000 ns. The second is 5 ns late, so the gap before it is too long by
	// 5 and the one behind it too short by 5. The last is 2 late.
	r := report(frame(1, 0, 0, 0, 0), frame(1, 1000, 0, 0, 1005), frame(1, 2000, 0, 0, 2000), frame(1, 3000, 0, 0, 3002))
	if want := (link.Quantiles{P50: 5, P95: 5, P99: 5, P999: 5, Max: 5}); r.GapError != want {
		t.Errorf("gap error %+v, want %+v", r.GapError, want)
	}
	if want := (link.Quantiles{P50: 0, P95: 5, P99: 5, P999: 5, Max: 5}); r.Lateness != want {
		t.Errorf("lateness %+v, want %+v", r.Lateness, want)
	}
	if want := link.NewPPM(3002, 3000); r.RateError != want {
		t.Errorf("rate error %v, want %v", r.RateError, want)
	}
	if r.Packets != 4 || r.Paced != 4 || r.Late != 0 || r.Early != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestFlowsAreSeparate(t *testing.T) {
	// Two flows take turns; one is late by a constant 100 ns, which is no gap error.
	var d link.Departures
	for i := range clock.Time(10) {
		d.Add(frame(1, 1000*i, 0, 0, 1000*i))
		d.Add(frame(2, 1000*i+50, 0, 0, 1000*i+150))
	}
	// A packet that is not paced comes in between and does not count.
	d.Add(&link.Departure{Flow: pacer.Flow{SrcPort: 1}, Depart: 9500, Sent: 9900})
	d.Add(frame(1, 10_000, 0, 0, 10_004))
	r := d.Report()
	if r.GapError.P95 != 0 || r.GapError.Max != 4 {
		t.Errorf("gap error %+v, want one of 4 ns", r.GapError)
	}
	if r.Lateness.P95 != 100 || r.Late != 10 || r.Packets != 22 || r.Paced != 21 {
		t.Errorf("got %+v, want 10 late by 100 ns of 21 paced and 22 in all", r)
	}
	if want := link.NewPPM(19_004, 19_000); r.RateError != want {
		t.Errorf("rate error %v, want %v", r.RateError, want)
	}
}

func TestLatePacketsHaveACause(t *testing.T) {
	contention, host, card := link.LateBy{Contention: 1}, link.LateBy{Host: 1}, link.LateBy{Card: 1}
	for _, test := range []struct {
		name                        string
		depart, sched, handed, sent clock.Time
		late                        link.LateBy
	}{
		{"on time", 1000, 1000, 900, 1000, link.LateBy{}},
		{"at the next tick", 1000, 1000, 900, 1008, link.LateBy{}},
		{"above the tick", 1000, 1000, 900, 1009, card},
		{"the port was taken", 1000, 1100, 900, 1104, contention},
		{"handed over late", 1000, 1000, 1100, 1104, host},
		{"nobody scheduled it, handed over late", 1000, 0, 1100, 1104, host},
		{"in the card in time", 1000, 1000, 900, 1100, card},
		{"nobody wrote down anything", 1000, 0, 0, 1100, card},
		{"more contention than host", 1000, 1060, 1100, 1100, contention},
		{"more host than contention", 1000, 1040, 1100, 1100, host},
		{"host and card, the card more", 1000, 1000, 1040, 1100, card},
		{"as much of each: the first in the row", 1000, 1050, 1100, 1100, contention},
		{"scheduled later than it left", 1000, 2000, 900, 1100, contention},
		{"handed over after it left", 1000, 1000, 2000, 1100, host},
	} {
		r := report(frame(1, test.depart, test.sched, test.handed, test.sent))
		if late := test.late.Contention + test.late.Host + test.late.Card; r.LateBy != test.late || r.Late != late {
			t.Errorf("%s: %d late, %+v, want %+v", test.name, r.Late, r.LateBy, test.late)
		}
	}
}

func TestTick(t *testing.T) {
	d := link.Departures{Tick: 100}
	d.Add(frame(1, 1000, 0, 0, 1100))
	d.Add(frame(1, 2000, 0, 0, 2101))
	if r := d.Report(); r.Late != 1 {
		t.Errorf("%d packets late by more than 100 ns, want 1", r.Late)
	}
}

func TestEarlyIsCounted(t *testing.T) {
	r := report(frame(1, 1000, 1000, 0, 999))
	if r.Early != 1 || r.Late != 0 || r.Lateness.Max != 0 {
		t.Errorf("got %+v, want one early", r)
	}
}

func TestNothingPaced(t *testing.T) {
	var d link.Departures
	for i := range clock.Time(3) {
		d.Add(&link.Departure{Depart: 1000 * i, Sched: 5000, Sent: 1000*i + 100*i})
	}
	r := d.Report()
	if r.Packets != 3 || r.Paced != 0 || r.GapError.Max != 100 || r.Lateness.Max != 200 {
		t.Errorf("got %+v, want gap errors of 100 and lateness up to 200 against when they were ready", r)
	}
	if r.Late != 0 || r.LateBy != (link.LateBy{}) || r.RateError != (link.PPM{}) {
		t.Errorf("got %+v: nobody asked, so nobody is late", r)
	}

	t.Log("# with the first paced packet the others do not count any more")
	d.Add(frame(1, 5000, 5000, 0, 5003))
	d.Add(&link.Departure{Depart: 6000, Sent: 9000})
	if r := d.Report(); r.Packets != 5 || r.Paced != 1 || r.GapError.Max != 0 || r.Lateness.Max != 3 {
		t.Errorf("got %+v, want the one paced packet, late by 3 ns", r)
	}
}

// The flows in memory are bounded. Whoever goes on after they were forgotten loses one
// gap and nothing else.
func TestFlowsAreForgotten(t *testing.T) {
	var d link.Departures
	each := func(sent clock.Time) {
		for port := range 1 << 16 {
			d.Add(frame(uint16(port), sent, 0, 0, sent))
		}
	}
	each(1000)
	each(2000)
	extra := frame(0, 3000, 0, 0, 3000)
	extra.Flow.Proto = pacer.ProtoUDP
	d.Add(extra)
	each(4000 + 7)
	each(5000)
	r := d.Report()
	if r.Packets != 4<<16+1 || r.GapError.Max != 0 || r.RateError != link.NewPPM(1, 1) {
		t.Errorf("got %+v", r)
	}
}

// The quantiles are those of the sorted list, exactly up to 2 us and to one in a thousand
// above; the largest is exact always.
func TestQuantilesAreAccurate(t *testing.T) {
	for _, test := range []struct {
		name string
		draw func(*rand.Rand) clock.Time
		off  float64
	}{
		{"a card's", func(r *rand.Rand) clock.Time { return clock.Time(r.IntN(9)) }, 0},
		{"up to 2 us", func(r *rand.Rand) clock.Time { return clock.Time(r.IntN(2048)) }, 0},
		{"a host's", func(r *rand.Rand) clock.Time { return clock.Time(math.Exp(r.NormFloat64()*3 + 8)) }, 1e-3},
		{"up to a minute", func(r *rand.Rand) clock.Time { return clock.Time(r.Int64N(60e9)) }, 1e-3},
		{"above the longest", func(r *rand.Rand) clock.Time { return clock.Time(time.Hour + time.Duration(r.IntN(9))) }, 1e-3},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		var d link.Departures
		var sorted []clock.Time
		for i := range 10_007 {
			late := test.draw(rng)
			sorted = append(sorted, late)
			at := clock.Time(i) * 1000
			d.Add(frame(1, at, at, 0, at+late))
		}
		slices.Sort(sorted)
		q := d.Report().Lateness
		for _, c := range []struct {
			got     int64
			quantum float64
		}{{q.P50, .5}, {q.P95, .95}, {q.P99, .99}, {q.P999, .999}} {
			want := float64(sorted[int(math.Ceil(c.quantum*float64(len(sorted))))-1])
			if math.Abs(float64(c.got)-want) > test.off*want {
				t.Errorf("%s: quantile %v is %d, want %v", test.name, c.quantum, c.got, want)
			}
		}
		if want := int64(sorted[len(sorted)-1]); q.Max != want {
			t.Errorf("%s: max %d, want %d", test.name, q.Max, want)
		}
	}
}

func TestMerge(t *testing.T) {
	all, a, b := link.Departures{Dropped: drops(2, 1), Waiting: 5}, link.Departures{Dropped: drops(1, 0), Waiting: 2}, link.Departures{Dropped: drops(1, 1), Waiting: 3}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range clock.Time(1000) {
		for f, part := range []*link.Departures{&a, &b} {
			x := frame(uint16(f), 1000*i, 1000*i+clock.Time(rng.IntN(50)), 1000*i+clock.Time(rng.IntN(100)), 1000*i+clock.Time(rng.IntN(100)))
			if x.Sent < 1000*i+4 {
				x.Sent -= 4
			}
			x.Paced = rng.IntN(5) > 0
			all.Add(x)
			part.Add(x)
		}
	}
	var sum link.Departures
	sum.Merge(&a)
	sum.Merge(&b)
	sum.Merge(new(link.Departures))
	if got, want := sum.Report(), all.Report(); got != want {
		t.Errorf("merged\n%+v, want\n%+v", got, want)
	}
}

func TestReportJSON(t *testing.T) {
	d := link.Departures{Dropped: drops(4, 3), Waiting: 2}
	d.Add(frame(1, 0, 0, 0, 0))
	d.Add(frame(1, 1000, 1090, 0, 1100))
	d.Add(&link.Departure{})
	got, err := json.Marshal(d.Report())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"packets":3,"paced":2,"gap_error_ns":{"p50":100,"p95":100,"p99":100,"p999":100,"max":100},` +
		`"lateness_ns":{"p50":0,"p95":100,"p99":100,"p999":100,"max":100},"late":1,"late_by":{"contention":1,"host":0,"card":0},` +
		`"dropped":7,"dropped_by":{"link error":3,"queue full":4},"waiting":2,"late_above_ns":8,"rate_error_ppm":100000}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// sendLate sends frames of 1538 wire bytes at 950 Mbit/s through a Hold and a Trace. The
// program stops for a while each time it has sent so many frames.
func sendLate(paced bool, frames, every int, stop time.Duration) link.Report {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500, Speed: 1e9})
	trace := link.NewTrace(sink, clk, nil)
	hold := hold.New(trace, clk, nil)
	rate := pacer.Rate{BitsPerSecond: 950e6, Unit: pacer.Wire}
	for i := range frames {
		if i > 0 && i%every == 0 {
			clk.RunUntil(clk.Now().Add(stop))
		}
		f := link.NewFrame(1514)
		f.Size.Wire = link.WireBytes(1514)
		f.Depart = clk.Now()
		if paced {
			f.Paced, f.Depart = true, rate.Depart(f.Size, clk.Now())
		}
		hold.Transmit([]*link.Frame{f})
	}
	clk.RunUntil(clock.Never)
	return trace.Departures.Report()
}

// The table that a user sees, from three runs in virtual time.
func TestReportText(t *testing.T) {
	stalled := link.Departures{Dropped: drops(2, 0), Waiting: 3}
	for i := range clock.Time(1000) {
		at := 12_000 * i
		handed, sent := at-100_000, (at+7)/8*8
		if i%100 == 50 { // the host comes 40 us late, the card not at all
			handed, sent = at+40_000, at+40_000
		}
		stalled.Add(frame(1, at, at, handed, sent))
	}
	for _, test := range []struct {
		name   string
		report link.Report
		want   string
	}{
		{"paced", sendLate(true, 2000, 2000, 0), `
Departures, ns        p50        p95        p99      p99.9        max
gap error               0          0          0          0          0
lateness                0          0          0          0          0
2000 packets, 2000 paced, rate error +0.000 ppm, 0 late by more than 8ns, 0 dropped
`},
		{"a host that stalls", stalled.Report(), `
Departures, ns        p50        p95        p99      p99.9        max
gap error               0          0      40000      40000      40000
lateness                0          0          0      40000      40000
1000 packets, 1000 paced, rate error +0.000 ppm, 10 late by more than 8ns (contention 0, host 10, card 0), 2 dropped (queue full 2), 3 waiting
`},
		{"not paced", sendLate(false, 2000, 100, 2*time.Millisecond), `
Departures, ns        p50        p95        p99      p99.9        max
gap error           12311      12311      12311    1218096    1218096
lateness           603135    1157119    1206271    1218096    1218096
2000 packets, not paced: measured against when each was ready, 0 dropped
`},
		{"nothing", report(), `
Departures, ns        p50        p95        p99      p99.9        max
gap error               0          0          0          0          0
lateness                0          0          0          0          0
no packet left, 0 dropped
`},
	} {
		var b strings.Builder
		if err := test.report.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		if want := test.want[1:]; b.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, b.String(), want)
		}
	}
}

func BenchmarkDepartures(b *testing.B) {
	var d link.Departures
	flows := [4]uint16{1, 1, 1, 2}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := clock.Time(i) * 12_951
		d.Add(frame(flows[i%4], at, at, at, (at+7)/8*8))
	}
}

func drops(full, failed uint64) (d link.Drops) {
	d[link.QueueFull], d[link.LinkError] = full, failed
	return d
}

// A schedule that moved up missed what was asked for, and the report says how much, how
// often, and by whom, but for the time in which the application had nothing.
func TestStops(t *testing.T) {
	var d link.Departures
	at := clock.Time(0)
	next := func(missed time.Duration, by link.Stop, late time.Duration) {
		at = at.Add(1000*time.Nanosecond + missed)
		x := frame(1, at, 0, 0, at.Add(late))
		x.Missed, x.Stop = missed, by
		d.Add(x)
	}
	next(0, link.StopWindow, 0)
	next(0, link.StopWindow, 0)
	next(400, link.StopWindow, 0)
	next(0, link.StopWindow, 0)
	next(100, link.StopWindow, 0)
	next(5000, link.StopApplication, 0)
	next(70, link.StopWriter, 0)
	next(0, link.StopWindow, 900) // the host is late with one
	next(900, link.StopBound, 0)  // and then nothing waits
	next(0, link.StopWindow, 0)
	r := d.Report()
	want := link.Stops{
		link.StopWindow: {Times: 2, For: 500}, link.StopApplication: {Times: 1, For: 5000},
		link.StopWriter: {Times: 1, For: 70}, link.StopHost: {Times: 1, For: 900},
	}
	if r.Stops != want {
		t.Errorf("%v, want %v", r.Stops, want)
	}
	// # 9 gaps of 1000 ns took 1470 ns more, and the pause of the application is no loss
	if want := link.NewPPM(9000+1470, 9000); r.RateError != want {
		t.Errorf("rate error %v, want %v", r.RateError, want)
	}
	if got, want := r.Stops.String(), "application 1x for 5us, writer 1x for 70ns, window 2x for 500ns, host 1x for 900ns"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b, err := json.Marshal(r)
	var again link.Report
	if err == nil {
		err = json.Unmarshal(b, &again)
	}
	if err != nil || again != r || !strings.Contains(string(b), `"window":{"times":2,"ns":500}`) {
		t.Errorf("%v: %s", err, b)
	}
}

// No time was asked for, and so there is no error of it.
func TestNoRateError(t *testing.T) {
	r := report(frame(1, 0, 0, 0, 0), frame(1, 0, 0, 0, 672), frame(1, 0, 0, 0, 1344))
	if ppm, ok := r.RateError.Get(); ok || !strings.Contains(r.String(), "rate error -, ") {
		t.Errorf("rate error %v in\n%v", ppm, r)
	}
	b, err := json.Marshal(r)
	var again link.Report
	if err == nil {
		err = json.Unmarshal(b, &again)
	}
	if err != nil || again != r || !strings.Contains(string(b), `"rate_error_ppm":null`) {
		t.Errorf("%v: %s", err, b)
	}
}

// A list of gaps is kept: what the application was late by is made up for, whoever stops the
// flow meanwhile, and is no error of the rate, neither then nor before. What is not made up
// for is none either.
func TestMadeUp(t *testing.T) {
	for _, by := range []link.Stop{link.StopApplication, link.StopWriter, link.StopWindow} {
		var d link.Departures
		at := clock.Time(0)
		next := func(missed time.Duration, by link.Stop) {
			at = at.Add(1000*time.Nanosecond + missed)
			x := frame(1, at, 0, 0, at)
			x.Missed, x.Stop = missed, by
			d.Add(x)
		}
		next(0, by)
		next(5000, link.StopApplication)
		for range 9 {
			next(-500, by)
		}
		if want := link.NewPPM(1, 1); d.Report().RateError != want {
			t.Errorf("%v: rate error %v", by, d.Report().RateError)
		}
		next(-500, by)
		// # what the host was late by is an error until it is made up for
		next(700, link.StopWindow)
		if want := link.NewPPM(12_000+700, 12_000); d.Report().RateError != want {
			t.Errorf("%v: rate error %v, want %v", by, d.Report().RateError, want)
		}
		next(-700, by)
		if want := link.NewPPM(1, 1); d.Report().RateError != want {
			t.Errorf("%v: rate error %v", by, d.Report().RateError)
		}
	}
}
