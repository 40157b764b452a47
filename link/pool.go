package link

import "sync"

// An Owner has lent its memory to a frame.
type Owner interface {
	// Release takes the memory back when the frame is no more. It is called once, on the
	// goroutine that has the frame, and must keep the frame itself only if it made it.
	Release(f *Frame)
}

// A Pool owns the memory of frames, and lends it again when they are no more. It may be used
// from any goroutine. The zero Pool is empty and ready for use.
type Pool struct{ free sync.Pool }

// Frame returns a frame of n bytes, whose content is undefined, with HeadRoom before them. n
// must be at most MaxFrame; one that is larger than usual is not kept for another time.
func (p *Pool) Frame(n int) *Frame {
	if HeadRoom+n > pooledCap {
		return NewFrame(n)
	}
	f, _ := p.free.Get().(*Frame)
	if f == nil {
		f = &Frame{buf: make([]byte, pooledCap)}
	}
	f.owner = p
	f.start, f.end = HeadRoom, HeadRoom+n
	return f
}

// Release implements Owner.
func (p *Pool) Release(f *Frame) { p.free.Put(f) }
