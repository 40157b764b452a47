package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestLongDelay has the longest delay that the hint names work, for as many streams as there
// are, and the next one refused before anything starts.
func TestLongDelay(t *testing.T) {
	named := regexp.MustCompile(`the delay may be up to (\S+)\n`)
	for _, args := range []string{"", "-R", "-u", "-u -R", "-P 3", "--bidir", "-u -P 8"} {
		with := func(delay string) outcome {
			return caliper(t, append([]string{"iperf3", "-c", "far", "-t", "1", "--port", "wire:delay=" + delay}, strings.Fields(args)...)...)
		}
		o := with("20s")
		m := named.FindStringSubmatch(o.stderr)
		if o.code != exitBadInput || o.stdout != "" || m == nil {
			t.Errorf("%s: exit code %d\n%s%s", args, o.code, o.stdout, o.stderr)
			continue
		}
		if o := with(m[1]); o.code != exitOK || o.stderr != "" {
			t.Errorf("%s with %s: exit code %d\n%s%s", args, m[1], o.code, o.stdout, o.stderr)
		}
	}
}

// TestFarSays has the far host give up, for a reason of its own, which is shown.
func TestFarSays(t *testing.T) {
	o := caliper(t, "iperf3", "-c", "far", "-t", "1", "--card", "none", "--port", "wire:rate=1K,delay=1s", "-J")
	const want = "far says: iperf3: the client has not ended the test when its time was over"
	if r := decode(t, o.stdout); o.code != exitFailed || !strings.Contains(o.stderr, want) || !strings.Contains(r.Error, want) {
		t.Errorf("exit code %d, error %q\n%s", o.code, r.Error, o.stderr)
	}
}
