package main

import (
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/stack/testbed"
)

// TestMinRTO has no real port with a timeout below the delayed ACK of its peer, unless that
// is asked for.
func TestMinRTO(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		port    string
		bitrate int64
		asked   time.Duration
		want    time.Duration
	}{
		{"wire", 0, 0, 10 * ms},
		{"wire:delay=10ms", 0, 0, 80 * ms},
		{"wire:delay=1s", 0, 0, 200 * ms},
		{"wire", 1e6, 0, 231680 * time.Microsecond}, // twice ten segments at that rate
		{"wire", 5e8, 3 * ms, 3 * ms},
		{"tun:cal0", 0, 0, 200 * ms},
		{"packet:eth0", 5e7, 0, 200 * ms},
		{"tun:cal0", 1e6, 0, 231680 * time.Microsecond},
		{"tun:cal0", 1, 0, time.Minute},
		{"packet:eth0", 1e6, 5 * ms, 5 * ms},
	} {
		p, err := parsePort(c.port, iperf3Ports...)
		if err != nil {
			t.Fatal(err)
		}
		s := setup{Config: testbed.Config{Real: p.real(), Links: []testbed.LinkConfig{{Ends: [2]string{"near", "far"}, Direction: p.Direction}}}}
		if got := s.minRTO(c.asked, c.bitrate); got != c.want {
			t.Errorf("%s, %d bit/s, %v asked: %v, want %v", c.port, c.bitrate, c.asked, got, c.want)
		}
	}
}

// TestMinRTOReported reads it in the reports.
func TestMinRTOReported(t *testing.T) {
	for _, c := range []struct {
		args string
		want float64
		text string
	}{
		{"-n 100K", 10, "congestion control: cubic, minimum RTO 10 ms; "},
		{"-n 100K --rto-min 12.5ms", 12.5, "congestion control: cubic, minimum RTO 12.5 ms; "},
	} {
		args := append([]string{"-c", "far"}, strings.Fields(c.args)...)
		if r := measure(t, args...); r.Caliper.MinRTO != c.want {
			t.Errorf("%s: %v ms", c.args, r.Caliper.MinRTO)
		}
		if o := succeed(t, append([]string{"iperf3"}, args...)...); !strings.Contains(o.stdout, c.text) {
			t.Errorf("%s: there is no %q in\n%s", c.args, c.text, o.stdout)
		}
	}
	for _, bad := range []string{"0s", "-1s", "999us", "3m"} {
		if o := caliper(t, "iperf3", "-c", "far", "--rto-min", bad); o.code != exitBadInput || !strings.Contains(o.stderr, "--rto-min") {
			t.Errorf("--rto-min %s: exit code %d\n%s", bad, o.code, o.stderr)
		}
	}
}
