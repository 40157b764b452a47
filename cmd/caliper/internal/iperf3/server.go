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

// maxGuests is how many connections a server has beside those of a test: as many as a
// test has streams, which all come at once, and some more.
const maxGuests = 2*maxStreams + 64

// acceptPause is how long a server waits when it could not accept a connection, for want of
// file descriptors perhaps: tests go on, and free some.
const acceptPause = 10 * time.Millisecond

// A Server runs tests, one at a time, for whoever asks first.
//
// Every connection is first read by a task of its own, which finds out what it is: a
// stream of the test that runs; one client too many, who is told so; or the control
// connection of a new test, which that task then runs. A client has the server only once
// it has sent good parameters, and where there are too many that have not, the one that
// came first has to go: silent ones keep nobody out.
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
	guests   []*guest // in the order in which they came
	test     *test    // that runs, nil if none
	offers   []*guest // of streams for it
	open     bool     // it takes streams
	ending   bool     // it is about to be over: whoever comes waits
	stopped  bool
	tests    int
	err      error // of the one test

	outside sync.Mutex // orders the calls of OnTest
}

// A guest is a connection that has not become part of a test.
type guest struct {
	conn net.Conn
	seq  int  // in the order in which they were accepted
	sent bool // away, for others to have room
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
	s.listener = ln
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
	guests := slices.Clone(s.guests)
	s.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	for _, g := range guests {
		g.conn.Close()
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
	said := "" // of what fails
	for seq := 0; ; seq++ {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			if err.Error() != said {
				said = err.Error()
				s.tell(nil, fmt.Errorf("iperf3: unable to accept a connection: %w", err))
			}
			s.Host.Sleep(acceptPause)
			continue
		case s.over():
			conn.Close()
			return net.ErrClosed
		}
		said = ""
		tasks = slices.DeleteFunc(tasks, func(t *task) bool {
			if t.done.Load() {
				t.wait()
				return true
			}
			return false
		})
		g := s.welcome(conn, seq)
		t := new(task)
		t.wait = s.Host.Go(func() {
			s.handle(g)
			t.done.Store(true)
		})
		tasks = append(tasks, t)
	}
}

// welcome takes a connection in. If there are too many then, the one that came first goes.
func (s *Server) welcome(conn net.Conn, seq int) *guest {
	g := &guest{conn: conn, seq: seq}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guests = append(s.guests, g)
	switch {
	case s.stopped:
		conn.Close()
	case len(s.guests) > maxGuests:
		first := s.guests[0]
		s.guests, first.sent = s.guests[1:], true
		first.conn.Close()
	}
	return g
}

// over tells whether the server is to end.
func (s *Server) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped || s.OneOff && s.tests > 0 && s.test == nil
}

// handle finds out what a connection is, and runs the test that it is for.
func (s *Server) handle(g *guest) {
	ctl := &control{host: s.Host, conn: g.conn, piece: s.Cut}
	cookie, err := ctl.readCookie()
	if err == nil && s.offer(cookie, g) {
		return // it belongs to the test now
	}
	defer g.conn.Close()
	switch {
	case s.over():
	case err == nil && s.busy():
		err = ctl.send(accessDenied)
	case err == nil:
		err = s.session(ctl, cookie)
	}
	s.mu.Lock()
	s.forget(g.conn)
	sent := g.sent
	s.mu.Unlock()
	switch {
	case err == nil || s.over():
	case sent:
		s.tell(nil, fmt.Errorf("iperf3: client %v: %d connections came after it, and it was not yet in a test", g.conn.RemoteAddr(), maxGuests))
	default:
		s.tell(nil, fmt.Errorf("iperf3: client %v: %w", g.conn.RemoteAddr(), explainClient(err)))
	}
}

// forget takes a connection out of the guests.
func (s *Server) forget(conn net.Conn) {
	s.guests = slices.DeleteFunc(s.guests, func(g *guest) bool { return g.conn == conn })
}

// busy tells whether a test runs. A client whose test is about to be over may be here
// with its next one already, and that waits.
func (s *Server) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaitEnding()
	return s.test != nil
}

// awaitEnding waits until no test is about to be over.
func (s *Server) awaitEnding() {
	for s.ending {
		s.mu.Unlock()
		s.Host.Sleep(time.Millisecond)
		s.mu.Lock()
	}
}

// offer gives a connection to the running test, if it has its cookie and the test waits
// for streams.
func (s *Server) offer(cookie string, g *guest) bool {
	s.mu.Lock()
	t := s.test
	taken := t != nil && s.open && t.cookie == cookie && !g.sent
	if taken {
		s.forget(g.conn)
		s.offers = append(s.offers, g)
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
	s.awaitEnding()
	if s.test != nil || s.stopped || s.OneOff && s.tests > 0 {
		return false
	}
	s.test = t
	s.tests++
	s.forget(t.ctl.conn)
	return true
}

// release ends the test that runs, and says with what result. A client that comes meanwhile
// waits, so that none is refused after it was said that the server listens.
func (s *Server) release(t *test, err error) {
	s.mu.Lock()
	s.ending = true
	stopped := s.stopped
	s.mu.Unlock()
	s.tell(t.report.result, err)
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
