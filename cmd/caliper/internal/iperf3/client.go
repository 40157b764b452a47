package iperf3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Errors that a caller may want to tell from others.
var (
	// ErrInterrupted is returned after Stop, or when the context was cancelled.
	ErrInterrupted = errors.New("interrupt")
	// ErrBusy is returned by a Client when the server runs another test.
	ErrBusy = errors.New("the server is busy running a test. try again later")
)

// A Client runs one test against a server.
type Client struct {
	Host    Host
	Address string // of the server, as host:port
	Family  int    // 4 or 6: that version of IP only
	Params  Params
	Report

	// ConnectTimeout is how long the server may take to answer the connection; 0 leaves
	// it to the Host.
	ConnectTimeout time.Duration

	// Cut is for a Host whose segments arrive with zeros behind so many bytes of payload:
	// control messages are written in pieces of that, and streams carry zeros. 0 means
	// that it has none of that.
	Cut int

	// Rand is where the cookie comes from, which is in every stream's first packet; nil
	// means the system's randomness.
	Rand io.Reader

	stopped atomic.Bool
	control atomic.Pointer[control]
}

// Run runs the test. The Result holds what there is, and the reason in Error, also when
// an error is returned. Cancelling ctx stops the test as Stop does, from a goroutine.
func (c *Client) Run(ctx context.Context) (*Result, error) {
	t := &test{host: c.Host, cut: c.Cut, report: newReporter(c.Report)}
	err := c.validate()
	if err == nil {
		defer context.AfterFunc(ctx, c.Stop)()
		err = c.run(ctx, t)
	}
	if err == nil {
		err = t.report.err
	}
	if err != nil {
		t.report.failed(err)
		err = fmt.Errorf("iperf3: %w", err)
	}
	return t.report.result, err
}

// Stop ends the test early: the server is told, the summary so far is reported, and Run
// returns ErrInterrupted. It may be called from any task of the Host.
func (c *Client) Stop() {
	c.stopped.Store(true)
	if ctl := c.control.Load(); ctl != nil {
		ctl.stop()
	}
}

func (c *Client) validate() error {
	if _, port, err := net.SplitHostPort(c.Address); err != nil || port == "" {
		return fmt.Errorf("server address %q: give host:port, and an IPv6 address in brackets", c.Address)
	}
	if err := c.Report.Validate(); err != nil {
		return err
	}
	return c.Params.Validate()
}

// network adds the version of IP to tcp or udp.
func network(protocol string, family int) string {
	if family == 4 || family == 6 {
		return fmt.Sprintf("%s%d", protocol, family)
	}
	return protocol
}

func (c *Client) run(ctx context.Context, t *test) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	t.ctl = &control{host: c.Host, conn: conn, piece: c.Cut}
	c.control.Store(t.ctl)
	if c.stopped.Load() {
		t.ctl.stop()
	}
	if t.cookie, err = newCookie(c.Rand); err != nil {
		return err
	}
	t.epoch = c.Host.Now()
	t.params = c.Params.complete(addrPort(conn.RemoteAddr()).Addr().Is6())
	defer t.close()

	err = c.converse(ctx, t)
	if lost := new(lostError); err != nil && !errors.As(err, &lost) {
		// The server may be gone; there is nothing to be done about that.
		_ = t.ctl.send(clientTerminate)
	}
	if errors.Is(err, ErrInterrupted) {
		err = fmt.Errorf("%w - the client has terminated", ErrInterrupted)
	}
	return explain(err)
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	if c.ConnectTimeout > 0 {
		ctx = deadlineContext{ctx, c.Host.Now().Add(c.ConnectTimeout)}
	}
	conn, err := c.Host.DialContext(ctx, network("tcp", c.Family), c.Address)
	switch {
	case err == nil:
		return conn, nil
	case c.stopped.Load() || errors.Is(err, context.Canceled):
		return nil, fmt.Errorf("%w - the client has terminated", ErrInterrupted)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("unable to connect to server: nothing listens there: %w", err)
	case isTimeout(err) || errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("unable to connect to server: no answer: %w", err)
	}
	return nil, fmt.Errorf("unable to connect to server: %w", err)
}

// converse is the client's side of the protocol, from the cookie to IPERF_DONE.
func (c *Client) converse(ctx context.Context, t *test) error {
	ctl := t.ctl
	if err := ctl.write([]byte(t.cookie + "\x00")); err != nil {
		return err
	}
	if err := t.expect(paramExchange); err != nil {
		return err
	}
	if err := ctl.sendJSON(t.params.message()); err != nil {
		return fmt.Errorf("unable to send parameters to server: %w", err)
	}
	host, _, _ := net.SplitHostPort(c.Address)
	t.report.agreed(t, &HostPort{host, hostPort(ctl.conn.RemoteAddr()).Port})
	if err := t.expect(createStreams); err != nil {
		return err
	}
	for i := range t.params.streams() {
		if t.started {
			return t.refused(testStart, createStreams)
		}
		if err := c.open(ctx, t); err != nil {
			return fmt.Errorf("unable to create stream %d of %d: %w", i+1, t.params.streams(), err)
		}
	}
	t.report.started(t)
	if err := t.expect(testStart); err != nil {
		return err
	}
	if err := t.expect(testRunning); err != nil {
		return err
	}

	if err := t.begin(); err != nil {
		return err
	}
	st, heard, err := t.measure()
	t.halt(err == nil && st == 0)
	if heard {
		err = t.refused(st, testEnd)
	}
	if errors.Is(err, ErrInterrupted) || st == serverTerminate {
		t.report.ended(t.summary(nil))
	}
	if err != nil {
		return err
	}

	if err := ctl.send(testEnd); err != nil {
		return err
	}
	if err := t.expect(exchangeResults); err != nil {
		return err
	}
	peer, err := t.exchange()
	if err != nil {
		return err
	}
	if err := t.expect(displayResults); err != nil {
		return err
	}
	t.close()
	t.report.ended(t.summary(peer))
	_ = ctl.send(iperfDone) // the server may take leave without it
	t.report.text("\niperf Done.\n")
	return nil
}

// open opens the next stream.
func (c *Client) open(ctx context.Context, t *test) error {
	protocol := "tcp"
	if t.params.UDP {
		protocol = "udp"
	}
	if c.ConnectTimeout > 0 {
		ctx = deadlineContext{ctx, c.Host.Now().Add(c.ConnectTimeout)}
	}
	// The address that the control connection found, not another one of the same name.
	address := t.ctl.conn.RemoteAddr().String()
	conn, err := c.Host.DialContext(ctx, network(protocol, c.Family), address)
	if err != nil {
		return t.because(err)
	}
	s := t.add(conn, nil)
	if !s.sends {
		s.reader = conn
	}
	if t.params.UDP {
		return t.greet(conn)
	}
	if err := setNoDelay(conn, t.params.NoDelay); err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(t.ctl.deadline()); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(t.cookie + "\x00")); err != nil {
		return t.because(err)
	}
	return conn.SetWriteDeadline(time.Time{})
}

// exchange sends the client's results and returns the server's.
func (t *test) exchange() (*results, error) {
	if err := t.ctl.sendJSON(t.results()); err != nil {
		return nil, fmt.Errorf("unable to send results: %w", err)
	}
	limit := int64(maxResults)
	if t.params.GetServerOutput {
		limit = maxOutput
	}
	b, err := t.ctl.receiveJSON(limit)
	if err != nil {
		return nil, fmt.Errorf("unable to receive results: %w", err)
	}
	peer, err := parseResults(b, t.streams)
	if err != nil {
		return nil, fmt.Errorf("the server's results cannot be read; is it an iperf3 server? %w", err)
	}
	if t.params.GetServerOutput {
		t.report.result.ServerOutputText, t.report.result.ServerOutputJSON = peer.ServerOutputText, peer.ServerOutputJSON
	}
	return peer, nil
}

// expect reads the server's next state, which must be the wanted one.
func (t *test) expect(want state) error {
	if t.started && want == testStart {
		return nil
	}
	got, err := t.ctl.answer()
	if err != nil || got == want {
		return err
	}
	return t.refused(got, want)
}

// objection returns what the server, or the user, has to say in place of going on, or nil
// if there is nothing to hear for so long. That the test starts is no objection: the server
// has all streams.
func (t *test) objection(wait time.Duration) error {
	if t.started {
		return nil
	}
	got, err := t.ctl.state(t.host.Now().Add(wait))
	switch {
	case err == nil && got == testStart:
		t.started = true
		return nil
	case err == nil:
		return t.refused(got, testStart)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errWoken):
		return nil
	}
	return err
}

// because returns what the server says of an error that it has probably caused, or the
// error if it says nothing.
func (t *test) because(err error) error {
	if why := t.objection(time.Second); why != nil {
		return why
	}
	return err
}

// refused returns what a state means that the server sent in place of another.
func (t *test) refused(got, want state) error {
	switch got {
	case accessDenied:
		return ErrBusy
	case serverTerminate:
		return errors.New("the server has terminated")
	case serverError:
		code, err := t.ctl.receiveError()
		if err != nil {
			return err
		}
		return errors.New(errorText(code))
	}
	return fmt.Errorf("the server sent %v where %v was expected; is it an iperf3 server?", got, want)
}

// explain says of a failed control connection what that means.
func explain(err error) error {
	var lost *lostError
	switch {
	case !errors.As(err, &lost):
		return err
	case lost.closed():
		return fmt.Errorf("control socket has closed unexpectedly: the server has gone away; look there for the reason: %w", err)
	case isTimeout(lost):
		return fmt.Errorf("the server has not answered for %v; is it an iperf3 server, and is the path still up? %w", patience, err)
	}
	return fmt.Errorf("the control connection has failed: %w", err)
}
