package iperf3

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFlood has more silent connections than the server looks after: those that came first
// go, and a good client is served at once.
func TestFlood(t *testing.T) {
	e := newEncounter(t, Params{Duration: time.Second})
	var sent, silent int
	e.server.OneOff = false
	e.server.OnTest = func(_ *Result, err error) {
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "connections came after it"):
			sent++
		case strings.Contains(err.Error(), "silent"):
			silent++
		default:
			t.Error(err)
		}
	}
	e.w.spawn(func() { e.serveErr = e.server.Serve(context.Background()) })
	e.w.spawn(func() {
		v := &visitor{t: t, host: e.near}
		for range maxGuests + 100 {
			v.dial("tcp")
		}
		begun := e.w.now
		e.result, e.err = e.client.Run(context.Background())
		if d := e.w.now.Sub(begun); d > 2*time.Second {
			t.Errorf("a test of 1 s took %v", d)
		}
		if len(e.server.guests) > maxGuests {
			t.Errorf("%d guests", len(e.server.guests))
		}
		e.near.Sleep(patience)
		for _, c := range v.open {
			c.Close()
		}
		e.server.Stop()
	})
	e.w.run()
	// One more had to go for the good client.
	if e.err != nil || sent != 101 || silent != maxGuests-1 {
		t.Errorf("the good client got %v; %d were sent away and %d silent", e.err, sent, silent)
	}
}

// badListener fails to accept now and then, as one does whose clients go away at once.
type badListener struct {
	net.Listener
	fails int
}

func (l *badListener) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.ECONNABORTED}
	}
	return l.Listener.Accept()
}

// badHost listens by a badListener.
type badHost struct {
	*worldHost
	fails int
}

func (h badHost) Listen(network, address string) (net.Listener, error) {
	ln, err := h.worldHost.Listen(network, address)
	return &badListener{ln, h.fails}, err
}

// TestAcceptFails has a listener that fails twenty times: it is told once, and the next
// client does not wait for long.
func TestAcceptFails(t *testing.T) {
	e := newEncounter(t, Params{Bytes: 100 << 10})
	e.server.Host = badHost{e.far, 20}
	e.serve()
	e.w.spawn(func() {
		begun := e.w.now
		e.result, e.err = e.client.Run(context.Background())
		if d := e.w.now.Sub(begun); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
	e.w.run()
	if e.err != nil || len(e.said) != 1 || !strings.Contains(e.said[0], "unable to accept a connection") {
		t.Errorf("the client got %v; the server said %q", e.err, e.said)
	}
}

// TestListens sends the next client when the server says that it listens, after a test
// that has failed: it is served, however long the result takes to be told.
func TestListens(t *testing.T) {
	e := newEncounter(t, Params{Bytes: 100 << 10})
	e.server.OneOff = false
	listens := &event{w: e.w}
	times := 0
	e.server.Out = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "listening") {
			times++
			listens.fire()
			e.far.Sleep(10 * time.Millisecond)
		}
		return len(p), nil
	})
	e.server.OnTest = func(*Result, error) { e.far.Sleep(50 * time.Millisecond) }
	e.w.spawn(func() { e.serveErr = e.server.Serve(context.Background()) })
	e.w.spawn(func() {
		for n := 1; n <= 3; n++ {
			for times < n {
				listens.wait(time.Time{})
			}
			if n < 3 {
				v := &visitor{t: t, host: e.near, ctl: nil}
				v.ctl = v.dial("tcp")
				v.begin(goodParams)
				for _, c := range v.open {
					c.Close()
				}
				continue
			}
			e.result, e.err = e.client.Run(context.Background())
		}
		e.server.Stop()
	})
	e.w.run()
	if e.err != nil {
		t.Errorf("the client got %v", e.err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
