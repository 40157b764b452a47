package main

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"text/tabwriter"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
)

// A virtualRun is one row of a golden table.
type virtualRun struct {
	name string
	args []string
}

// table runs all with -J and prints one line for each.
func table(t *testing.T, runs []virtualRun, check func(t *testing.T, r *report)) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "run\tpackets\tpaced\tgap p50\tgap max\tlate\tdropped\tppm\tlost\tresent\tMbit/s\t")
	for _, run := range runs {
		r := measure(t, append([]string{"-c", "far"}, run.args...)...)
		d := &r.Caliper.Departures
		ppm, _ := d.RateError.Get()
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%+.3f\t%d\t%d\t%.3f\t\n", run.name,
			d.Packets, d.Paced, d.GapError.P50, d.GapError.Max, d.Late, d.Dropped, ppm,
			r.Caliper.Wire.Dropped, r.End.Sent.Retransmits, r.End.Received.Rate/1e6)
		t.Run(run.name, func(t *testing.T) { check(t, r) })
	}
	w.Flush()
	return b.String()
}

// punctual is what holds for every single stream on an idle port.
func punctual(t *testing.T, r *report) {
	d := &r.Caliper.Departures
	if d.Paced == 0 || d.GapError.Max > 8 || d.Late != 0 || d.Early != 0 || d.Dropped != 0 {
		t.Errorf("%v", d)
	}
	if r.Caliper.Wire.Dropped != 0 || r.End.Sent.Retransmits != 0 || r.End.Received.Lost != 0 {
		t.Errorf("%d frames lost on the wire, %d datagrams missing, %d segments sent again",
			r.Caliper.Wire.Dropped, r.End.Received.Lost, r.End.Sent.Retransmits)
	}
	// The lead of the pacer and the flight are on their way when the client ends.
	if r.End.Sent.Bytes < amount || r.End.Received.Bytes < amount/4 {
		t.Errorf("%d bytes sent, %d received", r.End.Sent.Bytes, r.End.Received.Bytes)
	}
}

// amount is what the runs of the tables send, in bytes: some 1500 packets of full size. The
// goodput is short of the rate by TCP's first 10 ms, when its window is smaller than the
// path, and by what is on its way when the client ends.
const amount = 2 << 20

// TestRates is the main job: a single flow at any rate that the line takes leaves at the
// tick, with each protocol in each direction.
func TestRates(t *testing.T) {
	var runs []virtualRun
	for _, udp := range []bool{false, true} {
		protocol := "tcp"
		if udp {
			protocol = "udp"
		}
		for _, reverse := range []bool{false, true} {
			for _, rate := range []int64{100e6, 250e6, 500e6, 750e6, 900e6, highest(udp, false)} {
				run := virtualRun{
					name: fmt.Sprintf("%s %s", protocol, pacer.FormatRate(rate)),
					args: []string{"-b", strconv.FormatInt(rate, 10), "-n", strconv.Itoa(amount)},
				}
				if udp {
					run.args = append(run.args, "-u")
				}
				if reverse {
					run.name += " -R"
					run.args = append(run.args, "-R")
				}
				runs = append(runs, run)
			}
		}
	}
	linktest.Golden(t, "rates.golden", table(t, runs, punctual))
}

// highest is the highest payload rate in bit/s that 1 Gbit/s has room for.
func highest(udp, ipv6 bool) int64 {
	length := 0
	switch {
	case udp && ipv6:
		length = 1428
	case udp:
		length = 1448
	}
	return payloadRate(1e9, 1500, length, udp, ipv6, false)
}

// TestShapes is the same for what else there is to a single flow.
func TestShapes(t *testing.T) {
	n := strconv.Itoa(amount)
	linktest.Golden(t, "shapes.golden", table(t, []virtualRun{
		{"tcp -6", []string{"-b", "500M", "-n", n, "-6"}},
		{"udp -6", []string{"-b", "500M", "-n", n, "-6", "-u"}},
		{"tcp -6 highest", []string{"-b", fmt.Sprint(highest(false, true)), "-n", n, "-6"}},
		{"udp -6 highest", []string{"-b", fmt.Sprint(highest(true, true)), "-n", n, "-6", "-u"}},
		{"tcp odd rate", []string{"-b", "123456789", "-n", n}},
		{"udp odd rate", []string{"-b", "123456789", "-n", n, "-u"}},
		{"udp small", []string{"-b", "100M", "-n", n, "-u", "-l", "200"}},
		{"tcp short blocks", []string{"-b", "100M", "-n", n, "-l", "5000"}},
		{"tcp small mtu", []string{"-b", "300M", "-n", n, "--mtu", "576"}},
		{"tcp long way", []string{"-b", "500M", "-n", n, "-R", "--port", "wire:delay=5ms"}},
	}, punctual))
}

// TestSoftware has no card: in virtual time software is as exact as its clock.
func TestSoftware(t *testing.T) {
	n := strconv.Itoa(amount)
	linktest.Golden(t, "software.golden", table(t, []virtualRun{
		{"tcp", []string{"-b", "400M", "-n", n, "--card", "none"}},
		{"tcp -R", []string{"-b", "400M", "-n", n, "--card", "none", "-R"}},
		{"udp", []string{"-b", "123456789", "-n", n, "--card", "none", "-u"}},
		{"tcp 10G -R", []string{"-b", "4G", "-n", n, "--card", "none", "--port", "wire:rate=10G", "-R"}},
		{"udp 10G", []string{"-b", "4G", "-n", n, "--card", "none", "--port", "wire:rate=10G", "-u"}},
	}, func(t *testing.T, r *report) {
		punctual(t, r)
		if d := &r.Caliper.Departures; d.GapError.Max > 1 || d.Lateness.Max > 1 {
			t.Errorf("%v", d)
		}
	}))
}

// TestManyStreams shares the port. Flows that ask for the same instant wait for each
// other, and only for each other; the gaps of each keep their mean.
func TestManyStreams(t *testing.T) {
	n := strconv.Itoa(amount)
	linktest.Golden(t, "streams.golden", table(t, []virtualRun{
		{"tcp x 4", []string{"-b", "200M", "-n", n, "-P", "4"}},
		{"udp x 4", []string{"-b", "200M", "-n", n, "-P", "4", "-u"}},
		{"tcp both ways", []string{"-b", "400M", "-n", n, "--bidir"}},
		{"udp both ways", []string{"-b", "400M", "-n", n, "--bidir", "-u"}},
	}, func(t *testing.T, r *report) {
		d := &r.Caliper.Departures
		if d.Paced == 0 || d.Dropped != 0 || d.Late != d.LateBy.Contention || r.Caliper.Wire.Dropped != 0 {
			t.Errorf("%v", d)
		}
	}))
}

// TestSlowWire has no pacer to keep it from overrunning a small queue. What is dropped is
// counted and sent again, and the receiver has all of it in the end.
func TestSlowWire(t *testing.T) {
	wire := []string{"--port", "wire:rate=100M,delay=10ms,queue=20"}
	linktest.Golden(t, "slow.golden", table(t, []virtualRun{
		{"tcp", append(wire, "-t", "2")},
		{"tcp -R", append(wire, "-n", strconv.Itoa(amount), "-R")},
	}, func(t *testing.T, r *report) {
		w, d := r.Caliper.Wire, &r.Caliper.Departures
		if w.Dropped == 0 || w.QueuePeak != 20 || r.End.Sent.Retransmits == 0 || d.Paced != 0 {
			t.Errorf("%+v, %d segments sent again, %v", w, r.End.Sent.Retransmits, d)
		}
		if r.Caliper.Pacer != "none" {
			t.Errorf("the pacer is %q", r.Caliper.Pacer)
		}
		if r.End.Received.Bytes < amount {
			t.Errorf("%d bytes received", r.End.Received.Bytes)
		}
	}))
}
