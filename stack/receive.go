package stack

import "sync"

// receiveBuffers is the memory that a host's TCP connections have for what has arrived: what
// nobody has read, and what waits behind a hole. A peer fills it as it likes, and so a
// connection that was accepted begins with little. It gets 16 times what the application
// has read of it, which does not limit slow start: half of the buffer is the window that is
// advertised, and segments take more than twice their bytes. No buffer grows above its share
// of the budget that all together have, nor when they have used it up; what they begin with
// is theirs in any case. A connection that the host dialled begins with the most, and is not
// counted.
type receiveBuffers struct {
	most int // of one connection, in bytes: Config.Buffer

	mu    sync.Mutex
	open  int // connections that were accepted
	total int // bytes of their buffers
}

const (
	firstReceive    = 256 << 10
	receiveGrowth   = 16
	receiveBudgetOf = 32 // buffers of the largest size
)

// receiveBuffer is that of one connection.
type receiveBuffer struct {
	size    int
	read    int  // by the application
	counted bool // in the budget
}

// begin returns the buffer of a new connection.
func (r *receiveBuffers) begin(accepted bool) receiveBuffer {
	if !accepted {
		return receiveBuffer{size: r.most}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	r.total += r.first()
	return receiveBuffer{size: r.first(), counted: true}
}

func (r *receiveBuffers) first() int { return min(firstReceive, r.most) }

// took notes that the application has read n bytes, and reports whether the buffer has
// grown.
func (r *receiveBuffers) took(b *receiveBuffer, n int) bool {
	if b.size >= r.most {
		return false
	}
	b.read += n
	if b.read < b.size/receiveGrowth*2 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	budget := receiveBudgetOf * r.most
	size := min(2*b.size, r.most, max(b.size, budget/r.open))
	if size == b.size || r.total-b.size+size > budget {
		return false
	}
	r.total += size - b.size
	b.size = size
	return true
}

// end gives back what a connection had.
func (r *receiveBuffers) end(b *receiveBuffer) {
	if !b.counted {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	r.total -= b.size
	*b = receiveBuffer{size: r.most} // and it grows no more
}
