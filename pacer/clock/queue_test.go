package clock

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sorted is the queue as a sorted list: what a heap must agree with.
type sorted []entry

type entry struct {
	at   Time
	name int
}

func (s *sorted) find(name int) int {
	return slices.IndexFunc(*s, func(e entry) bool { return e.name == name })
}

func (s *sorted) remove(name int) bool {
	i := s.find(name)
	if i >= 0 {
		*s = slices.Delete(*s, i, i+1)
	}
	return i >= 0
}

func (s *sorted) set(name int, at Time) bool {
	was := s.remove(name)
	if at == Never {
		return was
	}
	i := 0
	for i < len(*s) && (*s)[i].at <= at {
		i++
	}
	*s = slices.Insert(*s, i, entry{at, name})
	return was
}

func (s *sorted) next() Time {
	if len(*s) == 0 {
		return Never
	}
	return (*s)[0].at
}

// FuzzQueue does to a heap and a sorted list what the script says, three bytes a step:
// what to do, with which of 64 timers, and at what time.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 1, 5, 0, 2, 5, 0, 3, 5, 3, 0, 255, 3, 0, 255, 3, 0, 255})
	f.Add([]byte{0, 1, 5, 0, 2, 4, 0, 1, 4, 2, 2, 0, 3, 0, 3, 3, 0, 4})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		script := make([]byte, 3*500)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		var heap queue
		var list sorted
		var timers [64]timer
		for i := range timers {
			timers[i].index = -1
		}
		for ; len(script) >= 3; script = script[3:] {
			name := int(script[1] % 64)
			at := Time(script[2])
			if at == 255 {
				at = Never
			}
			switch tm := &timers[name]; script[0] % 4 {
			case 0, 1:
				if got, want := heap.set(tm, at), list.set(name, at); got != want {
					t.Fatalf("set %d to %v: was there %v, want %v", name, at, got, want)
				}
			case 2:
				if got, want := heap.remove(tm), list.remove(name); got != want {
					t.Fatalf("remove %d: was there %v, want %v", name, got, want)
				}
			case 3:
				got := heap.pop(at)
				if list.next() > at || len(list) == 0 {
					if got != nil {
						t.Fatalf("pop at %v: a timer for %v, want none", at, got.at)
					}
				} else if want := &timers[list[0].name]; got != want {
					t.Fatalf("pop at %v: another timer than %d, the earliest", at, list[0].name)
				} else {
					list = list[1:]
				}
			}
			check(t, &heap, list)
		}
	})
}

func check(t *testing.T, q *queue, list sorted) {
	t.Helper()
	if q.next() != list.next() || len(q.timers) != len(list) {
		t.Fatalf("%d timers, the next at %v, want %d at %v", len(q.timers), q.next(), len(list), list.next())
	}
	for i, tm := range q.timers {
		if tm.index != i {
			t.Fatalf("the timer at place %d believes it is at %d", i, tm.index)
		}
		if i > 0 && tm.before(q.timers[(i-1)/4]) {
			t.Fatalf("the timer at place %d is before its parent", i)
		}
	}
}

// Each operation takes the earliest of n timers out and puts it back later.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var delays [4096]Time
			for i := range delays {
				delays[i] = Time(rng.Int64N(1e6))
			}
			var q queue
			for i := range n {
				q.set(&timer{index: -1}, delays[i%len(delays)])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t := q.pop(Never)
				q.set(t, t.at+delays[i%len(delays)])
			}
		})
	}
}
