package clock

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// sorted is timers as a sorted list: what they must agree with.
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

// FuzzTimers does to timers and a sorted list what the script says, three bytes a step:
// what to do, with which of 64 timers, and at what time.
func FuzzTimers(f *testing.F) {
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
		var heap timers
		var list sorted
		var all [64]timer
		for seq := uint64(0); len(script) >= 3; script, seq = script[3:], seq+1 {
			name := int(script[1] % 64)
			at := Time(script[2])
			if at == 255 {
				at = Never
			}
			switch tm := &all[name]; script[0] % 4 {
			case 0, 1:
				if got, want := heap.set(tm, at, seq), list.set(name, at); got != want {
					t.Fatalf("set %d to %v: was there %v, want %v", name, at, got, want)
				}
			case 2:
				if got, want := heap.remove(tm), list.remove(name); got != want {
					t.Fatalf("remove %d: was there %v, want %v", name, got, want)
				}
			case 3:
				got, due := heap.pop(at)
				if due != list.next() {
					t.Fatalf("pop at %v: the earliest is at %v, want %v", at, due, list.next())
				}
				if list.next() > at || len(list) == 0 {
					if got != nil {
						t.Fatalf("pop at %v: a timer for %v, want none", at, due)
					}
				} else if want := &all[list[0].name]; got != want {
					t.Fatalf("pop at %v: another timer than %d, the earliest", at, list[0].name)
				} else {
					list = list[1:]
				}
			}
			if heap.next() != list.next() || heap.heap.Len() != len(list) {
				t.Fatalf("%d timers, the next at %v, want %d at %v", heap.heap.Len(), heap.next(), len(list), list.next())
			}
		}
	})
}
