package iperf3

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// portable takes out of a report what is different on another machine.
func portable(r *Result) *Result {
	r.Start.SystemInfo = "machine"
	return r
}

// TestJSON compares everything that JSON reports of tests in virtual time.
func TestJSON(t *testing.T) {
	for name, p := range map[string]Params{
		"tcp-bidir":   {Duration: time.Second, Bidir: true, Bitrate: 10e6, Title: "title", ExtraData: "more"},
		"udp-reverse": {UDP: true, Duration: time.Second, Reverse: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEncounter(t, p)
			e.client.Format, e.server.Format = FormatJSON, FormatJSON
			e.run()
			e.check(t)
			var b bytes.Buffer
			e.result.Caliper = map[string]int{"packets": 1}
			portable(e.result).Write(&b)
			portable(e.serverResult).Write(&b)
			linktest.Golden(t, name+".json", b.String())
			if e.text.Len()+e.serverText.Len() > 0 {
				t.Errorf("something was written: %q %q", &e.text, &e.serverText)
			}
		})
	}
}

func TestJSONStream(t *testing.T) {
	e := newEncounter(t, Params{Duration: time.Second, Bitrate: 10e6, GetServerOutput: true})
	e.client.Format = FormatJSONStream
	e.run()
	e.check(t)
	var events []string
	for line := range strings.Lines(e.text.String()) {
		var event struct {
			Event string
			Data  json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || len(event.Data) == 0 {
			t.Errorf("%v in %q", err, line)
		}
		events = append(events, event.Event)
	}
	if got, want := strings.Join(events, " "), "start interval server_output_text end"; got != want {
		t.Errorf("got events %s, want %s", got, want)
	}
	if len(e.result.Intervals) != 0 {
		t.Errorf("%d intervals were kept", len(e.result.Intervals))
	}
}

// TestJSONError checks that a failure is in the JSON as iperf3 has it.
func TestJSONError(t *testing.T) {
	e := newEncounter(t, Params{})
	e.server.Host, e.server.OneOff = e.near, false // somewhere else
	e.client.Format = FormatJSONStream
	e.w.spawn(func() { e.near.Sleep(time.Second); e.server.Stop() })
	e.run()
	if got := e.text.String(); !strings.HasPrefix(got, `{"event":"error","data":"unable to connect to server: `) {
		t.Errorf("got %q", got)
	}
	var b bytes.Buffer
	portable(e.result).Write(&b)
	linktest.Golden(t, "refused.json", b.String())
}

// TestServerOutput checks that what a server says is bounded, however long the test.
func TestServerOutput(t *testing.T) {
	e := newEncounter(t, Params{Duration: time.Minute, Streams: maxStreams, GetServerOutput: true})
	e.w.rate = 10e6
	e.run()
	e.check(t)
	if n := len(e.result.ServerOutputText); n != maxCapture || e.serverText.Len() <= n {
		t.Errorf("got %d bytes of %d", n, e.serverText.Len())
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReportUnwritable(t *testing.T) {
	e := newEncounter(t, Params{Duration: time.Second})
	e.client.Out = brokenPipe{}
	e.run()
	if e.err == nil || !strings.Contains(e.err.Error(), "cannot write the report: broken pipe") {
		t.Errorf("got %v", e.err)
	}
}

func TestReportValidate(t *testing.T) {
	for _, r := range []Report{{Interval: time.Millisecond}, {Interval: time.Hour}, {Units: 'x'}} {
		e := newEncounter(t, Params{})
		e.client.Report, e.server.Report = r, r
		e.run()
		if e.err == nil || e.serveErr == nil {
			t.Errorf("%+v: client %v, server %v", r, e.err, e.serveErr)
		}
	}
}

// TestFloats compares with what iperf3's library prints of the same numbers.
func TestFloats(t *testing.T) {
	for in, want := range map[string]string{
		`0.000037`: `3.7e-05`, `1.0000790357589722`: `1.0000790357589722`, `7084972972.972973`: `7084972972.9729729`,
		`0.1`: `0.1`, `0.30000000000000004`: `0.30000000000000004`, `1e+21`: `1e+21`, `1e-7`: `1e-07`, `0.5`: `0.5`,
		`[10485760,0,-3,-1.5,18446744073709551615]`: `[10485760,0,-3,-1.5,18446744073709551615]`,
		`{"0.000037":"0.000037 \" 1e-7","a":1e-7}`:  `{"0.000037":"0.000037 \" 1e-7","a":1e-07}`,
	} {
		if got := string(floats([]byte(in + "\n"))); got != want+"\n" {
			t.Errorf("%s: %q, want %s", in, got, want)
		}
	}
}
