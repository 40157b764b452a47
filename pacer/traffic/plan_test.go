package traffic

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// times returns when the first packets of a plan leave, and their sizes, with the clock
// at the time of each.
func times(p *Plan, most int) string {
	var b strings.Builder
	var elapsed time.Duration
	for range most {
		at, n, ok := p.Next(elapsed)
		if !ok {
			b.WriteString("end")
			break
		}
		fmt.Fprintf(&b, "%d:%d ", at, n)
		elapsed = at
	}
	return strings.TrimSpace(b.String())
}

func TestPlan(t *testing.T) {
	ns := func(list ...float64) (gaps []pacer.Gap) {
		for _, g := range list {
			gaps = append(gaps, pacer.Gap(g*1000))
		}
		return gaps
	}
	for _, test := range []struct {
		name string
		plan Plan
		want string
	}{
		{"constant", Plan{Gaps: CycleGaps(ns(100)), Sizes: CycleSizes([]int{18})}, "0:18 100:18 200:18 300:18 400:18 500:18"},
		{"files cycle", Plan{Gaps: CycleGaps(ns(1, 10, 100)), Sizes: CycleSizes([]int{5, 6})}, "0:5 1:6 11:5 111:6 112:5 122:6"},
		{"the fraction is carried", Plan{Gaps: CycleGaps(ns(1.4)), Sizes: CycleSizes([]int{0})}, "0:0 1:0 2:0 4:0 5:0 7:0"},
		{"-n", Plan{Gaps: CycleGaps(ns(100)), Sizes: CycleSizes([]int{1}), Packets: 3}, "0:1 100:1 200:1 end"},
		{"-t", Plan{Gaps: CycleGaps(ns(100)), Sizes: CycleSizes([]int{1}), Duration: 200}, "0:1 100:1 end"},
		{"-t between packets", Plan{Gaps: CycleGaps(ns(100)), Sizes: CycleSizes([]int{1}), Duration: 201}, "0:1 100:1 200:1 end"},
		{"back to back", Plan{Gaps: CycleGaps(ns(0)), Sizes: CycleSizes([]int{1})}, "0:1 0:1 0:1 0:1 0:1 0:1"},
		{"the end of time", Plan{Gaps: CycleGaps([]pacer.Gap{1<<63 - 1}), Sizes: CycleSizes([]int{1})},
			"0:1 9223372036854775:1 18446744073709551:1 27670116110564327:1 36893488147419103:1 46116860184273879:1"},
	} {
		if got := times(&test.plan, 6); got != test.want {
			t.Errorf("%s:\nwant %s\n got %s", test.name, test.want, got)
		}
	}
	long := Plan{Gaps: CycleGaps([]pacer.Gap{1<<63 - 1}), Sizes: CycleSizes([]int{1})}
	if got := times(&long, 1000); !strings.HasSuffix(got, "end") || strings.Contains(got, "-") {
		t.Errorf("time does not end: %s", got[len(got)-60:])
	}
}

// A schedule that is behind ends when its time is over.
func TestPlanBehind(t *testing.T) {
	p := Plan{Gaps: CycleGaps([]pacer.Gap{0}), Sizes: CycleSizes([]int{1}), Duration: time.Second}
	if _, _, ok := p.Next(-time.Millisecond); !ok {
		t.Error("it ends before it begins")
	}
	if _, _, ok := p.Next(time.Second - 1); !ok {
		t.Error("it ends early")
	}
	if _, _, ok := p.Next(time.Second); ok {
		t.Error("it goes on")
	}
}

// After a million packets the schedule is off by less than a nanosecond.
func TestPlanDrift(t *testing.T) {
	p := Plan{Gaps: CycleGaps([]pacer.Gap{13_333_333}), Sizes: CycleSizes([]int{1472})}
	for i := range 1_000_000 {
		at, _, _ := p.Next(0)
		if want := int64(i) * 13_333_333 / 1000; int64(at) != want {
			t.Fatalf("packet %d leaves at %d ns, want %d", i, at, want)
		}
	}
}

// draw returns the mean, and the share of draws above each limit.
func draw(g Gaps, n int, limits ...pacer.Gap) (mean float64, above []float64) {
	above = make([]float64, len(limits))
	for range n {
		v := g.next()
		mean += float64(v) / float64(n)
		for i, limit := range limits {
			if v > limit {
				above[i] += 1 / float64(n)
			}
		}
	}
	return mean, above
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s is %v, want %v within %v %%", what, got, want, tolerance*100)
	}
}

func mustDist(t *testing.T, s string) Dist {
	t.Helper()
	d, err := ParseDist(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestExponential(t *testing.T) {
	const mean = 20_000_000 // ps
	got, above := draw(mustDist(t, "exponential:20000").Gaps(1), 1_000_000, mean, 3*mean)
	near(t, "the mean", got, mean, 0.005)
	near(t, "the share above the mean", above[0], math.Exp(-1), 0.01)
	near(t, "the share above three times the mean", above[1], math.Exp(-3), 0.01)
}

func TestPareto(t *testing.T) {
	// The least gap is mean*(shape-1)/shape.
	const mean, shape, least = 20_000_000, 2.5, 12_000_000
	g := mustDist(t, "pareto:20000,2.5").Gaps(1)
	got, above := draw(g, 1_000_000, least-1, 2*least, 10*least)
	near(t, "the mean", got, mean, 0.005)
	if above[0] < 0.999999 {
		t.Errorf("%v of all gaps are shorter than the least one", 1-above[0])
	}
	near(t, "the share above twice the least gap", above[1], math.Pow(2, -shape), 0.01)
	near(t, "the share above ten times the least gap", above[2], math.Pow(10, -shape), 0.05)
}

// Gaps stay within what can be counted, however heavy the tail.
func TestParetoTail(t *testing.T) {
	g := mustDist(t, "pareto:9000000000000,1.000001").Gaps(1)
	for range 100_000 {
		if v := g.next(); v < 0 || v > longestGap {
			t.Fatalf("a gap of %d ps", v)
		}
	}
}

func TestUniform(t *testing.T) {
	s, err := mustDist(t, "uniform:100,103").Sizes(1, 28)
	if err != nil || s.Most() != 103 {
		t.Fatalf("%v, most %d", err, s.Most())
	}
	counts := make(map[int]float64)
	for range 100_000 {
		counts[s.next()]++
	}
	for n := 100; n <= 103; n++ {
		near(t, fmt.Sprintf("the number of %d", n), counts[n], 25_000, 0.02)
	}
	if len(counts) != 4 {
		t.Errorf("sizes %v", counts)
	}
}

func TestSpikeBump(t *testing.T) {
	s, err := mustDist(t, "spike-bump").Sizes(1, 28)
	if err != nil || s.Most() != 1472 {
		t.Fatalf("%v, most %d", err, s.Most())
	}
	counts := make(map[int]float64)
	for range 100_000 {
		counts[s.next()+28+18]++
	}
	near(t, "the number of 1518", counts[1518], 50_000, 0.02)
	near(t, "the number of 612", counts[612], 10_000, 0.02)
	near(t, "the number of 64", counts[64], 40_000, 0.02)
	if len(counts) != 3 {
		t.Errorf("frames %v", counts)
	}
	if _, err := mustDist(t, "spike-bump").Sizes(1, 48); err == nil {
		t.Error("64 bytes have room for IPv6")
	}
}

// The same seed draws the same, another something else, and gaps do not depend on whether
// sizes are drawn too.
func TestSeeds(t *testing.T) {
	gaps := func(seed uint64) (list [8]pacer.Gap) {
		g := mustDist(t, "exponential:1000").Gaps(seed)
		for i := range list {
			list[i] = g.next()
		}
		return list
	}
	sizes := func(seed uint64) (list [8]int) {
		s, _ := mustDist(t, "uniform:0,65507").Sizes(seed, 28)
		for i := range list {
			list[i] = s.next()
		}
		return list
	}
	g, s := gaps(1), sizes(1)
	if g != gaps(1) || s != sizes(1) {
		t.Error("one seed draws two ways")
	}
	if g == gaps(2) || s == sizes(2) {
		t.Error("two seeds draw the same")
	}
}

func TestParseDist(t *testing.T) {
	for s, want := range map[string]string{
		"constant:13333.33":   "13333.33 ns",
		"exponential:20000":   "exponential with mean 20000 ns",
		"pareto:20000.5,1.25": "pareto with mean 20000.5 ns and shape 1.25",
		"uniform:0,1472":      "uniform from 0 to 1472 bytes",
		"spike-bump":          "of the spike bump mix",
	} {
		d, err := ParseDist(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		got := d.Gaps(1).String()
		if d.OfSizes() {
			sizes, err := d.Sizes(1, 28)
			if err != nil {
				t.Errorf("%s: %v", s, err)
			}
			got = sizes.String()
		}
		if got != want {
			t.Errorf("%s is %q, want %q", s, got, want)
		}
	}
	for _, s := range []string{
		"", "gauss", "constant", "constant:", "constant:x", "constant:-1", "constant:1,2", "exponential:1e9",
		"pareto:20000", "pareto:20000,1", "pareto:20000,0.5", "pareto:20000,x", "pareto:20000,NaN", "pareto:20000,1001",
		"pareto:20000,1.5,2", "uniform:5", "uniform:6,5", "uniform:-1,5", "uniform:0,65508", "uniform:a,b",
		"spike-bump:1", "exponential:99999999999999999999", "constant:1 2", "uniform:0,99999999999999999999",
	} {
		if d, err := ParseDist(s); err == nil {
			t.Errorf("%q is %+v", s, d)
		}
	}
}

func TestParsePayloads(t *testing.T) {
	list, err := ParsePayloads(strings.NewReader(" 1472\n566\t18 \r\n0 65507"))
	if got := fmt.Sprint(list); err != nil || got != "[1472 566 18 0 65507]" {
		t.Errorf("%s, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                            "no size",
		" \n\t ":                      "no size",
		"1472 x":                      `size 2: pacer: "x" is not a size`,
		"-1":                          "size 1",
		"65508":                       "65508 bytes are more",
		"18446744073709551616":        "is too large",
		strings.Repeat("1", 5000):     "size 1",
		"1 " + strings.Repeat("x", 9): "size 2",
	} {
		if _, err := ParsePayloads(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: want %q, got %v", text, want, err)
		}
	}
	if _, err := ParsePayloads(strings.NewReader(strings.Repeat("1 ", MaxSizes+1))); err == nil || !strings.Contains(err.Error(), "more than 4194304") {
		t.Errorf("too many: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1472 566 18", "pareto:20000,1.5", "uniform:1,2", "1.5", "0.001", "constant:13333.33"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if list, err := ParsePayloads(strings.NewReader(s)); err == nil {
			for _, n := range list {
				if n < 0 || n > MaxPayload {
					t.Errorf("a size of %d", n)
				}
			}
		}
		if n, err := ParsePayload(s); err == nil && (n < 0 || n > MaxPayload) {
			t.Errorf("%q is %d", s, n)
		}
		if d, err := ParseDist(s); err == nil && !d.OfSizes() {
			if g := d.Gaps(1).next(); g < 0 {
				t.Errorf("a gap of %d", g)
			}
		}
		if v, err := ParseSpeed(s); err == nil && (v < slowest || v > fastest) {
			t.Errorf("a speed of %v", v)
		}
	})
}
