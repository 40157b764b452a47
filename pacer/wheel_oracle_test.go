package pacer

import (
	"container/heap"
	"fmt"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

// sortedQueue says what a Wheel must do, as a heap of (due, order of arrival).
type sortedQueue struct {
	heap    []*queued
	present clock.Time
	seq     int
}

type queued struct {
	due    clock.Time
	seq    int // names the thing too
	index  int // in the heap, -1 where it is no more in it
	handle Handle
}

func (q *sortedQueue) Len() int { return len(q.heap) }
func (q *sortedQueue) Less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}
func (q *sortedQueue) Swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].index, q.heap[j].index = i, j
}
func (q *sortedQueue) Push(x any) {
	e := x.(*queued)
	e.index = len(q.heap)
	q.heap = append(q.heap, e)
}
func (q *sortedQueue) Pop() any {
	e := q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	e.index = -1
	return e
}

func (q *sortedQueue) add(at clock.Time) *queued {
	q.seq++
	e := &queued{due: max(at, q.present), seq: q.seq}
	heap.Push(q, e)
	return e
}

func (q *sortedQueue) next() clock.Time {
	if len(q.heap) == 0 {
		return clock.Never
	}
	return q.heap[0].due
}

func (q *sortedQueue) take(now clock.Time) *queued {
	if len(q.heap) == 0 || q.heap[0].due > now {
		if now < clock.Never {
			q.present = max(q.present, now)
		}
		return nil
	}
	e := heap.Pop(q).(*queued)
	q.present = max(q.present, e.due)
	return e
}

// twins are a wheel and the heap that it is compared with. Things are named by the
// order in which they were added, from 1 on.
type twins struct {
	*testing.T
	wheel  Wheel[int]
	sorted sortedQueue
	things []*queued // all there ever were
}

func (w *twins) say(line string) {
	w.Helper()
	w.Log("# " + line)
}

func (w *twins) add(times ...clock.Time) {
	for _, at := range times {
		e := w.sorted.add(at)
		e.handle = w.wheel.Add(at, e.seq)
		w.things = append(w.things, e)
	}
}

func (w *twins) remove(name int) {
	e := w.things[name-1]
	there := e.index >= 0
	if there {
		heap.Remove(&w.sorted, e.index)
	}
	v, ok := w.wheel.Remove(e.handle)
	if ok != there || ok && v != name {
		w.Fatalf("removing %d: got %d, %v, but that it is there is %v", name, v, ok, there)
	}
}

func (w *twins) take(now clock.Time) bool {
	v, at, ok := w.wheel.Take(now)
	switch e := w.sorted.take(now); {
	case ok != (e != nil):
		w.Fatalf("at %v something is due: %v, want %v", now, ok, e != nil)
	case ok && (v != e.seq || at != e.due):
		w.Fatalf("at %v: got %d, due at %v, want %d at %v", now, v, at, e.seq, e.due)
	}
	return ok
}

// drain takes all that is due at now and checks their names.
func (w *twins) drain(now clock.Time, want string) {
	w.Helper()
	var got strings.Builder
	for due := w.sorted.next(); due <= now && w.sorted.Len() > 0; due = w.sorted.next() {
		fmt.Fprint(&got, w.sorted.heap[0].seq, "@", due, " ")
		w.take(now)
	}
	w.take(now)
	w.check()
	if got := strings.TrimSpace(got.String()); got != want {
		w.Fatalf("taken until %v: %s, want %s", now, got, want)
	}
}

// peek compares what can be seen without taking.
func (w *twins) peek() {
	next, first := w.wheel.Next(), w.sorted.next()
	switch {
	case w.wheel.Len() != w.sorted.Len():
		w.Fatalf("%d things, want %d", w.wheel.Len(), w.sorted.Len())
	case next > first:
		w.Fatalf("next is %v, but something is due at %v", next, first)
	case next < first && next <= w.sorted.present:
		w.Fatalf("next is %v, not after the present %v, but nothing is due before %v", next, w.sorted.present, first)
	case next < first && w.wheel.Len() <= wheelScan:
		w.Fatalf("next is %v, not %v, with %d things only", next, first, w.wheel.Len())
	case w.wheel.present != w.sorted.present:
		w.Fatalf("the present is %v, want %v", w.wheel.present, w.sorted.present)
	}
}

// soon looks at things that are due soon.
func (w *twins) soon() {
	var names [20]int
	n := w.wheel.Soon(names[:])
	if want := min(len(names), w.wheel.Len()); n != want {
		w.Fatalf("%d things are soon due, want %d", n, want)
	}
	seen := make(map[int]bool)
	for _, name := range names[:n] {
		if name == 0 || seen[name] || w.things[name-1].index < 0 {
			w.Fatalf("soon due are %v, of which %d is there twice or not at all", names[:n], name)
		}
		seen[name] = true
	}
}

// check walks through the wheel to see that it is sound.
func (w *twins) check() {
	w.Helper()
	w.peek()
	w.soon()
	found := 0
	for l, level := range w.wheel.levels {
		n := 0
		if level != nil {
			n = w.checkLevel(uint(l), level)
		}
		if w.wheel.busy>>l&1 == 1 != (n > 0) {
			w.Fatalf("level %d with %d things is busy: %v", l, n, n == 0)
		}
		found += n
	}
	if found != w.wheel.Len() {
		w.Fatalf("%d things are in slots, want %d", found, w.wheel.Len())
	}
}

// checkLevel walks the ring from the present on and returns how many things are in it.
func (w *twins) checkLevel(l uint, level *wheelLevel) (n int) {
	for i := range clock.Time(wheelSlots) {
		number := slotNumber(w.wheel.present, l) + i
		k := uint32(number) % wheelSlots
		s, marked := level.slots[k], level.used[k/64]>>(k%64)&1 == 1
		if marked != (s.head != 0) || marked && level.words>>(k/64)&1 == 0 {
			w.Fatalf("level %d: slot %d is marked wrongly", l, k)
		}
		if !marked {
			continue
		}
		if n == 0 && w.wheel.first[l] != number<<(wheelBits*l) {
			w.Fatalf("level %d: the first slot starts at %v, want %v", l, w.wheel.first[l], number<<(wheelBits*l))
		}
		end := wheelEnd | uint32(l)*wheelSlots | k
		for prev, i := end, s.head; i != end; prev, i = i, w.wheel.nodes[i].next {
			node := &w.wheel.nodes[i]
			if node.prev != prev || slotNumber(node.at, l) != number || node.next == end && s.tail != i {
				w.Fatalf("level %d: slot %d is linked wrongly", l, k)
			}
			n++
		}
	}
	return n
}
