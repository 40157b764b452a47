package clock_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netcaliper/caliper/pacer/clock"
)

func newReal(t testing.TB) *clock.Real {
	r := clock.NewReal()
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRealRunsFunctions(t *testing.T) {
	r := newReal(t)
	// At once, within the last stretch where the clock spins, and after a sleep.
	for _, d := range []time.Duration{-time.Second, 0, 1, 20 * time.Microsecond, 150 * time.Microsecond, 3 * time.Millisecond} {
		ran := make(chan clock.Time)
		asked := r.Now()
		r.AfterFunc(d, func() { ran <- r.Now() })
		if at := <-ran; at < asked.Add(d) || at < asked {
			t.Errorf("asked at %v for %v later, ran at %v", asked, d, at)
		}
	}
}

func TestRealRunsInOrder(t *testing.T) {
	r := newReal(t)
	var ran []int
	done := make(chan struct{})
	r.Do(func() {
		// From within a function nothing else runs, so all are set before the first.
		at := r.Now() + 300_000
		for _, i := range []int{5, 3, 9, 1, 7} {
			r.AfterFunc(0, func() { ran = append(ran, i) }).ResetAt(at + clock.Time(i))
		}
		for _, i := range []int{2, 4, 6, 8} {
			r.AfterFunc(0, func() { ran = append(ran, 10*i) }).ResetAt(at + 5)
		}
		r.AfterFunc(0, func() { close(done) }).ResetAt(at + 10)
	})
	<-done
	if want := []int{1, 3, 5, 20, 40, 60, 80, 7, 9}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
}

func TestRealStopAndReset(t *testing.T) {
	r := newReal(t)
	r.Do(func() {
		timer := r.AfterFunc(0, func() { t.Error("a function ran though its timer was stopped") })
		for _, step := range []struct {
			what      string
			got, want bool
		}{
			{"stop", timer.Stop(), true},
			{"stop again", timer.Stop(), false},
			{"reset", timer.Reset(0), false},
			{"reset again", timer.ResetAt(r.Now() + 1), true},
			{"reset to never", timer.ResetAt(clock.Never), true},
			{"never twice", timer.ResetAt(clock.Never), false},
			{"the longest delay", timer.Reset(1<<63 - 1), false},
			{"stop that", timer.Stop(), true},
		} {
			if step.got != step.want {
				t.Errorf("%s: was to be called %v, want %v", step.what, step.got, step.want)
			}
		}
	})
	// Whatever is due has run before a function that was asked for later.
	r.Do(func() {})
}

// An earlier timer set from outside ends a sleep that was to last longer.
func TestRealWakesForAnEarlierTimer(t *testing.T) {
	r := newReal(t)
	late := r.AfterFunc(time.Hour, func() { t.Error("an hour has passed") })
	for range 100 {
		ran := make(chan struct{})
		r.AfterFunc(200*time.Microsecond, func() { close(ran) })
		<-ran
	}
	if !late.Stop() {
		t.Error("the timer for the next hour is gone")
	}
}

// Many goroutines set, move and stop timers. Each timer is called or was stopped, and
// the functions, which share memory without a lock, run one at a time.
func TestRealTimersFromOtherGoroutines(t *testing.T) {
	r := newReal(t)
	const goroutines, timers = 8, 300
	var stopped atomic.Int64
	var pending, working sync.WaitGroup
	pending.Add(goroutines * timers)
	ran := 0 // belongs to the clock's goroutine
	for g := range goroutines {
		working.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			for range timers {
				timer := r.AfterFunc(time.Duration(rng.IntN(300))*time.Microsecond, func() {
					ran++
					pending.Done()
				})
				switch rng.IntN(4) {
				case 0:
					if timer.Stop() {
						stopped.Add(1)
						pending.Done()
					}
				case 1:
					if !timer.Reset(time.Duration(rng.IntN(300)) * time.Microsecond) {
						pending.Add(1) // it had been called and will be again
					}
				}
			}
		})
	}
	working.Wait()
	pending.Wait()
	r.Do(func() {
		if ran < goroutines*timers-int(stopped.Load()) {
			t.Errorf("%d functions ran and %d were stopped of %d", ran, stopped.Load(), goroutines*timers)
		}
	})
}

func TestRealClose(t *testing.T) {
	running := goleak.IgnoreCurrent()

	t.Log("# a clock that sleeps for an hour")
	asleep := clock.NewReal()
	asleep.AfterFunc(time.Hour, func() { t.Error("an hour has passed") })

	t.Log("# one that never rests: a timer sets itself off every 10 us")
	busy := clock.NewReal()
	var timer clock.Timer
	var closed atomic.Bool
	busy.Do(func() {
		timer = busy.AfterFunc(0, func() {
			if closed.Load() {
				t.Error("a function ran after Close")
			}
			timer.Reset(10 * time.Microsecond)
		})
	})

	t.Log("# one that nobody ever asked for anything")
	idle := clock.NewReal()

	t.Log("# all are closed, from two goroutines at once and again")
	for _, r := range []*clock.Real{asleep, busy, idle} {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { r.Close() })
		}
		both.Wait()
		r.Close()
	}
	closed.Store(true)
	goleak.VerifyNone(t, running)

	t.Log("# a closed clock tells the time and runs nothing")
	before := busy.Now()
	busy.AfterFunc(0, func() { t.Error("a function ran after Close") })
	busy.Do(func() { t.Error("Do ran a function after Close") })
	if busy.Now() < before {
		t.Error("time went back")
	}
}

func TestRealWall(t *testing.T) {
	r := newReal(t)
	if got := r.Wall(5e9).Sub(r.Wall(3e9)); got != 2*time.Second {
		t.Errorf("5 s is %v after 3 s", got)
	}
	early := time.Now()
	wall := r.Wall(r.Now())
	if late := time.Now(); wall.Before(early) || wall.After(late) {
		t.Errorf("the date of now is %v, between %v and %v", wall, early, late)
	}
}

// BenchmarkReal runs a timer every 10 us and reports how far the gaps between two runs
// were from that.
func BenchmarkReal(b *testing.B) {
	const gap = clock.Time(10 * time.Microsecond)
	r := newReal(b)
	errors := make([]clock.Time, 0, b.N)
	done := make(chan struct{})
	r.Do(func() {
		next := r.Now() + gap
		var last clock.Time
		var timer clock.Timer
		timer = r.AfterFunc(time.Hour, func() {
			now := r.Now()
			if last != 0 {
				errors = append(errors, max(now-last-gap, gap-(now-last)))
			}
			last = now
			if len(errors) == b.N {
				close(done)
				return
			}
			next += gap
			timer.ResetAt(next)
		})
		timer.ResetAt(next)
	})
	<-done
	slices.Sort(errors)
	b.ReportMetric(float64(errors[len(errors)/2]), "p50-ns")
	b.ReportMetric(float64(errors[len(errors)*99/100]), "p99-ns")
	b.ReportMetric(float64(errors[len(errors)-1]), "max-ns")
}
