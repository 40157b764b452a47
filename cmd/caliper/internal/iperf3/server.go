package iperf3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxConns is how many connections a server looks after at a time: the streams of a test,
// and some more that have not said yet what they are.
const maxConns = 2*maxStreams + 64

// A Server runs tests, one at a time, for whoever asks first.
//
// Every connection is first read by a task of its own, which finds out what it is: a
// stream of the test that runs; one client too many, who is told so; or the control
// connection of a new test, which that task then runs. A client has the server only once
// it has sent good parameters, so that a silent one keeps nobody out.
type Server struct {
	Host    Host
	Address string // to listen on, as host:port; an empty host is every address
	Family  int    // 4 or 6: that version of IP only
	OneOff  bool   // end after one test
	Cut     int    // as in Client
	Report

	// OnTest is called after every test, and with a nil Result for every connection that
	// failed before it became one. It must not block.
	OnTest func(*Result, error)

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool // that have not become part of a test
	test     *test             // that runs, nil if none
	offers   []offer           // of streams for it
	open     bool              // it takes streams
	ending   bool              // it is about to be over
	stopped  bool
	tests    int
	err      error // of the one test

	outside sync.Mutex // orders the calls of OnTest
}

// An offer is a connection that has shown the cookie of the test.
type offer struct {
	conn net.Conn
	seq  int // in the order in which they were accepted
}

// Serve accepts clients until Stop is called, or ctx cancelled, which returns
// ErrInterrupted, or until the one test is over, whose error it returns.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Report.Validate(); err != nil {
		return fmt.Errorf("iperf3: %w", err)
	}
	ln, err := s.Host.Listen(network("tcp", s.Family), s.Address)
	if err != nil {
		return fmt.Errorf("iperf3: unable to start listener for connections: is there a server already? choose another port with -p: %w", err)
	}
	s.mu.Lock()
	s.listener, s.conns = ln, make(map[net.Conn]bool)
	stopped := s.stopped
	s.mu.Unlock()
	defer ln.Close()
	if stopped {
		return fmt.Errorf("iperf3: %w", ErrInterrupted)
	}
	defer context.AfterFunc(ctx, s.Stop)()
	s.banner()
	err = s.accept(ln)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return fmt.Errorf("iperf3: %w - the server has terminated", ErrInterrupted)
	case s.OneOff && s.tests > 0:
		return s.err
	}
	return fmt.Errorf("iperf3: the listener has failed: %w", err)
}

// Stop ends Serve. The client of a running test is told, and the summary so far is
// reported. It may be called from any task of the Host.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.shut()
}

// shut closes the listener and what has not become part of a test, and stops the test
// that runs if the server was stopped.
func (s *Server) shut() {
	s.mu.Lock()
	ln, test, stopped := s.listener, s.test, s.stopped
	var conns []net.Conn
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	for _, c := range conns {
		c.Close()
	}
	if test != nil && stopped {
		test.ctl.stop()
	}
}

// accept starts a task for every connection, until the listener is closed, and waits for
// the tasks.
func (s *Server) accept(ln net.Listener) error {
	type task struct {
		wait func()
		done atomic.Bool
	}
	var tasks []*task
	defer func() {
		for _, t := range tasks {
			t.wait()
		}
	}()
	for seq := 0; ; seq++ {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) || s.over() {
			if err == nil {
				conn.Close()
			}
			return err
		}
		if err != nil {
			// Out of file descriptors, perhaps. Tests go on, and free some.
			s.tell(nil, fmt.Errorf("iperf3: unable to accept a connection: %w", err))
			s.Host.Sleep(time.Second)
			continue
		}
		tasks = slices.DeleteFunc(tasks, func(t *task) bool {
			if t.done.Load() {
				t.wait()
				return true
			}
			return false
		})
		if len(tasks) >= maxConns {
			s.tell(nil, fmt.Errorf("iperf3: connection from %v closed: there are %d others already", conn.RemoteAddr(), len(tasks)))
			conn.Close()
			continue
		}
		t := new(task)
		t.wait = s.Host.Go(func() {
			s.handle(conn, seq)
			t.done.Store(true)
		})
		tasks = append(tasks, t)
	}
}

// over tells whether the server is to end.
func (s *Server) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped || s.OneOff && s.tests > 0 && s.test == nil
}

// handle finds out what a connection is, and runs the test that it is for.
func (s *Server) handle(conn net.Conn, seq int) {
	s.mu.Lock()
	s.conns[conn] = true
	stopped := s.stopped
	s.mu.Unlock()
	ctl := &control{host: s.Host, conn: conn, piece: s.Cut}
	cookie, err := "", error(nil)
	if !stopped {
		cookie, err = ctl.readCookie()
		err = explainClient(err)
	}
	if err == nil && s.offer(cookie, conn, seq) {
		return // it belongs to the test now
	}
	defer conn.Close()
	switch {
	case stopped || s.over():
	case err == nil && s.busy():
		err = ctl.send(accessDenied)
	case err == nil:
		err = s.session(ctl, cookie)
	}
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	if err != nil && !s.over() {
		s.tell(nil, fmt.Errorf("iperf3: client %v: %w", conn.RemoteAddr(), err))
	}
}

// busy tells whether a test runs. A client whose test is about to be over may be here
// with its next one already, and that waits.
func (s *Server) busy() bool {
	for {
		s.mu.Lock()
		busy, ending := s.test != nil, s.ending
		s.mu.Unlock()
		if !ending {
			return busy
		}
		s.Host.Sleep(time.Millisecond)
	}
}

// offer gives a connection to the running test, if it has its cookie and the test waits
// for streams.
func (s *Server) offer(cookie string, conn net.Conn, seq int) bool {
	s.mu.Lock()
	t := s.test
	taken := t != nil && s.open && t.cookie == cookie
	if taken {
		delete(s.conns, conn)
		s.offers = append(s.offers, offer{conn, seq})
		s.open = len(s.offers) < t.params.streams()
	}
	s.mu.Unlock()
	if taken {
		t.ctl.wake()
	}
	return taken
}

// claim makes t the test that runs, unless there is one.
func (s *Server) claim(t *test) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.test != nil || s.stopped || s.OneOff && s.tests > 0 {
		return false
	}
	s.test = t
	s.tests++
	delete(s.conns, t.ctl.conn)
	return true
}

// release ends the test that runs, and says with what result.
func (s *Server) release(t *test, err error) {
	s.tell(t.report.result, err)
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if !s.OneOff && !stopped {
		s.banner()
	}
	s.mu.Lock()
	offers := s.offers
	s.test, s.offers, s.open, s.ending = nil, nil, false, false
	s.err = err
	s.mu.Unlock()
	for _, o := range offers {
		o.conn.Close()
	}
	if s.OneOff {
		s.shut()
	}
}

// tell calls OnTest.
func (s *Server) tell(r *Result, err error) {
	if s.OnTest == nil {
		return
	}
	s.outside.Lock()
	defer s.outside.Unlock()
	s.OnTest(r, err)
}

// banner says in text that the server waits.
func (s *Server) banner() {
	s.mu.Lock()
	n, port := s.tests+1, hostPort(s.listener.Addr()).Port
	s.mu.Unlock()
	const rule = "-----------------------------------------------------------\n"
	newReporter(s.Report).text("%sServer listening on %d (test #%d)\n%s", rule, port, n, rule)
}
