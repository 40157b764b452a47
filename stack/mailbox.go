package stack

import "sync/atomic"

// A mailbox hands values from one goroutine to another, in order and without a lock: neither
// waits for the other. One goroutine at a time puts values in, and one at a time takes them
// out. The zero mailbox is empty.
//
// Values travel in batches. A goroutine that has swapped a batch out of a field has it to
// itself, until it stores it again.
type mailbox[T any] struct {
	full, empty atomic.Pointer[[]T]
}

// mostMail is how many values wait at most; later ones are joined to the last.
const mostMail = 64

// put puts v in. Where mostMail wait already, join adds it to the last of them.
func (m *mailbox[T]) put(v T, join func(last *T, v T)) {
	batch := m.full.Swap(nil)
	if batch == nil {
		batch = m.empty.Swap(nil)
	}
	if batch == nil {
		batch = new([]T)
	}
	if n := len(*batch); n == mostMail {
		join(&(*batch)[n-1], v)
	} else {
		*batch = append(*batch, v)
	}
	m.full.Store(batch)
}

// take takes out what there is, gives it to f, the oldest first, and reports whether there
// was something. f must not keep the pointer.
func (m *mailbox[T]) take(f func(v *T)) bool {
	if m.full.Load() == nil {
		return false
	}
	batch := m.full.Swap(nil)
	if batch == nil { // it is being added to
		return false
	}
	for i := range *batch {
		f(&(*batch)[i])
	}
	*batch = (*batch)[:0]
	m.empty.Store(batch)
	return true
}
