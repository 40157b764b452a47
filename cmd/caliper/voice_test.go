package main

import "testing"

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
