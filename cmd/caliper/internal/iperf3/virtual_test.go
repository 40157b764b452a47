package iperf3

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// An encounter is a client and a server in a world, and what came of it.
type encounter struct {
	w          *world
	near, far  *worldHost
	client     Client
	server     Server
	text       bytes.Buffer // of the client
	serverText bytes.Buffer

	result, serverResult *Result
	err, serverErr       error
	serveErr             error
	served               []*Result // by serve, in tests that ended well
	said                 []string  // by the server of tests that failed
}

func newEncounter(t testing.TB, p Params) *encounter {
	e := &encounter{w: newWorld(t)}
	e.near, e.far = e.w.hosts(4)
	e.client = Client{
		Host: e.near, Address: "10.0.0.2:5201", Params: p, Report: Report{Out: &e.text},
		Rand: strings.NewReader(strings.Repeat("chance", 10)),
	}
	e.server = Server{
		Host: e.far, Address: ":5201", OneOff: true, Report: Report{Out: &e.serverText},
		OnTest: func(r *Result, err error) { e.serverResult, e.serverErr = r, err },
	}
	return e
}

// serve has the server serve, and takes down what comes of the tests.
func (e *encounter) serve() {
	e.server.OnTest = func(r *Result, err error) {
		if err != nil {
			e.said = append(e.said, err.Error())
		} else {
			e.served = append(e.served, r)
		}
	}
	e.w.spawn(func() { e.serveErr = e.server.Serve(context.Background()) })
}

// run runs both to their ends.
func (e *encounter) run() {
	e.w.spawn(func() { e.serveErr = e.server.Serve(context.Background()) })
	e.w.spawn(func() { e.result, e.err = e.client.Run(context.Background()) })
	e.w.run()
}

// check fails the test if something went wrong.
func (e *encounter) check(t *testing.T) {
	t.Helper()
	if e.err != nil || e.serverErr != nil || e.serveErr != nil {
		t.Fatalf("client: %v; test on the server: %v; server: %v", e.err, e.serverErr, e.serveErr)
	}
}

// TestVirtual runs client and server in virtual time over 100 Mbit/s with 1 ms each way,
// and compares all that they print.
func TestVirtual(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name   string
		params Params
		with   func(*encounter)
	}{
		{name: "tcp", params: Params{Duration: 3 * second}},
		{name: "tcp-rate", params: Params{Duration: 3 * second, Bitrate: 20e6}},
		{name: "tcp-parallel", params: Params{Duration: 2 * second, Streams: 3}},
		{name: "tcp-reverse", params: Params{Duration: 2 * second, Reverse: true, GetServerOutput: true}},
		{name: "tcp-bidir", params: Params{Duration: 2 * second, Bidir: true, Streams: 2, Bitrate: 10e6}},
		{name: "tcp-bytes", params: Params{Bytes: 10 << 20}},
		{name: "tcp-blocks-reverse", params: Params{Blocks: 80, Reverse: true}},
		{name: "tcp-omit", params: Params{Duration: 2 * second, Omit: second, Title: "title"}},
		{name: "udp", params: Params{UDP: true, Duration: 2 * second, Bitrate: 10e6}},
		{name: "udp-unlimited", params: Params{UDP: true, Duration: second, Bitrate: 200e6}},
		{name: "udp-parallel", params: Params{UDP: true, Duration: second, Streams: 3}},
		{name: "udp-reverse", params: Params{UDP: true, Duration: 2 * second, Reverse: true}},
		{name: "udp-bidir", params: Params{UDP: true, Duration: 2 * second, Bidir: true, UDPCounters64: true}},
		{name: "udp-bytes", params: Params{UDP: true, Bytes: 1 << 20, Bitrate: 10e6}},
		{
			name: "udp-faults", params: Params{UDP: true, Duration: 2 * second, Omit: second, Bitrate: 1448 * 8 * 100},
			with: func(e *encounter) {
				// Of each hundred, one is lost and one overtaken.
				e.w.faults = func(n int, _ []byte) (bool, time.Duration) {
					if n%100 == 50 {
						return false, 15 * time.Millisecond
					}
					return n%100 == 99, 0
				}
			},
		},
		{
			name: "udp-ipv6-kbytes", params: Params{UDP: true, Duration: second, Bitrate: 10e6},
			with: func(e *encounter) {
				e.near, e.far = e.w.hosts(6)
				e.client.Host, e.server.Host = e.near, e.far
				e.client.Address, e.client.Units = "[fd00::2]:5201", 'K'
			},
		},
		{
			name: "tcp-no-interval", params: Params{Duration: 2 * second, Omit: second},
			with: func(e *encounter) { e.client.Interval, e.server.Interval = -1, -1 },
		},
		{
			name: "tcp-paced", params: Params{Duration: 2 * second, Bitrate: 20e6},
			with: func(e *encounter) { e.near.paces = true },
		},
		{
			name: "udp-paced-bidir", params: Params{UDP: true, Duration: 2 * second, Bitrate: 20e6, Bidir: true},
			with: func(e *encounter) { e.near.paces, e.far.paces = true, true },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEncounter(t, test.params)
			if test.with != nil {
				test.with(e)
			}
			e.run()
			linktest.Golden(t, test.name+".txt", e.text.String()+"== server\n"+e.serverText.String())
			e.check(t)
		})
	}
}

// A strangeHost does not pace, and not because it cannot.
type strangeHost struct{ *worldHost }

func (strangeHost) Pace(any, net.Addr, int64) (Departures, error) {
	return nil, errors.New("no room for the flow")
}

func TestPace(t *testing.T) {
	for _, paces := range []bool{false, true} {
		e := newEncounter(t, Params{Duration: time.Second, Bitrate: 10e6})
		e.near.paces = paces
		e.run()
		e.check(t)
		if e.result.Paced != paces {
			t.Errorf("the host paces: %v, and the result says %v", paces, e.result.Paced)
		}
	}
	e := newEncounter(t, Params{Duration: time.Second, Bitrate: 10e6})
	e.client.Host = strangeHost{e.near}
	e.run()
	if strings.Contains(e.text.String(), "sec") {
		t.Errorf("something was measured:\n%s", &e.text)
	}
	if e.err == nil || !strings.Contains(e.err.Error(), "cannot pace stream 1 at 10000000 bit/s: no room for the flow") {
		t.Errorf("got %v", e.err)
	}
	if e.serverErr == nil || !strings.Contains(e.serverErr.Error(), "the client has terminated") {
		t.Errorf("server: %v", e.serverErr)
	}
}

// TestOmittedAmount waits for an amount that comes within the omitted time: iperf3's
// sender counts that, too, and sends no more.
func TestOmittedAmount(t *testing.T) {
	for _, p := range []Params{
		{Reverse: true, Omit: time.Second, Bytes: 1 << 20},
		{Reverse: true, Omit: time.Second, Blocks: 3},
	} {
		e := newEncounter(t, p)
		e.run()
		e.check(t)
		if got := e.result.End.SumReceived; got.Bytes > 128<<10 || got.Seconds > 0.01 {
			t.Errorf("%+v: %d bytes in %v s were waited for besides", p, got.Bytes, got.Seconds)
		}
	}
}
