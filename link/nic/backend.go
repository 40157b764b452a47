package nic

import "errors"

// A Backend is the system's half of a Device: a descriptor, a socket, a ring. The Device
// calls Write, Lost and Close on the clock's goroutine, and Read on a goroutine of its own, or
// on the clock's where it polls. Close may be called while Read waits; after it nothing else is.
type Backend interface {
	// Read takes in the next frame, or several: it gives them to the Receiver. If nothing
	// has arrived it waits, or, without wait, returns ErrEmpty. After Close it returns
	// os.ErrClosed. After ErrDown it is called again; any other error ends the device.
	Read(to *Receiver, wait bool) error

	// Write sends a frame, without waiting, and does not keep b. It returns ErrNoRoom,
	// ErrTooLong, ErrDown or ErrGone where that is meant; all else is a link error.
	Write(b []byte) error

	// Lost returns how many frames arrived since the last call that the kernel had no room
	// for.
	Lost() uint64

	Close() error
}

// A Batcher is a Backend that sends what was written when it is flushed: in one system call
// for all, or one doorbell. Its Info has a Batch.
type Batcher interface {
	Backend

	// Flush sends what was written since the last call. With an error nothing of it was
	// sent; it returns what Write does.
	Flush() error
}

// What the methods of a Backend may return.
var (
	ErrEmpty   = errors.New("nothing has arrived")
	ErrNoRoom  = errors.New("the kernel has no room for the frame now")
	ErrTooLong = errors.New("the frame is longer than the interface's MTU")
	ErrDown    = errors.New("the interface is down")
	ErrGone    = errors.New("the interface was removed")
)
