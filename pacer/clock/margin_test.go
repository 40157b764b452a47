package clock

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The margin finds what one of a hundred sleeps is late by, wherever it begins, and follows
// when the machine becomes another.
func TestMarginLearns(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := mostMargin
		for _, longest := range []int{20_000, 90_000, 30_000} {
			over := 0
			const settle, count = 10_000, 20_000
			for i := range settle + count {
				late := time.Duration(rng.IntN(longest))
				if i >= settle && margin(late) > m {
					over++
				}
				m.learn(late)
			}
			if over < count/200 || over > count/50 {
				t.Errorf("seed %d: of sleeps up to %d ns late %d of %d were later than the margin", seed, longest, over, count)
			}
		}
	}
}

func TestMarginBounds(t *testing.T) {
	m := mostMargin
	for range 10_000 {
		m.learn(0)
	}
	if m != leastMargin {
		t.Errorf("after sleeps that were never late the margin is %d ns", m)
	}
	for range 100 {
		m.learn(time.Second)
	}
	if m != mostMargin {
		t.Errorf("after sleeps that were late by a second the margin is %d ns", m)
	}
}

// stopped returns a clock that nobody runs.
func stopped(m margin) *Real {
	r := &Real{margin: m, bed: make(goSleeper, 1), start: time.Now()}
	r.show()
	return r
}

// TestRest has the clock sleep in the gaps, for all of the time before what may be late by a
// sleep, and not at all where a sleep would hardly be longer than what it may be late by.
func TestRest(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		margin       margin
		loose, exact Time // from now; Never for none
		want         time.Duration
	}{
		{10_000, Time(time.Millisecond), Never, time.Millisecond},
		{mostMargin, Time(time.Millisecond), Never, time.Millisecond},
		{10_000, Never, Time(115 * us), 105 * us}, // 100 Mbit/s
		{10_000, Never, Time(23 * us), 13 * us},   // 500 Mbit/s
		{10_000, Never, Time(12 * us), 0},
		{mostMargin, Never, Time(115 * us), 0}, // a busy machine keeps the departure
		{mostMargin, Never, Time(time.Millisecond), 900 * us},
		{10_000, Time(50 * us), Time(115 * us), 50 * us},
		{10_000, Time(50 * us), Time(15 * us), 0},
	} {
		const now = Time(1_000_000)
		r := stopped(c.margin)
		set := func(at Time, queue int) {
			if at != Never {
				r.set(&realTimer{clock: r}, now+at, queue)
			}
		}
		set(c.loose, loose)
		set(c.exact, exact)
		if got := r.rest(now); got != c.want && (got > 0 || c.want > 0) {
			t.Errorf("margin %v, loose after %v, exact after %v: sleeps %v, want %v",
				time.Duration(c.margin), c.loose, c.exact, got, c.want)
		}
	}
}

// A margin that keeps the clock awake does not stay for ever: each departure that it has spun
// for wears it down, once.
func TestMarginWears(t *testing.T) {
	r := stopped(mostMargin)
	timer := &realTimer{clock: r}
	now, departures := Time(0), 0
	for r.rest(now) <= 0 {
		now += 115_000
		r.set(timer, now+115_000, exact)
		before := r.margin
		for range 10 {
			r.rest(now)
		}
		if departures++; departures > 10_000 || before-r.margin > 50 {
			t.Fatalf("after %d departures the margin is %v, and was %v", departures, r.margin, before)
		}
	}
	if m := time.Duration(r.margin); m < 55*time.Microsecond || departures > 1000 {
		t.Errorf("after %d departures it sleeps, with a margin of %v", departures, m)
	}
}

// A timer goes from one queue to the other, and the order of equal times stays that of asking.
func TestQueuesKeepOrder(t *testing.T) {
	r := stopped(leastMargin)
	var ran []int
	timers := make([]*realTimer, 6)
	for i := range timers {
		timers[i] = &realTimer{clock: r, timer: timer{f: func() { ran = append(ran, i) }}}
	}
	for i, queue := range []int{exact, loose, exact, loose, loose, exact} {
		r.set(timers[i], 100, queue)
	}
	if !r.set(timers[1], 100, exact) || !r.set(timers[0], 100, loose) || !timers[4].Stop() || timers[4].Stop() {
		t.Error("a timer was not where it was put")
	}
	r.run(99)
	r.run(100)
	want := []int{2, 3, 5, 1, 0}
	if len(ran) != len(want) {
		t.Fatalf("ran %v, want %v", ran, want)
	}
	for i := range want {
		if ran[i] != want[i] {
			t.Fatalf("ran %v, want %v", ran, want)
		}
	}
}
