package pcap

import (
	"fmt"
	"os"
	"sync"

	"github.com/netcaliper/caliper/link"
)

// An Output is a pcapng file with time stamps in nanoseconds. In virtual time its
// bytes are the same in every run.
//
// The captures fill chunks of memory on the clock's goroutine, and another goroutine
// writes them to the disk, so that a slow disk does not delay a departure.
type Output struct {
	file       *os.File
	tooSlow    error // what is wrong when there is no chunk
	interfaces uint32
	chunk      chunk
	chunks     int // made so far
	closed     bool

	full  chan chunk // to the writing goroutine
	empty chan chunk // and back
	done  chan struct{}

	mu   sync.Mutex
	err  error
	lost uint64
}

// chunk is whole blocks in the file's order, frames of them packets.
type chunk struct {
	blocks []byte
	frames uint64
}

// What a file holds in memory at most, 32 MiB: at 1 Gbit/s, a quarter of a second. A chunk
// is made when none is empty, and with a disk that keeps up there are two or three.
const (
	chunkSize = 1 << 17 // more than a block of link.MaxFrame
	maxChunks = 1 << 8
)

// Create creates the file, or empties it if there is one. Close must be called.
func Create(name string) (*Output, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("capture file: %w", err)
	}
	c := &Output{
		file:    file,
		tooSlow: fmt.Errorf("write %s: the disk did not keep up", name),
		full:    make(chan chunk, maxChunks),
		empty:   make(chan chunk, maxChunks),
		done:    make(chan struct{}),
	}
	c.chunk, _ = c.next(false)
	c.write(AppendSection(nil), 0, false)
	go c.save()
	return c, nil
}

// write adds a block, in which there are so many packets.
func (c *Output) write(block []byte, frames uint64, wait bool) {
	if c.closed {
		c.fail(os.ErrClosed, frames)
		return
	}
	if len(c.chunk.blocks)+len(block) > chunkSize {
		next, ok := c.next(wait)
		if !ok {
			c.fail(c.tooSlow, frames)
			return
		}
		c.full <- c.chunk // there is room for all chunks
		c.chunk = next
	}
	c.chunk.blocks = append(c.chunk.blocks, block...)
	c.chunk.frames += frames
}

// next returns an empty chunk, if there is one or wait is true.
func (c *Output) next(wait bool) (chunk, bool) {
	select {
	case next := <-c.empty:
		return next, true
	default:
	}
	if c.chunks < maxChunks {
		c.chunks++
		return chunk{blocks: make([]byte, 0, chunkSize)}, true
	}
	if wait {
		return <-c.empty, true
	}
	return chunk{}, false
}

// save writes chunks to the disk until there are no more. After an error it only counts:
// the file is cut back to the last whole chunk, so that it can be read.
func (c *Output) save() {
	defer close(c.done)
	size := int64(0)
	var err error
	for next := range c.full {
		if err == nil {
			if _, err = c.file.Write(next.blocks); err != nil {
				c.file.Truncate(size) // which only a file can do, and no pipe
			}
			size += int64(len(next.blocks))
		}
		if err != nil {
			c.fail(err, next.frames)
		}
		c.empty <- chunk{blocks: next.blocks[:0]}
	}
}

// fail notes an error, if it is the first, and frames that are not in the file.
func (c *Output) fail(err error, frames uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.lost += frames
}

// Err returns the first error, with the number of frames that are not in the file for it
// or a later one, or nil. It may be called from any goroutine.
func (c *Output) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("capture file: %w; it lacks %s", c.err, link.Count(c.lost, "frame"))
}

// Lost returns how many frames are not in the file. It may be called from any goroutine.
func (c *Output) Lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// Close writes out what is in memory, closes the file and returns what Err does. It is
// called when the captures are closed, and may wait for the disk. A second Close does
// nothing but return the same.
func (c *Output) Close() error {
	if !c.closed {
		c.closed = true
		c.full <- c.chunk
		close(c.full)
		<-c.done
		if err := c.file.Close(); err != nil {
			c.fail(err, 0)
		}
	}
	return c.Err()
}
