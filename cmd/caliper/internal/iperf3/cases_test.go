package iperf3

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Parameters and results of clients and servers from 3.0.11 on: keys that come and go.
var versions = []struct{ name, params, results string }{
	{"3.0.11", `{"tcp":true,"omit":0,"time":10,"parallel":1,"len":131072,"client_version":"3.0.11"}`,
		`{"cpu_util_total":1.5,"cpu_util_user":0.5,"cpu_util_system":1,"sender_has_retransmits":1,"streams":[{"id":1,"bytes":10,"retransmits":0,"jitter":0,"errors":0,"packets":0}]}`},
	{"3.1", `{"udp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":1,"len":8192,"bandwidth":1048576,"client_version":"3.1.3"}`,
		`{"cpu_util_total":1.5,"cpu_util_user":0.5,"cpu_util_system":1,"sender_has_retransmits":-1,"streams":[{"id":1,"bytes":10,"retransmits":-1,"jitter":0.0001,"errors":0,"packets":8}]}`},
	{"3.7", `{"tcp":true,"omit":0,"time":10,"parallel":1,"len":131072,"pacing_timer":1000,"client_version":"3.7","bidirectional":true}`,
		`{"cpu_util_total":1.5,"cpu_util_user":0.5,"cpu_util_system":1,"sender_has_retransmits":1,"congestion_used":"cubic","streams":[{"id":1,"bytes":10,"retransmits":0,"jitter":0,"errors":0,"packets":0,"start_time":0,"end_time":10.04}]}`},
	{"3.13", `{"udp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":1,"len":1448,"bandwidth":1048576,"pacing_timer":1000,"burst":10,"MSS":1400,"TOS":184,"window":65536,"fqrate":0,"client_version":"3.13"}`,
		`{"cpu_util_total":1.5,"cpu_util_user":0.5,"cpu_util_system":1,"sender_has_retransmits":18446744073709551615,"streams":[{"id":1,"bytes":10,"retransmits":18446744073709551615,"jitter":0,"errors":0,"packets":0,"start_time":0,"end_time":1}]}`},
	{"3.16", `{"tcp":true,"omit":1,"time":10,"num":0,"blockcount":0,"parallel":8,"len":131072,"pacing_timer":1000,"client_version":"3.16","skip_rx_copy":0}`,
		`{"cpu_util_total":1.5,"cpu_util_user":0.5,"cpu_util_system":1,"sender_has_retransmits":0,"streams":[{"id":1,"bytes":10,"retransmits":-1,"jitter":0,"errors":5,"omitted_errors":1,"packets":9,"omitted_packets":2,"start_time":0,"end_time":1}]}`},
	{"3.21", `{"tcp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":1,"len":131072,"pacing_timer":1000,"dont_fragment":1,"cntl_ka":true,"gsro":0,"client_version":"3.21"}`,
		`{"cpu_util_total":1.5,"cpu_util_user":0.5,"cpu_util_system":1,"sender_has_retransmits":-1,"streams":[{"id":1,"bytes":10,"retransmits":-1,"jitter":0,"errors":0,"omitted_errors":0,"packets":0,"omitted_packets":0,"start_time":0,"end_time":1}],"server_output_json":{"start":{}}}`},
}

func TestVersions(t *testing.T) {
	for _, v := range versions {
		if p, err := parseParams([]byte(v.params)); err != nil || p.Length == 0 {
			t.Errorf("%s: %+v, %v", v.name, p, err)
		}
		r, err := parseResults([]byte(v.results), twoStreams()[:1])
		if err != nil || len(r.Streams) != 1 || r.Streams[0].Bytes != 10 || r.HasRetransmits < -1 || r.Streams[0].Retransmits < -1 {
			t.Errorf("%s: %+v, %v", v.name, r, err)
		}
	}
}

// TestStrangeJSON is no harm to what reads parameters and results: each is an error.
func TestStrangeJSON(t *testing.T) {
	deep := strings.Repeat("[", 4000)
	for _, in := range []string{
		`{"tcp":true,"len":1000,"parallel":1,"num":1e400}`, `{"tcp":true,"len":1000,"parallel":NaN}`,
		`{"tcp":true,"len":1000,"parallel":1,"x":` + deep, "{\"tcp\":true,\"\xff\":", `{"tcp":true,"len":1000,"parallel":1,"num":-1}`,
		`{"tcp":true,"len":1000,"parallel":1,"blockcount":1e18}`, `{"tcp":true,"len":1000,"parallel":1,"time":5,"num":1e18}`,
	} {
		if p, err := parseParams([]byte(in)); err == nil {
			t.Errorf("%.80s: %+v", in, p)
		}
	}
	for _, in := range []string{
		`{"cpu_util_total":1e400`, `{"x":` + strings.Repeat("[", 20_000),
		strings.Replace(someResults, `"bytes":1`, `"bytes":1.5`, 1), strings.Replace(someResults, `"bytes":1`, `"bytes":-7`, 1),
		strings.Replace(someResults, `"end_time":1`, `"end_time":-1`, 1), strings.Replace(someResults, `"id":1`, `"id":"1"`, 1),
		`{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":-1,"streams":[]}`,
	} {
		if r, err := parseResults([]byte(in), twoStreams()[:1]); err == nil {
			t.Errorf("%.80s: %+v", in, r)
		}
	}
	// The last of two keys counts, and bytes that are no letters are replaced.
	p, err := parseParams([]byte("{\"tcp\":true,\"len\":1,\"len\":1000,\"parallel\":1,\"time\":1,\"title\":\"\xff\"}"))
	if err != nil || p.Length != 1000 || p.Title != "\ufffd" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestAnnounced has a peer announce more than it sends: memory is taken as it arrives.
func TestAnnounced(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		theirs.Write([]byte{0, 0xff, 0xff, 0xff})
		theirs.Write(bytes.Repeat([]byte("x"), 1000))
		theirs.Close()
	}()
	c := &control{host: KernelHost{}, conn: ours}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.receiveJSON(maxOutput)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "ends after 1000") {
		t.Error(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated for 1000", n)
	}
}

// TestVisits has more of what clients do, one after another, in a server that serves the next
// one after each. Of each but the last the server says what was wrong.
func TestVisits(t *testing.T) {
	reset := func(v *visitor) { v.ctl.Close() }
	for _, test := range []struct {
		name, says string
		within     time.Duration
		visit      func(*visitor)
	}{
		{"36 bytes", "unexpectedly closed", 0, func(v *visitor) { v.send(aCookie[:36]); reset(v) }},
		{"0xff", "no cookie", 0, func(v *visitor) { v.send(strings.Repeat("\xff", 37)); v.stay() }},
		{"a byte a second", "silent for 30s", 31 * time.Second, func(v *visitor) {
			for _, b := range []byte(aCookie) {
				v.send(string(rune(b)))
				v.host.Sleep(time.Second)
			}
		}},
		{"length 0", "parameters refused", 0, func(v *visitor) { v.send(aCookie + "\x00\x00\x00\x00"); v.stay() }},
		{"length 1", "parameters refused", 0, func(v *visitor) { v.send(aCookie + framed("{")); v.stay() }},
		{"length 2^31-1", "2147483647 bytes is announced", 0, func(v *visitor) { v.send(aCookie + "\x7f\xff\xff\xff"); v.stay() }},
		{"more than its length", "where its streams were expected", 0, func(v *visitor) { v.send(aCookie + framed(goodParams) + "}}"); v.stay() }},
		{"too many streams", "unexpectedly closed", 0, func(v *visitor) {
			v.begin(goodParams)
			ctl := v.ctl
			for range 3 {
				v.ctl = v.dial("tcp")
				v.send(aCookie)
				v.hear(accessDenied)
			}
			ctl.Close()
		}},
		{"its stream is closed before the start", "the peer has closed it", 6 * time.Second, func(v *visitor) {
			v.send(aCookie + framed(strings.Replace(goodParams, `"parallel":1`, `"parallel":2`, 1)))
			v.hear(paramExchange, createStreams)
			for range 2 {
				c := v.dial("tcp")
				c.Write([]byte(aCookie))
				c.Close()
			}
			v.stay()
		}},
		{"it does not read", "has not ended the test", 33 * time.Second, func(v *visitor) {
			v.begin(strings.Replace(goodParams, `"tcp":true`, `"tcp":true,"reverse":true`, 1))
			v.stay()
		}},
		{"connected and reset", "unexpectedly closed", 0, func(v *visitor) {
			for range 19 {
				v.dial("tcp").Close()
			}
			reset(v)
		}},
		{"no such congestion control", "", 2 * time.Second, func(v *visitor) {
			v.begin(strings.Replace(goodParams, `"tcp":true`, `"tcp":true,"congestion":"\u001b[2Jx"`, 1))
			v.send(string(byte(testEnd)))
			v.hear(exchangeResults)
			v.send(framed(someResults))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEncounter(t, Params{Bytes: 1000})
			e.server.OneOff = false
			e.serve()
			e.w.spawn(func() {
				v := &visitor{t: t, host: e.near}
				begun := e.w.now
				v.ctl = v.dial("tcp")
				test.visit(v)
				if d := e.w.now.Sub(begun); d > test.within+time.Second && !strings.Contains(test.name, "a byte") {
					t.Errorf("it took %v", d)
				}
				for _, c := range v.open {
					c.Close()
				}
				e.near.Sleep(time.Second)
				e.result, e.err = e.client.Run(context.Background())
				e.server.Stop()
			})
			e.w.run()
			if len(e.said) == 0 && test.says != "" {
				t.Error("the server said nothing")
			}
			for _, s := range e.said {
				if !strings.Contains(s, test.says) {
					t.Errorf("the server said %q, want %q", s, test.says)
				}
			}
			if e.err != nil {
				t.Errorf("the next client got %v", e.err)
			}
		})
	}
}

// TestDatagrams sends a server datagrams of all lengths, numbers and times, and some from a
// stranger. What it tells of them is not negative, and the strangers' are not counted.
func TestDatagrams(t *testing.T) {
	for _, wide := range []string{"", `,"udp_counters_64bit":1`} {
		e := newEncounter(t, Params{})
		var result *Result
		e.server.OnTest = func(r *Result, err error) { result = r }
		e.w.spawn(func() { e.serveErr = e.server.Serve(context.Background()) })
		sent := 0
		e.w.spawn(func() {
			v := &visitor{t: t, host: e.near}
			v.ctl = v.dial("tcp")
			v.send(aCookie + framed(`{"udp":true,"omit":0,"time":1,"num":0,"blockcount":0,"parallel":1,"len":1000,"bandwidth":1000000`+wide+`}`))
			v.hear(paramExchange, createStreams)
			data, stranger := v.dial("udp"), v.dial("udp")
			data.Write(hello)
			v.hear(testStart, testRunning)
			for n := range 16 {
				data.Write(make([]byte, n))
			}
			for _, number := range []uint64{0, 1<<64 - 1, 1 << 31, 1<<32 - 1, 1 << 63, 7, 7, 6, 1, 1 << 62} {
				for _, second := range []uint32{0, 1 << 31, 1<<32 - 1} {
					b := make([]byte, 100)
					binary.BigEndian.PutUint32(b, second)
					binary.BigEndian.PutUint32(b[4:], second)
					binary.BigEndian.PutUint64(b[8:], number)
					data.Write(b)
					stranger.Write(b)
					sent += len(b)
				}
			}
			v.host.Sleep(time.Second)
			v.send(string(byte(testEnd)))
			v.hear(exchangeResults)
			for _, c := range v.open {
				c.Close()
			}
		})
		e.w.run()
		if result == nil || result.End.SumReceived == nil {
			t.Fatal("there is no result")
		}
		m := result.End.SumReceived
		if m.Bytes != int64(sent) || *m.Packets < 0 || m.LostPackets < 0 || m.LostPackets > *m.Packets || m.JitterMS < 0 {
			t.Errorf("%d bytes of %d, %d packets, %d lost, jitter %v ms", m.Bytes, sent, *m.Packets, m.LostPackets, m.JitterMS)
		}
		if err := result.Write(io.Discard); err != nil {
			t.Error(err)
		}
	}
}
