package driver

import "slices"

// A Marker sets marks, to learn that what it gave to the driver has reached the
// card (tech doc section 3.5).
type Marker interface {
	// Hit tells that the buffer in which mark seq was set has been copied to the card,
	// or that it was cleared when the interface went down. It may call Send and Mark.
	Hit(seq uint32)
}

// mark is one that was set in a buffer. A mark without a marker is forgotten.
type mark struct {
	marker Marker
	seq    uint32
}

// maxMarks bounds the marks of a buffer, as nothing else bounds what a marker asks for.
const maxMarks = 1024

// Mark sets a mark in the buffer that holds the packet that the driver received last. If
// it has been copied already, the marker is told at once. It reports false, and sets
// none, if the buffer has too many.
func (d *Driver) Mark(m Marker, seq uint32) bool {
	b := d.newest()
	if b == nil {
		m.Hit(seq)
		return true
	}
	if len(b.marks) == maxMarks {
		b.marks = slices.DeleteFunc(b.marks, func(m mark) bool { return m.marker == nil })
	}
	if len(b.marks) == maxMarks {
		return false
	}
	b.marks = append(b.marks, mark{m, seq})
	return true
}

// Marked reports whether the buffer that Mark would set a mark in has one.
func (d *Driver) Marked() bool {
	b := d.newest()
	return b != nil && len(b.marks) > 0
}

// newest returns the buffer with the packet received last, or nil if none waits.
func (d *Driver) newest() *txbuf {
	switch {
	case d.building != nil:
		return d.building
	case d.waiting.Len() > 0:
		return d.waiting.Last()
	}
	return d.copying
}

// Forget removes all marks of a marker, of which nothing more is told.
func (d *Driver) Forget(m Marker) {
	forget(d.hits, m)
	for i := range d.bufs {
		forget(d.bufs[i].marks, m)
	}
}

func forget(marks []mark, m Marker) {
	for i := range marks {
		if marks[i].marker == m {
			marks[i].marker = nil
		}
	}
}

// tell tells the markers of buffers that are free again. Marks that are hit while one of
// them is told come last, and those that it forgets are not told.
func (d *Driver) tell() {
	for i := 0; i < len(d.hits); i++ {
		if m := d.hits[i]; m.marker != nil {
			m.marker.Hit(m.seq)
		}
	}
	d.hits = d.hits[:0]
}
