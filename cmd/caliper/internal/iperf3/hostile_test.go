package iperf3

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

const aCookie = "abcdefghijklmnopqrstuvwxyz234567abcd\x00"

// framed puts the length before a message.
func framed(s string) string {
	n := len(s)
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + s
}

const (
	goodParams = `{"tcp":true,"omit":0,"time":1,"num":0,"blockcount":0,"parallel":1,"len":131072}`
	udpParams  = `{"udp":true,"omit":0,"time":1,"num":0,"blockcount":0,"parallel":1,"len":1000,"bandwidth":1000000,"reverse":true}`
)

// A visitor is a peer that does as it likes. Its connections are closed when it is done.
type visitor struct {
	t    *testing.T
	host *worldHost
	ctl  net.Conn
	open []net.Conn
}

func (v *visitor) dial(network string) net.Conn {
	c, err := v.host.DialContext(context.Background(), network, "10.0.0.2:5201")
	if err != nil {
		v.t.Fatal(err)
	}
	v.open = append(v.open, c)
	return c
}

func (v *visitor) send(s string) { v.ctl.Write([]byte(s)) }

// hear reads states and expects them to be these.
func (v *visitor) hear(want ...state) {
	v.t.Helper()
	for _, w := range want {
		var b [1]byte
		if _, err := io.ReadFull(v.ctl, b[:]); err != nil || state(int8(b[0])) != w {
			v.t.Errorf("heard %v, %v; want %v", state(int8(b[0])), err, w)
			return
		}
	}
}

// stay waits until the server hangs up.
func (v *visitor) stay() { io.Copy(io.Discard, v.ctl) }

// begin goes as far as the running test.
func (v *visitor) begin(params string) (data net.Conn) {
	v.send(aCookie)
	v.hear(paramExchange)
	v.send(framed(params))
	v.hear(createStreams)
	if params == udpParams {
		data = v.dial("udp")
		data.Write(oldHello)
		var b [16]byte
		if n, err := data.Read(b[:]); err != nil || string(b[:n]) != string(oldAnswer) {
			v.t.Errorf("the old hello was answered with %q, %v", b[:n], err)
		}
	} else {
		data = v.dial("tcp")
		data.Write([]byte(aCookie))
	}
	v.hear(testStart, testRunning)
	return data
}

// TestHostileClients lets bad clients visit a server, one after another. Of each the
// server must say what was wrong, and be rid of it after a reasonable time; after each a
// good client is served.
func TestHostileClients(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name   string
		visit  func(*visitor)
		says   string // the server
		within time.Duration
	}{
		{"closes at once", func(v *visitor) {}, "unexpectedly closed", second},
		{"half a cookie", func(v *visitor) { v.send("abc") }, "unexpectedly closed", second},
		{"another protocol", func(v *visitor) { v.send("GET /index.html HTTP/1.1\r\nHost: far\r\n\r\n"); v.stay() }, "no cookie", second},
		{"zeros", func(v *visitor) { v.send(strings.Repeat("\x00", 100)); v.stay() }, "no cookie", second},
		{"silence", func(v *visitor) { v.stay() }, "silent for 30s", 31 * second},
		{"silence after the cookie", func(v *visitor) { v.send(aCookie); v.stay() }, "silent for 30s", 31 * second},
		{"4 GB of JSON", func(v *visitor) { v.send(aCookie + "\xff\xff\xff\xff"); v.stay() }, "4294967295 bytes is announced", second},
		{"8193 bytes of JSON", func(v *visitor) { v.send(aCookie + framed(strings.Repeat(" ", 8193))); v.stay() }, "8193 bytes is announced", second},
		{"cut JSON", func(v *visitor) { v.send(aCookie + framed(goodParams)[:40]) }, "ends after 36", second},
		{"cut JSON and silence", func(v *visitor) { v.send(aCookie + framed(goodParams)[:40]); v.stay() }, "silent for 30s", 31 * second},
		{"a byte of JSON now and then", func(v *visitor) {
			v.send(aCookie)
			for _, c := range framed(goodParams) {
				v.send(string([]byte{byte(c)}))
				v.host.Sleep(second)
			}
		}, "silent for 30s", 90 * second},
		{"no JSON", func(v *visitor) {
			v.send(aCookie + framed("hello"))
			v.hear(paramExchange, serverError)
			v.stay()
		}, "parameters refused", second},
		{"wrong types", func(v *visitor) { v.send(aCookie + framed(`{"tcp":"yes","parallel":1,"len":1}`)); v.stay() }, "neither true nor false", second},
		{"a million streams", func(v *visitor) { v.send(aCookie + framed(`{"tcp":true,"parallel":1000000,"len":1000}`)); v.stay() }, "1000000 streams", second},
		{"blocks of 1 GB", func(v *visitor) { v.send(aCookie + framed(`{"tcp":true,"parallel":1,"len":1073741824}`)); v.stay() }, "1073741824 bytes", second},
		{"no streams come", func(v *visitor) {
			v.send(aCookie + framed(goodParams))
			v.hear(paramExchange, createStreams)
			v.stay()
		}, "has not opened 1 streams", 31 * second},
		{"no UDP streams come", func(v *visitor) {
			v.send(aCookie + framed(udpParams))
			v.hear(paramExchange, createStreams)
			v.stay()
		}, "has not opened 1 streams", 31 * second},
		{"it goes before the streams", func(v *visitor) {
			v.send(aCookie + framed(goodParams))
			v.hear(paramExchange, createStreams)
		}, "unexpectedly closed", second},
		{"a stream with another cookie", func(v *visitor) {
			v.send(aCookie + framed(goodParams))
			v.hear(paramExchange, createStreams)
			ctl := v.ctl
			v.ctl = v.dial("tcp")
			v.send(strings.Repeat("x", 36) + "\x00")
			v.hear(accessDenied)
			v.ctl = ctl
		}, "unexpectedly closed", second},
		{"an unknown state before the streams", func(v *visitor) {
			v.send(aCookie + framed(goodParams) + "\x63")
			v.hear(paramExchange, createStreams, serverError)
			v.stay()
		}, "state 99 where its streams were expected", second},
		{"an unknown state in the test", func(v *visitor) {
			v.begin(goodParams)
			v.send("\x63")
			v.hear(serverError)
			v.stay()
		}, "state 99 where TEST_END was expected", second},
		{"it stops the test", func(v *visitor) { v.begin(goodParams); v.send(string(byte(clientTerminate))) }, "the client has terminated", second},
		{"it goes in the test", func(v *visitor) { v.begin(goodParams) }, "unexpectedly closed", second},
		{"it closes its stream", func(v *visitor) { v.begin(goodParams).Close(); v.stay() }, "the peer has closed it", 6 * second},
		{"it never ends the test", func(v *visitor) { v.begin(goodParams); v.stay() }, "has not ended the test", 33 * second},
		{"it never ends a reverse test", func(v *visitor) { v.begin(udpParams); v.stay() }, "has not ended the test", 33 * second},
		{"no data in a test without end", func(v *visitor) {
			v.begin(`{"tcp":true,"time":0,"parallel":1,"len":1000}`)
			v.stay()
		}, "no data has passed for 2m0s", 122 * second},
		{"datagrams of nonsense", func(v *visitor) {
			v.send(aCookie + framed(strings.Replace(udpParams, "reverse", "rev", 1)))
			v.hear(paramExchange, createStreams)
			data := v.dial("udp")
			data.Write(make([]byte, 1000)) // data of another test opens no stream
			data.Write(hello)
			data.Write(hello)
			v.hear(testStart, testRunning)
			for n := range 100 {
				data.Write([]byte(strings.Repeat("\xff", n)))
			}
			v.send(string(byte(testEnd)))
			v.hear(exchangeResults)
			v.send(framed("{}"))
			v.stay()
		}, `"cpu_util_total" is missing`, second},
		{"4 GB of results", func(v *visitor) {
			v.begin(goodParams)
			v.send(string(byte(testEnd)) + "\xff\xff\xff\xff")
			v.hear(exchangeResults)
			v.stay()
		}, "4294967295 bytes is announced", second},
		{"results of other streams", func(v *visitor) {
			v.begin(goodParams)
			v.send(string(byte(testEnd)))
			v.hear(exchangeResults)
			v.send(framed(`{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":0,"streams":[{"id":2,"bytes":0,"retransmits":0,"jitter":0,"errors":0,"packets":0}]}`))
			v.stay()
		}, "no stream with id 2", second},
		{"it goes before the end", func(v *visitor) { v.begin(goodParams); v.send(string(byte(testEnd))) }, "unexpectedly closed", second},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEncounter(t, Params{Duration: time.Second})
			e.server.OneOff = false
			v := &visitor{t: t, host: e.near}
			e.serve()
			e.w.spawn(func() {
				begun := e.w.now
				v.ctl = v.dial("tcp")
				test.visit(v)
				for _, c := range v.open {
					c.Close()
				}
				if d := e.w.now.Sub(begun); d > test.within {
					t.Errorf("it took %v, more than %v", d, test.within)
				}
				e.near.Sleep(time.Second)
				if len(e.said) != 1 || !strings.Contains(e.said[0], test.says) {
					t.Errorf("the server said %q, want one sentence with %q", e.said, test.says)
				}
				e.result, e.err = e.client.Run(context.Background())
				e.server.Stop()
			})
			e.w.run()
			if e.err != nil || len(e.served) != 1 {
				t.Errorf("the good client got %v; %d were served", e.err, len(e.served))
			}
			if !errors.Is(e.serveErr, ErrInterrupted) {
				t.Errorf("the server ended with %v", e.serveErr)
			}
		})
	}
}

// TestBusy sends a second client to a server that runs a test.
func TestBusy(t *testing.T) {
	e := newEncounter(t, Params{Duration: 2 * time.Second})
	second := Client{Host: e.near, Address: e.client.Address}
	e.w.spawn(func() {
		e.near.Sleep(time.Second)
		r, err := second.Run(context.Background())
		if !errors.Is(err, ErrBusy) || r.Error != "the server is busy running a test. try again later" {
			t.Errorf("the second client got %v and %q", err, r.Error)
		}
	})
	e.run()
	e.check(t)
}

// TestHostileServers sends a client to bad servers.
func TestHostileServers(t *testing.T) {
	const second = time.Second
	results := func(streams string) string {
		return framed(`{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":-1,"streams":` + streams + `}`)
	}
	begin := string([]byte{byte(paramExchange), byte(createStreams), byte(testStart), byte(testRunning)})
	for _, test := range []struct {
		name   string
		sends  string // at once, and then nothing
		then   func(v *visitor)
		udp    bool
		bytes  int64
		says   string
		within time.Duration
	}{
		{name: "closes at once", then: func(v *visitor) { v.ctl.Close() }, says: "control socket has closed unexpectedly", within: second},
		{name: "is silent", says: "has not answered for 30s", within: 31 * second},
		{name: "is another server", sends: "SSH-2.0-x\r\n", says: "the server sent state 83 where PARAM_EXCHANGE was expected; is it an iperf3 server?", within: second},
		{name: "is busy", sends: "\xff", says: "the server is busy running a test. try again later", within: second},
		{name: "reports an error", sends: "\x09\xfe\x00\x00\x00\x72\x00\x00\x00\x00", says: "error 114: it could not receive the parameters", within: second},
		{name: "reports an unknown error", sends: "\xfe\x00\x00\x27\x0f\x00\x00\x00\x00", says: "error 9999", within: second},
		{name: "breaks off its error", sends: "\xfe\x00", then: func(v *visitor) { v.ctl.Close() }, says: "closed unexpectedly", within: second},
		{name: "skips a state", sends: "\x09\x01", says: "TEST_START where CREATE_STREAMS was expected", within: second},
		{name: "terminates", sends: begin + "\x0b", says: "the server has terminated", within: second},
		{name: "terminates early", sends: "\x09\x0b", says: "the server has terminated", within: second},
		{name: "ends in the middle", sends: begin, then: func(v *visitor) { v.host.Sleep(second); v.ctl.Close() }, says: "the server has gone away", within: 2 * second},
		{name: "speaks out of turn", sends: begin + "\x0e", says: "DISPLAY_RESULTS where TEST_END was expected", within: second},
		{name: "closes the stream", bytes: 10 << 20, sends: begin, then: func(v *visitor) { v.host.Sleep(second / 2); v.open[1].Close() }, says: "stream 1: connection reset", within: 6 * second},
		{name: "is silent at the end", sends: begin, says: "has not answered for 30s", within: 34 * second},
		{name: "has 4 GB of results", sends: begin, then: later("\x0d\xff\xff\xff\xff"), says: "4294967295 bytes is announced", within: 4 * second},
		{name: "cuts its results", sends: begin, then: later("\x0d\x00\x00\x01\x00{"), says: "has not answered for 30s", within: 35 * second},
		{name: "has no JSON", sends: begin, then: later("\x0d" + framed("results")), says: "results cannot be read", within: 4 * second},
		{name: "has no streams", sends: begin, then: later("\x0d" + framed(`{"cpu_util_total":0}`)), says: "is missing", within: 4 * second},
		{name: "has other streams", sends: begin, then: later("\x0d" + results(`[{"id":9,"bytes":0,"retransmits":0,"jitter":0,"errors":0,"packets":0}]`)), says: "no stream with id 9", within: 4 * second},
		{name: "does not answer UDP", udp: true, sends: "\x09\x0a", says: "no answer to 10 datagrams", within: 11 * second},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Params{Duration: 2 * time.Second, UDP: test.udp}
			if test.bytes > 0 {
				p = Params{Bytes: test.bytes}
			}
			e := newEncounter(t, p)
			ln, _ := e.far.Listen("tcp", ":5201")
			v := &visitor{t: t, host: e.far}
			e.w.spawn(func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						break
					}
					v.open = append(v.open, c)
					if v.ctl != nil {
						continue
					}
					v.ctl = c
					e.w.spawn(func() {
						v.send(test.sends)
						if test.then != nil {
							test.then(v)
						}
					})
				}
				for _, c := range v.open {
					c.Close()
				}
			})
			e.w.spawn(func() {
				begun := e.w.now
				e.result, e.err = e.client.Run(context.Background())
				if d := e.w.now.Sub(begun); d > test.within {
					t.Errorf("it took %v, more than %v", d, test.within)
				}
				ln.Close()
			})
			e.w.run()
			if e.err == nil || !strings.Contains(e.err.Error(), test.says) {
				t.Errorf("the client got %v; want %q", e.err, test.says)
			}
			if "iperf3: "+e.result.Error != e.err.Error() {
				t.Errorf("the result says %q", e.result.Error)
			}
		})
	}
}

// later sends something 3 s after the begin, when the test of 2 s is over.
func later(s string) func(*visitor) {
	return func(v *visitor) {
		v.host.Sleep(3 * time.Second)
		v.send(s)
	}
}

// TestUnreachable checks what a client says of a server that is not there.
func TestUnreachable(t *testing.T) {
	for _, test := range []struct {
		address string
		says    string
	}{
		{"10.0.0.2:5201", "nothing listens there: "},
		{"10.0.0.3:5201", "no answer: "},
		{"10.0.0.2", "give host:port"},
		{"fd00::2", "in brackets"},
	} {
		w := newWorld(t)
		near, _ := w.hosts(4)
		c := Client{Host: near, Address: test.address, ConnectTimeout: 3 * time.Second}
		w.spawn(func() {
			if _, err := c.Run(context.Background()); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v; want %q", test.address, err, test.says)
			}
		})
		w.run()
		if d := w.now.Sub(time.Unix(0, 0)); d > 3*time.Second {
			t.Errorf("%s: it took %v", test.address, d)
		}
	}
}

// TestStop stops client and server in virtual time, at every stage of a test, and compares
// what they print when it runs.
func TestStop(t *testing.T) {
	for _, test := range []struct {
		name   string
		server bool
		at     time.Duration
		golden bool
	}{
		{"client-running", false, 1500 * time.Millisecond, true},
		{"client-dialing", false, time.Millisecond, false},
		{"client-exchanging", false, 3 * time.Millisecond, false},
		{"client-opening", false, 7 * time.Millisecond, false},
		{"server-running", true, 1500 * time.Millisecond, true},
		{"server-waiting", true, 0, false},
		{"server-exchanging", true, 3 * time.Millisecond, false},
		{"server-opening", true, 7 * time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEncounter(t, Params{Duration: 3 * time.Second, Bitrate: 10e6, UDP: true})
			e.server.OneOff = test.server
			stop := e.client.Stop
			if test.server {
				stop = e.server.Stop
			}
			e.w.spawn(func() { e.near.Sleep(test.at); stop() })
			if !test.server {
				e.w.spawn(func() { e.near.Sleep(5 * time.Second); e.server.Stop() })
			}
			e.run()
			if test.golden {
				linktest.Golden(t, "stop-"+test.name+".txt", e.text.String()+"== server\n"+e.serverText.String())
			}
			if test.server {
				if e.err == nil || !errors.Is(e.serveErr, ErrInterrupted) {
					t.Errorf("client: %v; server: %v", e.err, e.serveErr)
				}
			} else if !errors.Is(e.err, ErrInterrupted) {
				t.Errorf("client: %v", e.err)
			}
			t.Logf("client: %v; test: %v; server: %v", e.err, e.serverErr, e.serveErr)
		})
	}
}
