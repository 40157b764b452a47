package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The same is done to a ring and to a slice, while the ring grows, wraps around and empties.
func TestRing(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var r Ring[*int]
		var want []*int
		most := 1 + rng.IntN(200)
		for range 3000 {
			v := new(int)
			switch what := rng.IntN(9); {
			case what < 3 && len(want) < most:
				r.Push(v)
				want = append(want, v)
			case what == 3 && len(want) < most:
				r.Unpop(v)
				want = slices.Insert(want, 0, v)
			case what == 4 && len(want) > 0:
				if r.Pop() != want[0] {
					t.Fatal("Pop gives another one")
				}
				want = want[1:]
			case what == 5:
				run := r.Run()
				if len(run) > len(want) || len(run) == 0 && len(want) > 0 || !slices.Equal(run, want[:len(run)]) {
					t.Fatalf("%d of %d stand side by side, or others", len(run), len(want))
				}
				r.Drop(len(run))
				want = want[len(run):]
			case what == 6:
				n := rng.IntN(len(want) + 1)
				r.Drop(n)
				want = want[n:]
			case what == 7 && rng.IntN(10) == 0:
				n := rng.IntN(len(want) + 1)
				r.Cut(n)
				want = want[:n]
			case what == 8 && len(want) > 0:
				i := rng.IntN(len(want))
				if *r.At(i) != want[i] {
					t.Fatal("another one is at that place")
				}
				*r.At(i) = v
				want[i] = v
			}
			check(t, &r, want)
		}
	}
}

func check(t *testing.T, r *Ring[*int], want []*int) {
	t.Helper()
	if r.Len() != len(want) {
		t.Fatalf("%d are in it, want %d", r.Len(), len(want))
	}
	if len(want) > 0 && (r.First() != want[0] || r.Last() != want[len(want)-1]) {
		t.Fatal("another one is first or last")
	}
	kept := 0 // so that what was taken out is not kept alive
	for _, v := range r.ring {
		if v != nil {
			kept++
		}
	}
	if kept != len(want) {
		t.Fatalf("%d are kept, want %d", kept, len(want))
	}
}

// All stand side by side if the end was not reached since the ring was empty.
func TestRingRun(t *testing.T) {
	var r Ring[int]
	for round := range 100 {
		for i := range 1 + round%16 {
			r.Push(i)
		}
		if len(r.Run()) != r.Len() {
			t.Fatalf("round %d: %d of %d", round, len(r.Run()), r.Len())
		}
		if round%2 == 0 {
			r.Drop(r.Len())
			continue
		}
		for r.Len() > 0 {
			r.Pop()
		}
	}
}

func TestRingMisuse(t *testing.T) {
	var empty Ring[int]
	var one Ring[int]
	one.Push(1)
	for name, misuse := range map[string]func(){
		"Pop":      func() { empty.Pop() },
		"First":    func() { empty.First() },
		"Last":     func() { empty.Last() },
		"At(1)":    func() { one.At(1) },
		"At(-1)":   func() { one.At(-1) },
		"Drop(2)":  func() { one.Drop(2) },
		"Drop(-1)": func() { one.Drop(-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			misuse()
		}()
	}
	if one.Len() != 1 || one.First() != 1 {
		t.Error("misuse has changed the ring")
	}
}

func BenchmarkRing(b *testing.B) {
	b.Run("one", func(b *testing.B) {
		var r Ring[*int]
		for range 100 {
			r.Push(new(int))
		}
		b.ReportAllocs()
		for b.Loop() {
			r.Push(r.Pop())
		}
	})
	b.Run("100", func(b *testing.B) {
		var r Ring[*int]
		v := new(int)
		b.ReportAllocs()
		for b.Loop() {
			for range 100 {
				r.Push(v)
			}
			r.Drop(len(r.Run()))
		}
	})
}
