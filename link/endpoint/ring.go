package endpoint

import "github.com/netcaliper/caliper/link"

// ringSize is how many frames wait in the endpoint while the device below is full; a power
// of two. A Linux interface has 1000 by default.
const ringSize = 4096

// ring is a bounded queue of frames, the oldest first, that gives back many as one slice. The
// zero ring is empty.
type ring struct {
	frames []*link.Frame // ringSize of them
	head   int           // the oldest
	n      int
}

// push puts f behind all others, and reports false if there is no room.
func (r *ring) push(f *link.Frame) bool {
	if r.n == ringSize {
		return false
	}
	if r.frames == nil {
		r.frames = make([]*link.Frame, ringSize)
	}
	r.frames[(r.head+r.n)%ringSize] = f
	r.n++
	return true
}

// first returns the oldest frames, as many as stand side by side: all, if push was never
// behind the end since the ring was empty.
func (r *ring) first() []*link.Frame {
	return r.frames[r.head:min(r.head+r.n, len(r.frames))]
}

// take takes out the n oldest frames, which first has returned.
func (r *ring) take(n int) {
	clear(r.frames[r.head : r.head+n])
	r.head, r.n = (r.head+n)%ringSize, r.n-n
	if r.n == 0 {
		r.head = 0
	}
}
