package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sorted is the heap as a sorted list: what a heap must agree with.
type sorted []named

type named struct {
	Key
	name int
}

func (s *sorted) remove(name int) bool {
	i := slices.IndexFunc(*s, func(e named) bool { return e.name == name })
	if i >= 0 {
		*s = slices.Delete(*s, i, i+1)
	}
	return i >= 0
}

func (s *sorted) put(k Key, name int) {
	i := 0
	for i < len(*s) && (*s)[i].Before(k) {
		i++
	}
	*s = slices.Insert(*s, i, named{k, name})
}

// FuzzHeap does to a heap and a sorted list what the script says, three bytes a step:
// what to do, with which of 64, and with what key. Those from 64 on have no place.
func FuzzHeap(f *testing.F) {
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
		var heap Heap[int]
		var list sorted
		var places [64]Place
		pushed := len(places)
		for seq := uint64(0); len(script) >= 3; script, seq = script[3:], seq+1 {
			name, key := int(script[1]%64), Key{int64(script[2] % 32), seq}
			switch script[0] % 8 {
			case 0, 1, 2:
				if places[name].In() != list.remove(name) {
					t.Fatalf("%d is in or not: %v", name, places[name])
				}
				heap.Set(&places[name], key, name)
				list.put(key, name)
			case 3:
				heap.Push(key, pushed)
				list.put(key, pushed)
				pushed++
			case 4, 5:
				if got, want := heap.Remove(&places[name]), list.remove(name); got != want {
					t.Fatalf("remove %d: was there %v, want %v", name, got, want)
				}
			default:
				if len(list) == 0 {
					break
				}
				v, k := heap.First()
				if got := heap.Pop(); got != v || got != list[0].name || k != list[0].Key {
					t.Fatalf("pop gives %d, first gave %d with %v, want %v", got, v, k, list[0])
				}
				list = list[1:]
			}
			checkHeap(t, &heap, list, &places)
		}
	})
}

func checkHeap(t *testing.T, h *Heap[int], list sorted, places *[64]Place) {
	t.Helper()
	if h.Len() != len(list) {
		t.Fatalf("%d are in it, want %d", h.Len(), len(list))
	}
	in := 0
	for i, e := range h.entries {
		if e.v < len(places) {
			in++
			if e.place != &places[e.v] || *e.place != Place(i+1) {
				t.Fatalf("what is at %d believes it is at %d", i, places[e.v]-1)
			}
		}
		if i > 0 && e.Before(h.entries[(i-1)/4].Key) {
			t.Fatalf("what is at %d is before its parent", i)
		}
	}
	for name, p := range places {
		if p.In() {
			in--
		}
		if first := len(list) > 0 && list[0].name == name; p.First() != first {
			t.Fatalf("%d is the first: %v", name, first)
		}
	}
	if in != 0 {
		t.Fatal("a place belongs to nothing")
	}
}

// What was taken out is not kept alive.
func TestHeapForgets(t *testing.T) {
	var h Heap[*int]
	for i := range 100 {
		h.Push(Key{int64(i % 7), uint64(i)}, new(int))
	}
	for h.Len() > 0 {
		h.Pop()
	}
	for _, e := range h.entries[:cap(h.entries)] {
		if e.v != nil {
			t.Fatal("the heap keeps what was taken out")
		}
	}
}

// Each operation takes the first of n out and puts it back later.
func BenchmarkHeap(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var delays [4096]int64
			for i := range delays {
				delays[i] = rng.Int64N(1e6)
			}
			var h Heap[int]
			places := make([]Place, n)
			for i := range n {
				h.Set(&places[i], Key{delays[i%len(delays)], 0}, i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, k := h.First()
				v := h.Pop()
				h.Set(&places[v], Key{k.At + delays[i%len(delays)], uint64(i)}, v)
			}
		})
	}
}
