package main

import (
	"testing"

	"gvisor.dev/gvisor/pkg/log"
)

func TestNeutral(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"[  5]\t1.0 Mbits/sec é\n": "[  5]\t1.0 Mbits/sec é\n",
		"\x1b]0;title\a\r":         `\u001b]0;title\u0007\u000d`,
		"a\u009b2J":                `a\u009b2J`,
		"a\x9b2J \xe9":             `a\u009b2J ` + "\xe9",
		"\x7f\x00":                 `\u007f\u0000`,
	} {
		if got := string(neutral([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestNetstackLog has what netstack says told once, and its chatter not at all.
func TestNetstackLog(t *testing.T) {
	stderr := tempFile(t, "stderr")
	hearNetstack(newConsole(nil, stderr))
	for range 3 {
		log.Infof("connected to %s", "somebody")
		log.Warningf("a segment of %d bytes \x1b[2J", 7)
	}
	if got, want := contents(t, stderr), "caliper: netstack: a segment of 7 bytes \\u001b[2J\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
