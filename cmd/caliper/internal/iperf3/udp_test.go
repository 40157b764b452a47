package iperf3

import (
	"bytes"
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
