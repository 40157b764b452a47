package pacer_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

const ns = pacer.Nanosecond

func newGaps(t testing.TB, list ...pacer.Gap) *pacer.Gaps {
	t.Helper()
	g, err := pacer.NewGaps(list)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGapsAreUsedInOrder(t *testing.T) {
	s := &story{T: t, pacer: newGaps(t, 100*ns, 20*ns, 3*ns)}

	s.say("the first packet leaves when it is ready, at 1000, and the list goes round")
	s.at(1000).send(64, 1000, 1100, 1120, 1123, 1223, 1243, 1246)

	s.say("sizes do not matter, not even none")
	s.send(1518, 1346)
	s.send(0, 1366)
}

func TestGapsStart(t *testing.T) {
	g := newGaps(t, 10*ns)
	g.Start = 5000
	s := &story{T: t, pacer: g}

	s.say("the first is told to leave at 5000")
	s.at(3000).send(64, 5000, 5010)

	s.say("a start in the past is now, and not a schedule to catch up with")
	g = newGaps(t, 10*ns)
	g.Start = 5000
	s.pacer = g
	s.at(9000).send(64, 9000, 9010)
}

func TestGapsCatchUp(t *testing.T) {
	s := &story{T: t, pacer: newGaps(t, 100*ns)}

	s.say("three packets on time")
	s.at(0).send(64, 0, 100, 200)

	s.say("the next is due at 300 but ready only at 550: it leaves at once")
	s.at(550).send(64, 550)

	s.say("so do those due at 400 and 500, then the schedule is kept again")
	s.send(64, 550, 550, 600, 700)
}

func TestGapsCarryFractions(t *testing.T) {
	s := &story{T: t, pacer: newGaps(t, 13_333_330)}

	s.say("13333.33 ns: a third of a nanosecond each, one in three gaps is longer")
	s.at(0).send(1500, 0, 13333, 26666, 39999, 53333)

	s.say("after a million gaps not one nanosecond is lost")
	for range 1_000_000 - 5 {
		s.pacer.Depart(pacer.Size{}, 0)
	}
	s.send(1500, 13_333_330_000)
}

func TestGapsOnce(t *testing.T) {
	g := newGaps(t, 100*ns, 20*ns)
	g.Once = true
	s := &story{T: t, pacer: g}

	s.say("two gaps make three departures")
	s.at(1000).send(64, 1000, 1100, 1120)

	s.say("what comes behind them is not paced, and does not overtake")
	s.send(64, 1120, 1120)
	s.at(1121).send(64, 1121, 1121)
	s.at(9000).send(64, 9000)
}

func TestGapsBetweenAbsoluteTimes(t *testing.T) {
	for _, text := range []string{"0 10.5 10.5 25", "10.5 10.5 25"} {
		s := &story{T: t}
		s.say("departures at " + text + " ns after the first packet's")
		times, err := pacer.ParseGaps(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		list, err := pacer.Between(times)
		if err != nil {
			t.Fatal(err)
		}

		s.say("the first leaves when it is ready, and the last is the first of the next round")
		s.pacer = newGaps(t, list...)
		s.at(1000).send(64, 1000, 1010, 1010, 1025, 1035, 1035, 1050)

		s.say("once, and with a start")
		g := newGaps(t, list...)
		g.Once, g.Start = true, 5000
		s.pacer = g
		s.send(64, 5000, 5010, 5010, 5025, 5025)
	}

	t.Log("# two packets at the start: the first 0 is the first packet's own, the second another's")
	s := &story{T: t, pacer: newGaps(t, between(t, 0, 0, 10*ns)...)}
	s.at(0).send(64, 0, 0, 10, 10, 20)
}

func between(t *testing.T, times ...pacer.Gap) []pacer.Gap {
	t.Helper()
	list, err := pacer.Between(times)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBetweenRefuses(t *testing.T) {
	for _, test := range []struct {
		times []pacer.Gap
		want  string
	}{
		{nil, "is empty"},
		{[]pacer.Gap{0}, "besides the first packet's 0"},
		{[]pacer.Gap{0, 5, 4}, "number 3 of the list is before"},
		{[]pacer.Gap{-1}, "number 1 of the list is before"},
	} {
		if _, err := pacer.Between(test.times); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error %v, want one with %q", test.times, err, test.want)
		}
	}
}

func TestGapsAtTheEndOfTime(t *testing.T) {
	s := &story{T: t, pacer: newGaps(t, math.MaxInt64)}
	s.say("the longest gap is 106 days: after 1000 of them 292 years are over")
	for range 1001 {
		s.pacer.Depart(pacer.Size{}, 0)
	}
	s.send(64, clock.Never, clock.Never)
}

func TestZeroGapsDoesNotPace(t *testing.T) {
	s := &story{T: t, pacer: &pacer.Gaps{}}
	s.at(5).send(64, 5, 5)
}

func TestNewGapsRefuses(t *testing.T) {
	if _, err := pacer.NewGaps(nil); err == nil {
		t.Error("an empty list was accepted")
	}
	if _, err := pacer.NewGaps(make([]pacer.Gap, pacer.MaxGaps+1)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a list that is too long: error %v", err)
	}
	if _, err := pacer.NewGaps([]pacer.Gap{1, 0, -1}); err == nil || !strings.Contains(err.Error(), "gap 3") {
		t.Errorf("a negative gap: error %v, want one that names gap 3", err)
	}
}

func TestParseGaps(t *testing.T) {
	got, err := pacer.ParseGaps(strings.NewReader("13560 12336\n\t12304\r\n0\n13333.33 .5 7. 0.001"))
	want := []pacer.Gap{13560 * ns, 12336 * ns, 12304 * ns, 0, 13_333_330, 500, 7 * ns, 1}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestParseGapsErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "empty"},
		{" \n\n ", "empty"},
		{"10\n20 3x0", `line 2 of the gaps: "3x0" is not a number`},
		{"10\n\n\n-5\n", `line 4 of the gaps: "-5" is not a number`},
		{"1.2.3", "not a number"},
		{".", "not a number"},
		{"1e3", "not a number"},
		{"1.0001", "finer than a picosecond"},
		{"9223372036854776", "too long for a gap"},
		{"99999999999999999999", "too long for a gap"},
		{"1\n" + strings.Repeat("1", 1e6), "line 2 of the gaps: \"11111111111111111111111111111111...\" is too long"},
		{strings.Repeat("1 ", pacer.MaxGaps+1), "more than 4194304 gaps"},
	} {
		_, err := pacer.ParseGaps(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.20q: error %v, want one with %q", test.text, err, test.want)
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := pacer.ParseGaps(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a broken reader: error %v, want %v", err, broken)
	}
}

// FuzzParseGaps compares with splitting into fields and reading rational numbers.
func FuzzParseGaps(f *testing.F) {
	for _, s := range []string{"13560", "1 2\n3\t4\r\n5.5 .25 6.", "x", "1.2345", "9223372036854775.807", "9223372036854775.808",
		"00000000000000000000000000000001", "\v1\f2", "1\x002", "1\xa02", "-1", "+1", "1_0", "0x10", "1/2", "..", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := pacer.ParseGaps(strings.NewReader(text))
		want := exactGaps(text)
		if (err == nil) != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	})
}

// exactGaps returns nil for what is not a list of gaps.
func exactGaps(text string) (list []pacer.Gap) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) }) {
		if strings.Trim(word, "0123456789.") != "" || len(word) > 32 {
			return nil
		}
		v, ok := new(big.Rat).SetString(word)
		if _, decimals, _ := strings.Cut(word, "."); !ok || len(decimals) > 3 {
			return nil
		}
		v.Mul(v, big.NewRat(1000, 1))
		if !v.IsInt() || !v.Num().IsInt64() {
			return nil
		}
		list = append(list, pacer.Gap(v.Num().Int64()))
	}
	return list
}

// FuzzGaps plays random lists against whole picoseconds in big numbers.
func FuzzGaps(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint64(12_951_578), uint8(seed), int64(seed)*1000)
	}
	f.Fuzz(func(t *testing.T, seed, longest uint64, n uint8, start int64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		list := make([]pacer.Gap, int(n)+1)
		for i := range list {
			list[i] = pacer.Gap(rng.Uint64N(longest>>1 + 1))
		}
		g := newGaps(t, list...)
		g.Start = clock.Time(start)
		now := int64(rng.Uint32N(1000))
		schedule := big.NewInt(max(now, start))
		schedule.Mul(schedule, big.NewInt(1000))
		for i := range 4 * len(list) {
			asked := g.Next(pacer.Size{}, clock.Time(now))
			got := g.Depart(pacer.Size{}, clock.Time(now))
			due := new(big.Int).Div(schedule, big.NewInt(1000))
			want := int64(clock.Never)
			if due.IsInt64() {
				want = max(now, due.Int64())
			}
			if int64(got) != want || asked != got {
				t.Fatalf("packet %d, ready at %d, leaves at %d and would at %d, want %d", i, now, got, asked, want)
			}
			schedule.Add(schedule, big.NewInt(int64(list[i%len(list)])))
			if rng.IntN(4) == 0 && got < clock.Never/2 {
				now = max(now, int64(got)+rng.Int64N(100_000)-50_000)
			}
		}
	})
}

func BenchmarkGaps(b *testing.B) {
	g := newGaps(b, 13_333_330, 12_951_578, 12_304_000)
	b.ReportAllocs()
	for b.Loop() {
		g.Depart(pacer.Size{}, 0)
	}
}

func BenchmarkParseGaps(b *testing.B) {
	text := strings.Repeat("13333.33\n", 10_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := pacer.ParseGaps(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
