package link

import (
	"testing"
	"unsafe"
)

// What Touch reads lies so close together that it misses no cache line between its first and
// its last field, however the frame lies in memory. Only the owner is behind these.
func TestTouchReadsEveryCacheLine(t *testing.T) {
	var f Frame
	read := []uintptr{
		unsafe.Offsetof(f.Flow),
		unsafe.Offsetof(f.Size) + unsafe.Offsetof(f.Size.Payload),
		unsafe.Offsetof(f.Enqueued) + unsafe.Sizeof(f.Depart), // its flag, behind the time
		unsafe.Offsetof(f.Missed),
		unsafe.Offsetof(f.Reserved),
		unsafe.Offsetof(f.witnesses) + unsafe.Sizeof(uintptr(0)), // its length
		unsafe.Offsetof(f.end),
	}
	for i := range read[1:] {
		if gap := read[i+1] - read[i]; gap > 64 {
			t.Errorf("between %d and %d a cache line is left out", read[i], read[i+1])
		}
	}
	if behind := unsafe.Sizeof(f) - read[len(read)-1]; behind > unsafe.Sizeof(f.end)+unsafe.Sizeof(f.owner) {
		t.Errorf("%d bytes are behind the last read", behind)
	}
}
