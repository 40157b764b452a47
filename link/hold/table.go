package hold

import (
	"hash/maphash"
	"iter"

	"github.com/netcaliper/caliper/pacer"
)

// table holds flows by their index, which stays, and finds them by key. It grows by one
// bucket a flow (linear hashing: Litwin, VLDB 1980), so that no frame waits for all flows
// to be moved.
type table struct {
	pages   []*page
	end     uint32 // the indices from here on were never used; 0 is none
	free    uint32 // the first of those that were used and are free
	used    int
	buckets []uint32 // the first flow of each chain
	half    uint32   // the largest power of two that is not above len(buckets)
	seed    maphash.Seed
}

// page is some flows. What a search looks at stands apart from the rest of them, close
// together: it goes through a chain without their coming into the processor's caches.
type page struct {
	chain [pageSize]chained
	flows [pageSize]flow
}

// chained is a flow's place in a chain.
type chained struct {
	hash uint32
	next uint32 // in the chain of its bucket, or of those that are free
}

// pageSize makes a page large enough for the heap to round it up to nothing.
const pageSize = 512

func newTable() table {
	return table{end: 1, buckets: make([]uint32, 16), half: 16, seed: maphash.MakeSeed()}
}

// at returns the flow of an index. It stays where it is.
func (t *table) at(i uint32) *flow { return &t.pages[i/pageSize].flows[i%pageSize] }

func (t *table) chained(i uint32) *chained { return &t.pages[i/pageSize].chain[i%pageSize] }

// find returns the index of a flow, or 0, and the hash of its key.
func (t *table) find(key *pacer.Flow) (i, hash uint32) {
	hash = uint32(maphash.Comparable(t.seed, *key))
	for i = t.buckets[t.bucket(hash)]; i != 0; {
		c := t.chained(i)
		if c.hash == hash && t.at(i).key == *key {
			break
		}
		i = c.next
	}
	return i, hash
}

func (t *table) bucket(hash uint32) uint32 {
	if b := hash & (2*t.half - 1); b < uint32(len(t.buckets)) {
		return b
	}
	return hash & (t.half - 1)
}

// alloc returns a flow that is in no chain.
func (t *table) alloc() (uint32, *flow) {
	i := t.free
	if i != 0 {
		t.free = t.chained(i).next
	} else {
		i = t.end
		if t.end++; int(i/pageSize) == len(t.pages) {
			t.pages = append(t.pages, new(page))
		}
	}
	fl := t.at(i)
	*fl = flow{}
	return i, fl
}

// insert adds a flow that find did not find.
func (t *table) insert(key *pacer.Flow, hash uint32) (uint32, *flow) {
	i, fl := t.alloc()
	fl.key, fl.state = *key, known
	t.chained(i).hash = hash
	t.link(i)
	if t.used++; t.used > len(t.buckets) {
		t.split()
	}
	return i, fl
}

func (t *table) link(i uint32) {
	c := t.chained(i)
	b := t.bucket(c.hash)
	c.next, t.buckets[b] = t.buckets[b], i
}

// split adds a bucket, for one half of the flows of another.
func (t *table) split() {
	old := uint32(len(t.buckets)) - t.half
	i := t.buckets[old]
	t.buckets[old] = 0
	if t.buckets = append(t.buckets, 0); uint32(len(t.buckets)) == 2*t.half {
		t.half *= 2
	}
	for i != 0 {
		after := t.chained(i).next
		t.link(i)
		i = after
	}
}

// remove takes a flow out of the table.
func (t *table) remove(i uint32) {
	c := t.chained(i)
	p := &t.buckets[t.bucket(c.hash)]
	for *p != i {
		p = &t.chained(*p).next
	}
	*p = c.next
	t.used--
	t.release(i)
}

// release gives back what alloc returned.
func (t *table) release(i uint32) {
	*t.at(i) = flow{}
	*t.chained(i) = chained{next: t.free}
	t.free = i
}

// all returns the indices of all flows and of what is free between them.
func (t *table) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := uint32(1); i < t.end && yield(i); i++ {
		}
	}
}
