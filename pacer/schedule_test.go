package pacer_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

func newSchedule(t testing.TB, text string) *pacer.Schedule {
	t.Helper()
	list, period, err := pacer.ParseSchedule(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := pacer.NewSchedule(list, period, pacer.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScheduleSteps(t *testing.T) {
	s := &story{T: t, pacer: newSchedule(t, "0 8M\n0.010 80M\n0.011 800K")}

	s.say("8 Mbit/s are 1 ms for 1000 bytes, and the time of the steps begins at 5 ms")
	s.at(5_000_000).send(1000, 5_000_000, 6_000_000)

	s.say("at 14.5 ms a packet leaves; half of it is paid at 15 ms, where 80 Mbit/s begin, and half in 50 us")
	s.at(14_500_000).send(1000, 14_500_000, 15_050_000, 15_150_000)

	s.say("a packet that is ready at 15.95 ms is paid half at 80 Mbit/s and half at 800 kbit/s")
	s.at(15_950_000).send(1000, 15_950_000, 21_000_000, 31_000_000)

	s.say("nothing is saved up in a pause of the traffic")
	s.at(99_000_000).send(1000, 99_000_000, 109_000_000)
}

func TestSchedulePauses(t *testing.T) {
	s := &story{T: t, pacer: newSchedule(t, "0 0\n0.001 8M\n0.003 0\n0.005 8M\n0.007 0")}

	s.say("the schedule begins with a pause of 1 ms, which no data leaves in, but an ACK may")
	s.at(0).send(0, 0)
	s.send(1000, 1_000_000, 2_000_000)

	s.say("the third is paid for at 3 ms, when the next pause begins, and leaves at its end")
	s.send(1000, 5_000_000, 6_000_000)

	s.say("the last pause has no end")
	s.send(1000, clock.Never)
}

func TestScheduleBeginsWithThePause(t *testing.T) {
	s := newSchedule(t, "0 0\n5 8M")
	n := pacer.Size{Payload: 1000}
	t.Log("# to ask begins the time of the steps, so that a packet that waited for the departure does not wait again")
	if got := s.Next(n, 1e9); got != 6e9 {
		t.Fatalf("it leaves at %v", got)
	}
	if got := s.Depart(n, 6e9); got != 6e9 {
		t.Fatalf("it leaves at %v", got)
	}
}

func TestScheduleRepeats(t *testing.T) {
	s := &story{T: t, pacer: newSchedule(t, "0 8M\n0.002 0\n0.010 repeat")}

	s.say("two packets of 1 ms each in every round of 10 ms")
	s.at(0).send(1000, 0, 1_000_000, 10_000_000, 11_000_000, 20_000_000)

	s.say("one of 1.5 ms shifts those behind it, across the rounds")
	s.send(1500, 21_000_000)
	s.send(1000, 30_500_000, 31_500_000, 40_500_000)

	s.say("after a pause of the traffic the steps go on as if there had been none")
	s.at(1_004_000_000).send(1000, 1_010_000_000)
	s.at(1_041_500_000).send(1000, 1_041_500_000, 1_050_500_000)

	s.say("a packet as large as many rounds, 1 GB, is 500,000 of them")
	s.at(2_000_000_000).send(1e9, 2_000_000_000)
	s.send(1000, 5_002_000_000_000)
}

func TestScheduleStart(t *testing.T) {
	schedule := newSchedule(t, "0 8M\n0.001 80M")
	schedule.Start = 5_000_000
	s := &story{T: t, pacer: schedule}
	s.say("the steps begin at 5 ms, and the first packet with them")
	s.at(0).send(1000, 5_000_000, 6_000_000, 6_100_000)
}

func TestScheduleKeepsToTheLine(t *testing.T) {
	schedule := newSchedule(t, "0 8G\n0.000003 0\n0.000010 8G")
	schedule.Rate.Line = 1e9
	s := &story{T: t, pacer: schedule}
	s.say("8 Gbit/s of payload on a line of 1 Gbit/s: a packet of 250 bytes takes 2 us there, and at 4 us there is a pause")
	s.at(0).send(250, 0, 2000, 10_000, 12_000)
}

func TestZeroScheduleDoesNotPace(t *testing.T) {
	s := &story{T: t, pacer: &pacer.Schedule{}}
	s.at(5).send(1500, 5, 5)
}

func TestNewScheduleRefuses(t *testing.T) {
	step := func(at time.Duration, bps int64) pacer.Step { return pacer.Step{At: at, BitsPerSecond: bps} }
	for _, test := range []struct {
		list   []pacer.Step
		period time.Duration
		unit   pacer.Unit
		want   string
	}{
		{nil, 0, 0, "lets nothing leave"},
		{[]pacer.Step{step(0, 0), step(1, 0)}, 0, 0, "lets nothing leave"},
		{[]pacer.Step{step(1, 1)}, 0, 0, "step 1 of the schedule: the first step is at 1ns and must be at 0"},
		{[]pacer.Step{step(0, 1), step(0, 2)}, 0, 0, "step 2 of the schedule: 0s is not after 0s"},
		{[]pacer.Step{step(0, -1)}, 0, 0, "must be at least 0"},
		{[]pacer.Step{step(0, 1), step(7, 1)}, 7, 0, "repeats after 7ns, which is not after its last step"},
		{[]pacer.Step{step(0, 1)}, -1, 0, "repeats after -1ns"},
		{[]pacer.Step{step(0, 1)}, 0, 3, "wire, IP or payload"},
		{make([]pacer.Step, pacer.MaxSteps+1), 0, 0, "too long"},
	} {
		if _, err := pacer.NewSchedule(test.list, test.period, test.unit); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.5v: error %v, want one with %q", test.list, err, test.want)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	list, period, err := pacer.ParseSchedule(strings.NewReader("# seconds rate\n0 100M # at first\r\n\n\t5.5   50m\n 6.000000001 0\n10 repeat"))
	want := []pacer.Step{{At: 0, BitsPerSecond: 100e6}, {At: 5_500_000_000, BitsPerSecond: 50e6}, {At: 6_000_000_001}}
	if err != nil || !slices.Equal(list, want) || period != 10*time.Second {
		t.Errorf("got %v, %v, %v, want %v", list, period, err, want)
	}
}

func TestParseScheduleErrors(t *testing.T) {
	var long strings.Builder
	for i := range pacer.MaxSteps + 1 {
		fmt.Fprintln(&long, i, "1M")
	}
	for _, test := range []struct{ text, want string }{
		{"", "lets nothing leave"},
		{"# nothing\n\n", "lets nothing leave"},
		{"0 0\n1 repeat", "lets nothing leave"},
		{"0 1M\n\n5", `line 3 of the schedule: "5" is not a time in seconds and a rate`},
		{"0 1M 2M", "is not a time in seconds and a rate"},
		{"0 1M\nx 1M", `line 2 of the schedule: "x" is not a number of seconds`},
		{"-1 1M", "is not a number of seconds"},
		{"0 fast", `line 1 of the schedule: "fast" is not a rate in bit/s`},
		{"0 1M\n0.0000000001 2M", "finer than a nanosecond"},
		{"0 1M\n9999999999999 2M", "too long"},
		{"1 1M", "must be at 0"},
		{"0 1M\n5 2M\n5 3M", "line 3 of the schedule: 5s is not after 5s"},
		{"repeat 5", "is not a number of seconds"},
		{"5 repeat", "after the last step's"},
		{"0 1M\n5 2M\n5 repeat", "line 3 of the schedule: repeat must be at a time after the last step's"},
		{"0 1M\n5 repeat\n6 1M", "line 3 of the schedule: repeat must stand on the last line"},
		{"0 1M\n# " + strings.Repeat("x", 5000), "line 2 of the schedule has more than 4096 characters"},
		{long.String(), "more than 65536 steps"},
	} {
		_, _, err := pacer.ParseSchedule(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Count(err.Error(), "pacer:") != 1 {
			t.Errorf("%.20q: error %v, want one with %q", test.text, err, test.want)
		}
	}
	broken := errors.New("the disk is gone")
	if _, _, err := pacer.ParseSchedule(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a broken reader: error %v, want %v", err, broken)
	}
}

// FuzzParseSchedule holds that what is read can be used.
func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"0 100M\n5.5 50M # half\n10 repeat", "0 0\n1 1", "0\t1.5G\r\n", "0 1M\n0 1M", "#", "0 repeat", "1 1\n", "0 1 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, period, err := pacer.ParseSchedule(strings.NewReader(text))
		if err != nil {
			return
		}
		s, err := pacer.NewSchedule(list, period, pacer.Wire)
		if err != nil {
			t.Fatalf("%q is read and then refused: %v", text, err)
		}
		last := clock.Time(0)
		for range 100 {
			next := s.Depart(pacer.Size{Wire: 1538}, 0)
			if next < last {
				t.Fatalf("%q: a departure at %v after one at %v", text, next, last)
			}
			last = next
		}
	})
}

// exactSchedule is Schedule by its definition: the integral of the rate, in whole numbers
// of bits * 1e9, and its inverse.
type exactSchedule struct {
	list   []pacer.Step
	period int64
	start  int64

	begun      bool
	last       int64
	from, sent *big.Int // the integral at the start of the run, and what has left since
}

// integral returns what is paid for from the start of the steps to t.
func (e *exactSchedule) integral(t int64) *big.Int {
	t -= e.start
	sum := new(big.Int)
	if e.period > 0 {
		sum.Mul(e.upTo(e.period), big.NewInt(t/e.period))
		t %= e.period
	}
	return sum.Add(sum, e.upTo(t))
}

// upTo returns what one round pays for in its first t ns.
func (e *exactSchedule) upTo(t int64) *big.Int {
	sum := new(big.Int)
	for i, step := range e.list {
		end := t
		if i+1 < len(e.list) {
			end = min(t, int64(e.list[i+1].At))
		}
		if length := end - int64(step.At); length > 0 {
			sum.Add(sum, new(big.Int).Mul(big.NewInt(length), big.NewInt(step.BitsPerSecond)))
		}
	}
	return sum
}

// when returns the first time in no pause at which v is paid for, rounded down.
func (e *exactSchedule) when(v *big.Int) int64 {
	at, v := new(big.Int), new(big.Int).Set(v)
	if e.period > 0 {
		at.DivMod(v, e.upTo(e.period), v)
		at.Mul(at, big.NewInt(e.period))
	}
	for i, step := range e.list {
		if i+1 < len(e.list) && v.Cmp(e.upTo(int64(e.list[i+1].At))) >= 0 {
			continue
		}
		if step.BitsPerSecond == 0 {
			return int64(clock.Never)
		}
		v.Sub(v, e.upTo(int64(step.At)))
		v.Div(v, big.NewInt(step.BitsPerSecond))
		at.Add(at, v).Add(at, big.NewInt(int64(step.At))).Add(at, big.NewInt(e.start))
		break
	}
	if !at.IsInt64() {
		return int64(clock.Never)
	}
	return at.Int64()
}

func (e *exactSchedule) depart(size int, now int64) int64 {
	if !e.begun {
		e.begun = true
		e.start = max(e.start, now)
		e.from, e.sent = new(big.Int), new(big.Int)
	}
	now = max(now, e.last)
	due := e.when(new(big.Int).Add(e.from, e.sent))
	if now > due {
		e.from, e.sent = e.integral(now), new(big.Int)
		due = e.when(e.from)
	}
	e.last = now
	if size > 0 {
		e.last = due
		e.sent.Add(e.sent, new(big.Int).Mul(big.NewInt(int64(size)), big.NewInt(8e9)))
	}
	return e.last
}

// FuzzSchedule plays random steps and traffic against the integral of the rate.
func FuzzSchedule(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, uint8(seed), uint8(seed*7), uint8(seed*13), seed%3 > 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n, span, speed uint8, repeat bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var list []pacer.Step
		at := time.Duration(0)
		for range 1 + int(n%16) {
			step := pacer.Step{At: at, BitsPerSecond: rng.Int64N(1 << (10 + speed%34))}
			if rng.IntN(4) == 0 {
				step.BitsPerSecond = 0
			}
			list = append(list, step)
			at += 1 + time.Duration(rng.Int64N(1<<(span%40)))
		}
		period := time.Duration(0)
		if repeat {
			period = at
		}
		s, err := pacer.NewSchedule(list, period, pacer.Wire)
		if err != nil {
			return // all are pauses
		}
		s.Start = clock.Time(rng.Int64N(1000))
		exact := &exactSchedule{list: list, period: int64(period), start: int64(s.Start)}
		now := rng.Int64N(1000)
		for range 200 {
			size := rng.IntN(1 << rng.IntN(17))
			n := pacer.Size{Wire: size}
			asked, got := s.Next(n, clock.Time(now)), s.Depart(n, clock.Time(now))
			if want := exact.depart(size, now); int64(got) != want || asked != got {
				t.Fatalf("%v, again after %d:\n%d bytes at %d leave at %d and would at %d, want %d", list, period, size, now, got, asked, want)
			}
			if got > clock.Never/4 {
				return
			}
			switch rng.IntN(4) {
			case 0:
				now = max(now, int64(got)+rng.Int64N(1<<(span%40)))
			case 1:
				now = int64(got)
			}
		}
	})
}

// After a million packets and any number of rounds the departures are as exact as the first.
func TestScheduleHasNoDrift(t *testing.T) {
	s := newSchedule(t, "0 950M\n0.333333333 999.999937M\n0.5 7\n0.6 3.333333333G\n0.777777777 repeat")
	exact := &exactSchedule{period: 777_777_777, list: []pacer.Step{{At: 0, BitsPerSecond: 950e6},
		{At: 333_333_333, BitsPerSecond: 999_999_937}, {At: 500_000_000, BitsPerSecond: 7}, {At: 600_000_000, BitsPerSecond: 3_333_333_333}}}
	sent := int64(0)
	for i := range 1_000_000 {
		n := pacer.Size{Payload: 1448 - i%1000}
		got := s.Depart(n, 0)
		if i%1000 == 0 || i > 999_000 {
			v := new(big.Int).Mul(big.NewInt(sent), big.NewInt(8e9))
			if want := exact.when(v); int64(got) != want {
				t.Fatalf("packet %d leaves at %d, want %d", i, got, want)
			}
		}
		sent += int64(n.Payload)
	}
}

// Steps and packets at the bounds of what is possible end in bounded time, and at Never.
func TestScheduleAtTheEndOfTime(t *testing.T) {
	huge := pacer.Size{Payload: math.MaxInt}
	for _, text := range []string{
		"0 1\n0.000000001 repeat",
		"0 1\n9223372036.854775807 1000T",
		"0 1\n0.000000001 0\n9223372036.854775807 repeat",
		"0 1K\n0.000000001 0\n1 repeat",
	} {
		s := newSchedule(t, text)
		last := clock.Time(0)
		for range 1000 {
			next := s.Depart(huge, last)
			if next < last {
				t.Fatalf("%q: a departure at %v after one at %v", text, next, last)
			}
			last = next
		}
		if last != clock.Never {
			t.Errorf("%q: after 1000 packets of 1 GiB it is %v", text, last)
		}
	}
}

// A flow of 1 Mbit/s is halted for a second and then runs at twice the rate.
func ExampleSchedule() {
	steps, period, err := pacer.ParseSchedule(strings.NewReader(`
		0    1M
		0.02 0
		1    2M
	`))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := pacer.NewSchedule(steps, period, pacer.Payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 5 {
		fmt.Println(s.Depart(pacer.Size{Payload: 1250}, 0))
	}

	// Output:
	// 0.000000000s
	// 0.010000000s
	// 1.000000000s
	// 1.005000000s
	// 1.010000000s
}

func BenchmarkSchedule(b *testing.B) {
	for _, text := range []string{"0 950M", "0 950M\n0.001 100M\n0.002 repeat", "0 950M\n0.000001 100M\n0.000002 0\n0.000003 repeat"} {
		b.Run(text[strings.LastIndex(text, "\n")+1:], func(b *testing.B) {
			s := newSchedule(b, text)
			n := pacer.Size{Payload: 1448}
			b.ReportAllocs()
			for b.Loop() {
				s.Depart(n, s.Next(n, 0))
			}
		})
	}
}
