package stack

import (
	"slices"
	"testing"
)

// What is put in comes out in order, at whatever time it is looked for.
func TestMailbox(t *testing.T) {
	var m mailbox[int]
	var got []int
	take := func() bool { return m.take(func(v *int) { got = append(got, *v) }) }
	if take() {
		t.Error("an empty mailbox has something")
	}
	next := 0
	for round := range 20 {
		for range round % 4 {
			m.put(next, nil)
			next++
		}
		if take() != (round%4 > 0) {
			t.Fatalf("round %d: it does not say what there was", round)
		}
	}
	for i, v := range got {
		if i != v {
			t.Fatalf("%d is number %d", v, i)
		}
	}
	if len(got) != next {
		t.Errorf("%d of %d came out", len(got), next)
	}
	if n := testing.AllocsPerRun(100, func() {
		m.put(next, nil)
		m.take(func(*int) {})
	}); n > 0 {
		t.Errorf("%v allocations a value", n)
	}
}

// No more than mostMail values wait, and those beyond are joined to the last.
func TestMailboxIsBounded(t *testing.T) {
	var m mailbox[int]
	for range mostMail + 5 {
		m.put(1, func(last *int, v int) { *last += v })
	}
	var got []int
	m.take(func(v *int) { got = append(got, *v) })
	want := append(slices.Repeat([]int{1}, mostMail-1), 6)
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// One goroutine puts, another takes: nothing is lost, twice there, or out of order.
func TestMailboxBetweenGoroutines(t *testing.T) {
	const most = 20_000
	var m mailbox[[2]int] // from and to
	go func() {
		for i := range most {
			m.put([2]int{i, i + 1}, func(last *[2]int, v [2]int) { last[1] = v[1] })
		}
	}()
	next := 0
	for next < most {
		m.take(func(v *[2]int) {
			if v[0] != next {
				t.Errorf("%v follows on %d", *v, next)
			}
			next = v[1]
		})
	}
}
