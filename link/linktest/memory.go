package linktest

import (
	"bytes"
	"testing"

	"github.com/netcaliper/caliper/link"
)

// poison is what a frame's memory is filled with when it is no more.
const poison = 0xdd

// memory owns that of the frames of a run, and tells what a device does with frames that are
// no longer its own: it frees them again, sends them, or writes to them. What it reads of them
// is poison.
type memory struct {
	lent     int // frames that the device was given
	released int // of these, those that are no more
	freed    []*released
	again    int // frames that were freed, or said to have left, though they were no more
}

// released is the memory of a frame that is no more. It is the frame's Owner and Origin from
// then on.
type released struct {
	of  *memory
	buf []byte
}

// frame returns a frame of the bytes.
func (m *memory) frame(b []byte) *link.Frame {
	buf := make([]byte, link.HeadRoom+len(b))
	copy(buf[link.HeadRoom:], b)
	return link.FrameOver(buf, link.HeadRoom, len(buf), m)
}

// Release implements link.Owner.
func (m *memory) Release(f *link.Frame) {
	m.released++
	r := &released{of: m, buf: f.Memory()}
	for i := range r.buf {
		r.buf[i] = poison
	}
	m.freed = append(m.freed, r)
	*f = *link.FrameOver(r.buf, link.HeadRoom, len(r.buf), r)
	f.Origin = r
}

// Departed implements link.Origin.
func (r *released) Departed(*link.Frame) { r.of.again++ }

// Release implements link.Owner.
func (r *released) Release(*link.Frame) {}

// check tests that nobody has used a frame that was no more.
func (m *memory) check(t *testing.T) {
	t.Helper()
	if m.again > 0 {
		t.Errorf("%d times a frame was freed, or said to have left, that had been freed", m.again)
	}
	if m.released > m.lent {
		t.Errorf("%d frames were freed, and %d taken", m.released, m.lent)
	}
	for i, r := range m.freed {
		if len(bytes.Trim(r.buf, string([]byte{poison}))) > 0 {
			t.Errorf("the memory of frame %d of those freed was written to", i)
			return
		}
	}
}
