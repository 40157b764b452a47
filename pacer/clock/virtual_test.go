package clock_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestVirtualJumpsFromEventToEvent(t *testing.T) {
	v := clock.NewVirtual()
	var ran []clock.Time
	note := func() { ran = append(ran, v.Now()) }

	t.Log("# a new clock stands at 0 and has nothing to do")
	if v.Now() != 0 || v.Next() != clock.Never || v.Step() {
		t.Fatalf("now %v, next %v", v.Now(), v.Next())
	}

	t.Log("# three events, asked for out of order; a negative delay means now")
	v.AfterFunc(3*time.Hour, note)
	v.AfterFunc(7, note)
	v.AfterFunc(-time.Second, note)
	if v.Next() != 0 || len(ran) != 0 {
		t.Fatalf("next %v with %d run, want 0 with none", v.Next(), len(ran))
	}

	t.Log("# until 7 means including what is at 7, and the time stays there")
	v.RunUntil(7)
	if want := []clock.Time{0, 7}; !slices.Equal(ran, want) || v.Now() != 7 {
		t.Fatalf("ran at %v, now %v, want %v at 7", ran, v.Now(), want)
	}

	t.Log("# time passes without events too, and never goes back")
	v.RunUntil(1000)
	v.RunUntil(10)
	if v.Now() != 1000 {
		t.Fatalf("now %v, want 1000 ns", v.Now())
	}

	t.Log("# until there is nothing left: the time is that of the last event")
	v.RunUntil(clock.Never)
	if v.Now() != clock.Time(3*time.Hour) || len(ran) != 3 || v.Step() {
		t.Fatalf("ran at %v, now %v", ran, v.Now())
	}
}

func TestVirtualOrderOfEqualTimes(t *testing.T) {
	v := clock.NewVirtual()
	var ran strings.Builder
	note := func(name string) func() { return func() { ran.WriteString(name) } }

	t.Log("# five timers for the same time run in the order in which they were asked for")
	a := v.AfterFunc(100, note("a"))
	v.AfterFunc(100, note("b"))
	c := v.AfterFunc(50, note("c"))
	v.AfterFunc(100, note("d"))

	t.Log("# to ask again, also for the same time, is to go to the end of the row")
	a.Reset(100)
	c.ResetAt(100)

	t.Log("# what an event asks for at its own time comes after what is there already")
	v.AfterFunc(100, func() {
		ran.WriteString("e")
		v.AfterFunc(0, note("f"))
		v.AfterFunc(-5, note("g"))
		v.AfterFunc(1, note("i")).ResetAt(0)
	})
	v.AfterFunc(100, note("h"))
	v.RunUntil(100)
	if got, want := ran.String(), "bdacehfgi"; got != want {
		t.Errorf("ran %s, want %s", got, want)
	}
}

func TestVirtualStopAndReset(t *testing.T) {
	v := clock.NewVirtual()
	runs := 0
	timer := v.AfterFunc(10, func() { runs++ })
	want := func(what string, was, wantWas bool, wantRuns int) {
		t.Helper()
		if was != wantWas || runs != wantRuns {
			t.Fatalf("%s: was to be called %v, called %d times, want %v and %d", what, was, runs, wantWas, wantRuns)
		}
	}
	want("stop a timer that waits", timer.Stop(), true, 0)
	want("stop it again", timer.Stop(), false, 0)
	v.RunUntil(20)
	want("set it off again", timer.Reset(10), false, 0)
	want("and later instead", timer.Reset(30), true, 0)
	v.RunUntil(49)
	want("one ns too early", true, true, 0)
	v.RunUntil(50)
	want("stop after the call", timer.Stop(), false, 1)
	want("an absolute time", timer.ResetAt(100), false, 1)
	want("never, which is to stop", timer.ResetAt(clock.Never), true, 1)
	v.RunUntil(1000)
	want("a time that is over means now", timer.ResetAt(3), false, 1)
	if v.Next() != 1000 {
		t.Fatalf("next at %v, want 1000 ns", v.Next())
	}
	v.Step()
	want("it was called", timer.Reset(1<<63-1), false, 2)
	if v.Next() >= clock.Never {
		t.Fatal("the longest delay is never over")
	}
}

func TestVirtualTimerSetsItselfOff(t *testing.T) {
	v := clock.NewVirtual()
	var timer clock.Timer
	runs := 0
	timer = v.AfterFunc(0, func() {
		runs++
		timer.ResetAt(v.Now() + 8)
	})
	v.RunUntil(800)
	if runs != 101 {
		t.Errorf("%d runs in 800 ns, one each 8 ns, want 101", runs)
	}
	if allocs := testing.AllocsPerRun(100, func() { v.Step() }); allocs != 0 {
		t.Errorf("%v allocations to run a timer and set it again, want none", allocs)
	}
}

func TestVirtualWall(t *testing.T) {
	v := clock.NewVirtual()
	if got, want := v.Wall(1_500_000_001).Format(time.RFC3339Nano), "1970-01-01T00:00:01.500000001Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A program of timers that start, stop and move each other at random runs the same way
// each time it is run with the same seed, and another way with another.
func TestVirtualIsDeterministic(t *testing.T) {
	run := func(seed uint64) string {
		rng := rand.New(rand.NewPCG(seed, 0))
		v := clock.NewVirtual()
		var log strings.Builder
		timers := make([]clock.Timer, 50)
		var last clock.Time
		for i := range timers {
			timers[i] = v.AfterFunc(time.Duration(rng.IntN(100)), func() {
				now := v.Now()
				if now < last {
					t.Errorf("time went back from %v to %v", last, now)
				}
				last = now
				fmt.Fprintln(&log, now, i)
				for range 3 {
					other := timers[rng.IntN(len(timers))]
					switch rng.IntN(4) {
					case 0:
						fmt.Fprintln(&log, other.Stop())
					case 1:
						other.ResetAt(now + clock.Time(rng.IntN(20)) - 5)
					default:
						other.Reset(time.Duration(rng.IntN(20)))
					}
				}
			})
		}
		for range 10_000 {
			if !v.Step() {
				break
			}
		}
		return log.String()
	}
	first := run(1)
	if strings.Count(first, "\n") < 10_000 {
		t.Errorf("the program ended early: %d lines", strings.Count(first, "\n"))
	}
	if run(1) != first {
		t.Error("a second run with the same seed was another")
	}
	if run(2) == first {
		t.Error("a run with another seed was the same")
	}
}

// Each operation runs one of n timers, which sets itself off again.
func BenchmarkVirtual(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			v := clock.NewVirtual()
			for range n {
				delay := time.Duration(1 + rng.IntN(1e6))
				var timer clock.Timer
				timer = v.AfterFunc(delay, func() { timer.Reset(delay) })
			}
			b.ReportAllocs()
			for b.Loop() {
				v.Step()
			}
		})
	}
}
