package iperf3

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"
)

// session is the server's side of the protocol, from the parameters on. An error that it
// returns is of a client that did not become a test.
func (s *Server) session(ctl *control, cookie string) error {
	if err := ctl.send(paramExchange); err != nil {
		return err
	}
	b, err := ctl.receiveJSON(maxParams)
	if err != nil {
		return fmt.Errorf("unable to receive parameters: %w", err)
	}
	params, err := parseParams(b)
	if err != nil {
		_ = ctl.sendError(codeParameters) // it will see that the connection ends
		return fmt.Errorf("parameters refused: %w", err)
	}
	t := &test{
		host: s.Host, ctl: ctl, server: true, cut: s.Cut, cookie: cookie, params: params,
		report: newReporter(s.Report), epoch: s.Host.Now(),
	}
	if !s.claim(t) {
		return ctl.send(accessDenied)
	}
	err = s.run(t)
	if err == nil {
		err = t.report.err
	}
	if err != nil {
		t.report.failed(err)
		err = fmt.Errorf("iperf3: %w", err)
	}
	ctl.conn.Close()
	s.release(t, err)
	return nil
}

// run runs the test of a client whose parameters are good.
func (s *Server) run(t *test) error {
	defer t.close()
	err := s.converse(t)
	if errors.Is(err, ErrInterrupted) {
		_ = t.ctl.send(serverTerminate) // the client may be gone
		err = fmt.Errorf("%w - the server has terminated", ErrInterrupted)
	}
	return explainClient(err)
}

// converse is the conversation from CREATE_STREAMS on.
func (s *Server) converse(t *test) error {
	ctl := t.ctl
	control := hostPort(ctl.conn.RemoteAddr())
	t.report.agreed(t, &control)
	if err := s.streams(t); err != nil {
		return err
	}
	t.report.started(t)
	if err := ctl.send(testStart, testRunning); err != nil {
		return err
	}

	if err := t.begin(); err != nil {
		_ = ctl.sendError(codeStream)
		return err
	}
	st, _, err := t.measure()
	t.halt(false)
	if err != nil && !errors.Is(err, ErrInterrupted) {
		return err
	}
	// The streams are closed before the client may take that they are idle: what it still
	// sends is not counted.
	t.close()
	t.report.ended(t.summary(nil))
	switch {
	case err != nil:
		return err
	case st == clientTerminate:
		return errors.New("the client has terminated")
	case st != testEnd:
		_ = ctl.sendError(codeMessage)
		return fmt.Errorf("the client sent %v where %v was expected", st, testEnd)
	}

	if err := ctl.send(exchangeResults); err != nil {
		return err
	}
	b, err := ctl.receiveJSON(maxResults)
	if err != nil {
		return fmt.Errorf("unable to receive results: %w", err)
	}
	if _, err := parseResults(b, t.streams); err != nil {
		return fmt.Errorf("the client's results cannot be read: %w", err)
	}
	mine := t.results()
	t.report.serverOutput(mine)
	if err := ctl.sendJSON(mine); err != nil {
		return fmt.Errorf("unable to send results: %w", err)
	}
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	if err := ctl.send(displayResults); err != nil {
		return err
	}
	// The client has what it wanted, even if it leaves without a word.
	if st, err := ctl.answer(); err == nil && st != iperfDone {
		return fmt.Errorf("the client sent %v where %v was expected", st, iperfDone)
	}
	return nil
}

// streams waits until the client has opened all streams.
func (s *Server) streams(t *test) error {
	if t.params.UDP {
		k, err := s.listenUDP(t)
		if err != nil {
			_ = t.ctl.sendError(codeListen)
			return fmt.Errorf("unable to listen for UDP streams: %w", err)
		}
		wait := s.Host.Go(func() { k.serve(t) })
		t.socket = func() { k.Close(); wait() }
	}
	s.mu.Lock()
	s.open = !t.params.UDP
	s.mu.Unlock()
	if err := t.ctl.send(createStreams); err != nil {
		return err
	}
	until := t.ctl.deadline()
	for {
		if err := s.takeOffers(t); err != nil {
			return err
		}
		if t.complete() {
			return nil
		}
		st, err := t.ctl.state(until)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the client has not opened %d streams in %v", t.params.streams(), patience)
		case err == nil && st == clientTerminate:
			return errors.New("the client has terminated")
		case err == nil:
			_ = t.ctl.sendError(codeMessage)
			return fmt.Errorf("the client sent %v where its streams were expected", st)
		case !errors.Is(err, errWoken):
			return err
		}
	}
}

// takeOffers makes streams of the connections once all are there: in the order in which
// they were accepted, as both sides count them alike.
func (s *Server) takeOffers(t *test) error {
	s.mu.Lock()
	if len(s.offers) < t.params.streams() {
		s.mu.Unlock()
		return nil
	}
	offers := s.offers
	s.offers = nil
	s.mu.Unlock()
	slices.SortFunc(offers, func(a, b *guest) int { return cmp.Compare(a.seq, b.seq) })
	for _, o := range offers {
		st := t.add(o.conn, nil)
		if !st.sends {
			st.reader = o.conn
		}
	}
	for _, o := range offers {
		if err := o.conn.SetDeadline(time.Time{}); err != nil {
			return err
		}
		if err := setNoDelay(o.conn, t.params.NoDelay); err != nil {
			return err
		}
	}
	return nil
}

// listenUDP opens the socket of the streams, at the address to which the client has
// connected, so that the answers come from there.
func (s *Server) listenUDP(t *test) (*socket, error) {
	local := addrPort(t.ctl.conn.LocalAddr())
	pc, err := s.Host.ListenPacket(network("udp", s.Family), local.String())
	if err != nil {
		return nil, err
	}
	return &socket{
		PacketConn: pc, client: addrPort(t.ctl.conn.RemoteAddr()).Addr(),
		by: make(map[netip.AddrPort]*stream),
	}, nil
}

// explainClient says of a failed control connection what that means.
func explainClient(err error) error {
	var lost *lostError
	switch {
	case !errors.As(err, &lost):
		return err
	case lost.closed():
		return fmt.Errorf("the client has unexpectedly closed the connection: %w", err)
	case isTimeout(lost):
		return fmt.Errorf("the client has been silent for %v: %w", patience, err)
	}
	return fmt.Errorf("the control connection has failed: %w", err)
}
