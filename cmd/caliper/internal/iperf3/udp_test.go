package iperf3

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestHellosLost loses what opens UDP streams, in either direction: there are ten tries,
// and a server that starts the test has had the last hello.
func TestHellosLost(t *testing.T) {
	for _, test := range []struct {
		name   string
		what   []byte
		lost   int // of them, from the first on
		after  int // those that came through before
		failed string
	}{
		{name: "one hello", what: hello, lost: 1},
		{name: "nine hellos", what: hello, lost: 9},
		{name: "ten hellos", what: hello, lost: 10, failed: "no answer to 10 datagrams"},
		{name: "nine answers", what: answer, lost: 9},
		{name: "the last stream's answer", what: answer, lost: 1, after: 1},
		{name: "all of the last stream's answers", what: answer, lost: 99, after: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEncounter(t, Params{UDP: true, Duration: time.Second, Streams: 2})
			n := 0
			e.w.hellos = func(p []byte) bool {
				if !bytes.Equal(p, test.what) {
					return false
				}
				n++
				return test.after < n && n <= test.after+test.lost
			}
			e.run()
			switch {
			case test.failed != "":
				if e.err == nil || !strings.Contains(e.err.Error(), test.failed) {
					t.Errorf("got %v", e.err)
				}
			case e.err != nil || e.serverErr != nil:
				t.Errorf("client: %v; server: %v", e.err, e.serverErr)
			case e.result.End.SumReceived.Bytes == 0:
				t.Error("nothing was received")
			}
		})
	}
}

// A lateReader reads datagrams that have come every ms, whenever it gets to it.
type lateReader struct {
	w     *world
	n     int
	delay []time.Duration
}

func (r *lateReader) Read([]byte) (int, error) { panic("the stamp is asked for") }

func (r *lateReader) ReadStamped(b []byte) (n int, from netip.AddrPort, at time.Time, err error) {
	if r.n == len(r.delay) {
		return 0, from, at, net.ErrClosed
	}
	at = time.Unix(0, 0).Add(time.Duration(r.n) * time.Millisecond)
	r.w.now = at.Add(r.delay[r.n])
	putHead(b, time.Duration(r.n)*time.Millisecond, int64(r.n+1), false)
	r.n++
	return 100, from, at, nil
}

// TestJitterIsOfArrivals has a reader that is late by more and less.
func TestJitterIsOfArrivals(t *testing.T) {
	w := newWorld(t)
	near, _ := w.hosts(4)
	r := &lateReader{w: w, delay: []time.Duration{0, 5e6, 1e6, 0, 7e6}}
	s := newStream(0, false, nil, r)
	test := &test{host: near, epoch: time.Unix(0, 0), params: Params{UDP: true}.complete(false)}
	if err := test.receiveUDP(s); err != net.ErrClosed {
		t.Error(err)
	}
	if c := s.snapshot(); c.packets != 5 || c.jitter != 0 {
		t.Errorf("%+v of datagrams that came every ms, as they were sent", c)
	}
}
