package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

// bottleneck is a path with a card's port before it, whose rate is halved and then made
// four times as much.
const bottleneck = "wire:rate=100M,line=1G,delay=10ms,queue=100,step=2s:50M,step=4s:200M"

// TestLoop is the closed loop, as it is shown: the window and the pacing follow the path.
func TestLoop(t *testing.T) {
	var all strings.Builder
	for _, args := range []string{"-C cubic --pace window", "-C bbr"} {
		words := append([]string{"iperf3", "-c", "far", "-t", "6", "--port", bottleneck}, strings.Fields(args)...)
		fmt.Fprintf(&all, "$ caliper %s\n%s\n", strings.Join(words, " "), succeed(t, words...).stdout)
	}
	linktest.Golden(t, "loop.golden", all.String())
}

// TestPolicies paces by each policy, on a wire where nothing is in the way.
func TestPolicies(t *testing.T) {
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	gaps := file("gaps", "20000\n40000.5\n")
	schedule := file("schedule", "0 100M\n0.02 400M\n")
	for _, test := range []struct {
		args   string
		mbps   float64 // of payload, at the most
		policy string
	}{
		{"--pace rate:100M,unit=payload", 100, "rate:100M,unit=payload"},
		{"--pace rate:100M", 93.8, "rate:100M"},
		{"-u -b 0 --pace rate:100M,unit=payload", 100, "rate:100M,unit=payload"},
		{"--pace gaps:" + gaps, 379, "gaps:" + gaps},
		{"-u -b 0 --pace gaps:" + gaps, 387, "gaps:" + gaps},
		{"--pace schedule:" + schedule + ",unit=payload", 400, "schedule:" + schedule + ",unit=payload"},
		{"--pace window", 942, "window"},
		{"-C reno --pace window:ss=300,ca=150", 942, "window:ss=300,ca=150"},
		{"-C bbr", 942, "delivery"},
		{"-P 2 -b 20M --reserve", 40, "rate 20Mbit/s of payload a stream"},
	} {
		r := measure(t, append([]string{"-c", "far", "-n", "2M"}, strings.Fields(test.args)...)...)
		d := &r.Caliper.Departures
		switch {
		case r.Caliper.Pacer != test.policy:
			t.Errorf("%s: the pacer is said to be %q", test.args, r.Caliper.Pacer)
		case d.Paced < 1000:
			t.Errorf("%s: %d packets were paced", test.args, d.Paced)
		case r.End.Received.Rate > test.mbps*1.001e6:
			t.Errorf("%s: %.3f Mbit/s, at most %v", test.args, r.End.Received.Rate/1e6, test.mbps)
		case d.Late > 0 && !strings.Contains(test.args, "-C") && !strings.HasPrefix(test.args, "--pace gaps"):
			t.Errorf("%s: %d packets were late", test.args, d.Late)
		}
	}
}

// TestPacingColumn has the column show the rate of the step that holds, and a dash where
// gaps are asked for and no rate.
func TestPacingColumn(t *testing.T) {
	dir := t.TempDir()
	for policy, c := range map[string]struct{ content, want string }{
		"schedule": {"0 100M\n0.05 40M\n", "40.0 Mbits/sec"},
		"gaps":     {"30000\n", "-"},
	} {
		file := filepath.Join(dir, policy)
		if err := os.WriteFile(file, []byte(c.content), 0o666); err != nil {
			t.Fatal(err)
		}
		text := succeed(t, "iperf3", "-c", "far", "-n", "2M", "--pace", policy+":"+file).stdout
		_, after, _ := strings.Cut(text, " ms  ") // behind the round trip's
		rate, _, _ := strings.Cut(strings.TrimLeft(after, " "), "  ")
		if rate != c.want {
			t.Errorf("%s: the column Pacing has %q, want %q\n%s", policy, rate, c.want, text)
		}
	}
}

// TestReserve has four streams ask for the same instants.
func TestReserve(t *testing.T) {
	args := []string{"-c", "far", "-n", "2M", "-P", "4", "-b", "200M"}
	meet := measure(t, args...)
	spread := measure(t, append(args, "--reserve")...)
	if meet.Caliper.Departures.LateBy.Contention == 0 {
		t.Error("without --reserve no two packets met at the port")
	}
	if d := spread.Caliper.Departures; d.Late != 0 || d.Moved.Max == 0 {
		t.Errorf("with --reserve %d packets were late, moved %v", d.Late, d.Moved)
	}
	if meet.Caliper.TraceHash == "" || meet.Caliper.TraceHash != spread.Caliper.TraceHash {
		t.Error("a reservation says when a packet is held to leave; on a free card it must not change when it leaves")
	}
}

// TestUnpacedRate has the sender keep to a rate by itself, as iperf3 does.
func TestUnpacedRate(t *testing.T) {
	r := measure(t, "-c", "far", "-n", "4M", "-b", "100M", "--pace", "none")
	if r.Caliper.Departures.Paced != 0 || r.Caliper.Pacer != "none" {
		t.Errorf("%d packets were paced, by %q", r.Caliper.Departures.Paced, r.Caliper.Pacer)
	}
	if mbps := r.End.Received.Rate / 1e6; mbps < 80 || mbps > 101 {
		t.Errorf("%.1f Mbit/s", mbps)
	}
}
