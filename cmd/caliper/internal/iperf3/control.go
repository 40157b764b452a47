package iperf3

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// patience is how long a peer may take to answer, or to take what is sent to it.
const patience = 30 * time.Second

// errWoken tells the reader of a control connection to look around.
var errWoken = errors.New("woken")

// A control is this side's end of the control connection. One task reads and writes it;
// wake and stop may be called from any.
type control struct {
	host    Host
	conn    net.Conn
	piece   int // bytes that are written at a time; 0 for all
	woken   atomic.Bool
	stopped atomic.Bool
}

// wake makes the read that waits, or else the next one, return errWoken.
func (c *control) wake() {
	c.woken.Store(true)
	c.conn.SetReadDeadline(past(c.host))
}

// stop makes every read from now on return ErrInterrupted.
func (c *control) stop() {
	c.stopped.Store(true)
	c.wake()
}

func past(h Host) time.Time { return h.Now().Add(-time.Nanosecond) }

// read reads what there is, at least one byte. A zero until is no deadline.
func (c *control) read(p []byte, until time.Time) (int, error) {
	for {
		// The deadline comes before the look at the flags: wake sets its flag first, so
		// that either the flag is seen here or the past deadline replaces this one.
		if err := c.conn.SetReadDeadline(until); err != nil {
			return 0, &lostError{err}
		}
		if c.stopped.Load() {
			return 0, ErrInterrupted
		}
		if c.woken.Swap(false) {
			return 0, errWoken
		}
		n, err := c.conn.Read(p)
		if n > 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		if !isTimeout(err) {
			return 0, &lostError{err}
		}
		if !until.IsZero() && !c.host.Now().Before(until) && !c.woken.Load() {
			return 0, &lostError{os.ErrDeadlineExceeded}
		}
	}
}

// readFull fills p. Being woken does not disturb it.
func (c *control) readFull(p []byte, until time.Time) error {
	for got := 0; got < len(p); {
		n, err := c.read(p[got:], until)
		got += n
		switch {
		case err == nil || errors.Is(err, errWoken):
		default:
			return err
		}
	}
	return nil
}

// state reads the next state, or returns errWoken.
func (c *control) state(until time.Time) (state, error) {
	var b [1]byte
	if _, err := c.read(b[:], until); err != nil {
		return 0, err
	}
	return state(int8(b[0])), nil
}

// answer reads the next state as the answer to something, with patience.
func (c *control) answer() (state, error) {
	var b [1]byte
	if err := c.readFull(b[:], c.deadline()); err != nil {
		return 0, err
	}
	return state(int8(b[0])), nil
}

func (c *control) deadline() time.Time { return c.host.Now().Add(patience) }

func (c *control) write(p []byte) error {
	if err := c.conn.SetWriteDeadline(c.deadline()); err != nil {
		return &lostError{err}
	}
	for len(p) > 0 {
		n := len(p)
		if c.piece > 0 {
			n = min(n, c.piece)
		}
		if _, err := c.conn.Write(p[:n]); err != nil {
			return &lostError{err}
		}
		p = p[n:]
	}
	return nil
}

func (c *control) send(states ...state) error {
	b := make([]byte, len(states))
	for i, s := range states {
		b[i] = byte(s)
	}
	return c.write(b)
}

// sendError sends SERVER_ERROR with one of iperf3's error numbers, and no errno.
func (c *control) sendError(code int32) error {
	s := serverError
	b := binary.BigEndian.AppendUint32([]byte{byte(s)}, uint32(code))
	return c.write(binary.BigEndian.AppendUint32(b, 0))
}

// receiveError reads the numbers that follow SERVER_ERROR.
func (c *control) receiveError() (code int32, err error) {
	var b [8]byte
	if err := c.readFull(b[:], c.deadline()); err != nil {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(b[:])), nil
}

// A lostError says that the control connection has failed, or that the peer is silent.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// closed tells whether the peer has closed the connection, in whatever way.
func (e *lostError) closed() bool {
	return errors.Is(e, io.EOF) || errors.Is(e, syscall.ECONNRESET) || errors.Is(e, syscall.EPIPE)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
