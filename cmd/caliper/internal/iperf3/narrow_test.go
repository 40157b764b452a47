package iperf3

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNarrowPath has datagrams refused as too long for their path, as a host does when a
// router has said so: the test fails and says what to do, however short it is.
func TestNarrowPath(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 10 * time.Second} {
		e := newEncounter(t, Params{UDP: true, Duration: length, Length: 1400, Bitrate: 10e6})
		e.w.narrow = 1252
		e.run()
		if e.err == nil || !errors.Is(e.err, syscall.EMSGSIZE) || !strings.Contains(e.err.Error(), "datagrams of 1400 bytes are too long for the path; give fewer with -l") {
			t.Errorf("%v: %v", length, e.err)
		}
		if e.result == nil || e.result.Error == "" {
			t.Errorf("%v: the result tells no error", length)
		}
	}
}
