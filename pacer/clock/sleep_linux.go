package clock

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// threadSleeper has the thread itself sleep in the kernel, by a timer of nanoseconds, and
// be woken by an eventfd. Go's own timers sleep in epoll_wait, which counts milliseconds.
type threadSleeper struct {
	fd    int
	slack bool // the thread's timer slack has been set

	mu     sync.Mutex
	closed bool
}

func newSleeper() sleeper {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil { // no descriptors are left
		return make(goSleeper, 1)
	}
	return &threadSleeper{fd: fd}
}

func (s *threadSleeper) sleep(d time.Duration) bool {
	if !s.slack {
		// By default the kernel may wake a thread 50 us late, to join wake-ups.
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		s.slack = true
	}
	timeout := unix.NsecToTimespec(int64(d))
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	n, err := unix.Ppoll(fds[:], &timeout, nil)
	if n > 0 {
		var count [8]byte
		_, _ = unix.Read(s.fd, count[:])
	}
	return n == 0 && err == nil
}

func (s *threadSleeper) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		one := [8]byte{0: 1}
		_, _ = unix.Write(s.fd, one[:]) // fails only where a wake-up is waiting already
	}
}

func (s *threadSleeper) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = unix.Close(s.fd)
}
