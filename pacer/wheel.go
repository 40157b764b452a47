package pacer

import (
	"math/bits"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A slot of one level of a wheel is as long as 1<<wheelBits slots of the level below, of
// which there are twice as many: a level reaches over the present slot of the level above
// and all of the one after it, which so can be opened before it is due.
const (
	wheelBits   = 11
	wheelSlots  = 2 << wheelBits
	wheelLevels = (63 + wheelBits - 1) / wheelBits
)

// wheelScan is how many things of a slot are looked through for the earliest. A slot that
// has more is opened: its things go to the slots of the level below.
const wheelScan = 8

// wheelKeep is how long an arena that is too large is kept, in ns.
const wheelKeep = 1e9

// wheelEnd marks a link that leads to no node but back to the slot whose number it holds.
const wheelEnd = 1 << 31

// Wheel is a queue of things that are due at times, in the order of their times, to the
// nanosecond, and of equal times in the order in which they were added. To add, to take
// and to remove cost the same with a thousand things as with a million, but for the
// processor's caches. The zero value is an empty wheel and ready for use. It is not safe
// for concurrent use.
//
// The wheel has a present, which begins at 0 and never goes back: the latest of the times
// of what was taken and of the Takes that found nothing due. What is added for an earlier
// time is due at the present, behind what is due then already. So the order is that of
// (max(time, present when it was added), number of the addition).
//
// # How it works
//
// It is a hierarchical timing wheel (Varghese and Lauck, 1987) as Carousel (SIGCOMM 2017)
// has one for packets, with bitmaps to find the first occupied slot by two find-first-set
// instructions (Eiffel, NSDI 2019), but exact. A slot of level 0 is one nanosecond, one of
// level l is 2048^l of them, and each level is a ring of 4096 slots from the present on. A
// thing is put into the lowest level that reaches its time. Things for the same time that
// are in different levels came the earlier the higher the level, because the present only
// moves on: so when a slot is opened, its things go before those that are below already.
//
// A slot of level 2 and above, 4 ms and longer, may hold thousands of things. They are
// moved down while the slot before it is the present one, one by one with what is taken,
// so that where departures go on steadily no Take has to move them all at once.
//
// # Memory
//
// A thing takes 24 bytes and its own size, a level that was ever used 33 KB. A wheel whose
// number of things has settled does not allocate. When it runs empty, and for a second
// never held a quarter of what it has room for, it gives the room back.
type Wheel[T any] struct {
	present clock.Time
	busy    uint32                  // one bit a level: something is in it
	first   [wheelLevels]clock.Time // start of the first occupied slot of each busy level
	levels  [wheelLevels]*wheelLevel

	nodes []wheelNode[T] // nodes[0] is nobody
	free  uint32         // the first of the nodes that are not in use, linked by next
	gen   uint32         // the last that was given to a node
	n     int
	large clock.Time // the present when the arena was last used by a quarter
}

// Handle names a thing in a wheel, to remove it. It is valid until the thing is taken or
// removed. The zero Handle is never valid.
type Handle uint64 // the node's gen and, in the lower half, its index

type wheelNode[T any] struct {
	at         clock.Time
	next, prev uint32 // in the slot; at its ends wheelEnd and the slot's number
	gen        uint32 // 0 where not in use
	value      T
}

type wheelLevel struct {
	words uint64                  // one bit a word of used: it is not 0
	used  [wheelSlots / 64]uint64 // one bit a slot
	slots [wheelSlots]wheelSlot
}

// wheelSlot is a list of nodes, 0 and 0 if there are none.
type wheelSlot struct{ head, tail uint32 }

// Len returns how many things are in the wheel.
func (w *Wheel[T]) Len() int { return w.n }

// Add puts v into the wheel, due at the time at. What is due at clock.Never is taken by
// Take(clock.Never) only.
func (w *Wheel[T]) Add(at clock.Time, v T) Handle {
	i := w.free
	switch {
	case i != 0:
		w.free = w.nodes[i].next
	case w.nodes == nil:
		w.nodes = make([]wheelNode[T], 2, 16)
		i = 1
	default:
		i = uint32(len(w.nodes))
		w.nodes = append(w.nodes, wheelNode[T]{})
	}
	w.n++
	w.gen = max(w.gen+1, 1)

	at = max(at, w.present)
	l := uint(0)
	for slotNumber(at, l)-slotNumber(w.present, l) >= wheelSlots {
		l++
	}
	s, id := w.enter(at, l)
	node := &w.nodes[i]
	node.at, node.next, node.prev, node.gen, node.value = at, id, id, w.gen, v
	if s.head == 0 {
		s.head = i
	} else {
		node.prev = s.tail
		w.nodes[s.tail].next = i
	}
	s.tail = i
	return Handle(w.gen)<<32 | Handle(i)
}

// Take takes out the first thing that is due at now or before, and returns it with the
// time it was due at. The present moves on to that time, or to now if nothing is due; but
// an empty wheel's present does not move on to clock.Never.
func (w *Wheel[T]) Take(now clock.Time) (v T, at clock.Time, ok bool) {
	i, at := w.earliest(now)
	if i == 0 || at > now {
		if now < clock.Never {
			w.present = max(w.present, now)
		}
		return v, 0, false
	}
	w.present = max(w.present, at)
	v = w.remove(i)
	w.openAhead()
	return v, at, true
}

// Next returns when the first thing is due, clock.Never if there is none. Where too many
// things are close together far ahead it returns a time after the present but before
// that, the start of their slot: a timer that is set to Next, and again after each Take
// that found nothing, fires at most once a level in vain, five times in all, before the
// thing is due.
func (w *Wheel[T]) Next() clock.Time {
	_, at := w.earliest(w.present)
	return at
}

// Soon fills the slice with things that are due soon, without taking them out, and returns
// how many. They are mostly the next ones, but not in their order. The owner of more things
// than fit the processor's caches can so read ahead what it keeps of these, all in one go:
// the processor then waits for many at a time, where it would wait for each when it is taken.
func (w *Wheel[T]) Soon(things []T) (n int) {
	for m := w.busy; m != 0; m &= m - 1 {
		l := uint(bits.TrailingZeros32(m))
		level, first := w.levels[l], slotIndex(w.first[l], l)
		for k := first; ; {
			for i := level.slots[k].head; i < wheelEnd; i = w.nodes[i].next {
				if n == len(things) {
					return n
				}
				things[n] = w.nodes[i].value
				n++
			}
			if k = level.after(k); k == first {
				break
			}
		}
	}
	return n
}

// Remove takes out the thing that h names, whenever it is due, and returns it. It returns
// false if h is not valid.
func (w *Wheel[T]) Remove(h Handle) (v T, ok bool) {
	i, gen := uint32(h), uint32(h>>32)
	if gen == 0 || int(i) >= len(w.nodes) || w.nodes[i].gen != gen {
		return v, false
	}
	return w.remove(i), true
}

// earliest finds the first thing and returns its node and when it is due. To do so it
// opens slots that start at until or before. If the first thing is in one that starts
// later, it returns 0 and that start; in an empty wheel 0 and clock.Never.
func (w *Wheel[T]) earliest(until clock.Time) (uint32, clock.Time) {
	for {
		node, at, level := uint32(0), clock.Never, uint(0)
		for m := w.busy; m != 0; m &= m - 1 {
			l := uint(bits.TrailingZeros32(m))
			// At equal times what is above was added before.
			if w.first[l] > at {
				continue
			}
			if i, t := w.look(l); t <= at {
				node, at, level = i, t, l
			}
		}
		if node != 0 || at > until || w.busy == 0 {
			return node, at
		}
		w.open(level)
	}
}

// look returns the earliest node of the first slot of level l and when it is due, or 0
// and the start of the slot if there are too many to look through.
func (w *Wheel[T]) look(l uint) (uint32, clock.Time) {
	start := w.first[l]
	i := w.levels[l].slots[slotIndex(start, l)].head
	if l == 0 {
		return i, start
	}
	found, at := i, w.nodes[i].at
	for range wheelScan - 1 {
		if i = w.nodes[i].next; i >= wheelEnd {
			return found, at
		}
		if t := w.nodes[i].at; t < at {
			found, at = i, t
		}
	}
	if w.nodes[i].next >= wheelEnd {
		return found, at
	}
	return 0, start
}

// open moves what is in the first slot of level l one level down. The ring there reaches
// far enough, as nothing in the wheel is due before the start of that slot.
func (w *Wheel[T]) open(l uint) {
	k := slotIndex(w.first[l], l)
	i := w.levels[l].slots[k].tail
	w.leave(l, k)
	for i < wheelEnd {
		prev := w.nodes[i].prev
		w.moveTo(l-1, i)
		i = prev
	}
}

// openAhead moves one thing down from each level above 1 whose first slot is the present
// one or the one after it.
func (w *Wheel[T]) openAhead() {
	for m := w.busy >> 2 << 2; m != 0; m &= m - 1 {
		l := uint(bits.TrailingZeros32(m))
		if slotNumber(w.first[l], l)-slotNumber(w.present, l) > 1 {
			continue
		}
		i := w.levels[l].slots[slotIndex(w.first[l], l)].tail
		w.unlink(i)
		w.moveTo(l-1, i)
	}
}

// moveTo puts a node that is in no slot before all others of its slot of level l.
func (w *Wheel[T]) moveTo(l uint, i uint32) {
	node := &w.nodes[i]
	s, id := w.enter(node.at, l)
	node.next, node.prev = id, id
	if s.head == 0 {
		s.tail = i
	} else {
		node.next = s.head
		w.nodes[s.head].prev = i
	}
	s.head = i
}

// enter returns the slot of level l that the time at is in, which the caller is about to
// put a node into, and what its ends are linked to.
func (w *Wheel[T]) enter(at clock.Time, l uint) (*wheelSlot, uint32) {
	level := w.levels[l]
	if level == nil {
		level = new(wheelLevel)
		w.levels[l] = level
	}
	if start := slotNumber(at, l) << (wheelBits * l); w.busy>>l&1 == 0 || start < w.first[l] {
		w.busy |= 1 << l
		w.first[l] = start
	}
	k := slotIndex(at, l)
	level.used[k/64] |= 1 << (k % 64)
	level.words |= 1 << (k / 64)
	return &level.slots[k], wheelEnd | uint32(l)*wheelSlots | k
}

// leave empties slot k of level l.
func (w *Wheel[T]) leave(l uint, k uint32) {
	level := w.levels[l]
	level.slots[k] = wheelSlot{}
	level.used[k/64] &^= 1 << (k % 64)
	if level.used[k/64] == 0 {
		level.words &^= 1 << (k / 64)
	}
	switch {
	case level.words == 0:
		w.busy &^= 1 << l
	case slotIndex(w.first[l], l) == k:
		w.first[l] += clock.Time((level.after(k)-k)%wheelSlots) << (wheelBits * l)
	}
}

// after returns the first occupied slot after slot k, round the ring: k itself if there is
// no other.
func (l *wheelLevel) after(k uint32) uint32 {
	word := k / 64
	if later := l.used[word] >> (k % 64) >> 1 << (k % 64) << 1; later != 0 {
		return word*64 + uint32(bits.TrailingZeros64(later))
	}
	words := l.words
	if later := words >> word >> 1 << word << 1; later != 0 {
		words = later
	}
	word = uint32(bits.TrailingZeros64(words))
	return word*64 + uint32(bits.TrailingZeros64(l.used[word]))
}

// unlink takes a node out of its slot.
func (w *Wheel[T]) unlink(i uint32) {
	prev, next := w.nodes[i].prev, w.nodes[i].next
	id := next &^ wheelEnd
	l, k := uint(id/wheelSlots), id%wheelSlots
	switch {
	case prev >= wheelEnd && next >= wheelEnd:
		w.leave(l, k)
	case next >= wheelEnd:
		w.nodes[prev].next = next
		w.levels[l].slots[k].tail = prev
	case prev >= wheelEnd:
		w.nodes[next].prev = prev
		id = prev &^ wheelEnd
		w.levels[id/wheelSlots].slots[id%wheelSlots].head = next
	default:
		w.nodes[prev].next = next
		w.nodes[next].prev = prev
	}
}

// remove takes a node out of its slot and of use, and returns what it held.
func (w *Wheel[T]) remove(i uint32) T {
	w.unlink(i)
	v := w.nodes[i].value
	w.nodes[i] = wheelNode[T]{next: w.free}
	w.free = i
	if w.n--; w.n == 0 {
		w.rest()
	}
	return v
}

// rest puts the arena of an empty wheel in order, or gives it back.
func (w *Wheel[T]) rest() {
	switch {
	case cap(w.nodes) <= 1024 || len(w.nodes) >= cap(w.nodes)/4:
		w.large = w.present
	case w.present-w.large > wheelKeep:
		w.nodes, w.free = nil, 0
		return
	}
	w.nodes, w.free = w.nodes[:1], 0
}

// slotNumber returns the number of the slot of level l that t is in, counted from time 0.
func slotNumber(t clock.Time, l uint) clock.Time { return t >> (wheelBits * l) }

// slotIndex returns where in the ring that slot is.
func slotIndex(t clock.Time, l uint) uint32 { return uint32(slotNumber(t, l)) % wheelSlots }
