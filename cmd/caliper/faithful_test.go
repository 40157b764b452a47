package main

import (
	"strings"
	"testing"
)

// TestFaithful runs flows closed loop through the NetThreads machine.
func TestFaithful(t *testing.T) {
	for _, test := range []struct {
		args string
		late uint64 // packets, at the most
	}{
		{"-b 100M", 20},
		{"-b 100M -u", 20},
		{"-b 700M -u", 200}, // of which 200 bytes a frame cross the bus
		{"-b 100M -6", 20},
		{"-b 100M -R", 20},
		{"-b 100M --full-payload", 20},
		{"-C bbr", 1 << 20}, // asks for more than the card can
	} {
		r := measure(t, append([]string{"-c", "far", "-n", "2M", "--card", "faithful"}, strings.Fields(test.args)...)...)
		d := &r.Caliper.Departures
		switch {
		case r.Caliper.Card != "faithful":
			t.Errorf("%s: the card is said to be %q", test.args, r.Caliper.Card)
		case r.End.Received.Bytes < 1<<20 || d.Paced < 1000:
			t.Errorf("%s: %d bytes arrived, %d packets were paced", test.args, r.End.Received.Bytes, d.Paced)
		case d.Late > test.late || d.Dropped > 0:
			t.Errorf("%s: %d packets were late, %d dropped", test.args, d.Late, d.Dropped)
		case d.GapError.P95 > 8 && test.late < 1<<20:
			t.Errorf("%s: gap error %+v", test.args, d.GapError)
		}
	}
}

// TestFaithfulPktgen has the firmware keep the release's own check, and tells what it
// cannot keep.
func TestFaithfulPktgen(t *testing.T) {
	f := generate(t, "-N", "-i", "10.0.0.2", "-l", "1470", "-d", "13560", "-n", "5000", "--card", "faithful")
	if d := &f.Departures; d.Packets != 5000 || d.GapError.Max != 0 || d.Late != 0 {
		t.Errorf("1470 B every 13560 ns: %+v", d)
	}
	// More than the line takes holds the sender, and nothing is dropped.
	f = generate(t, "-N", "-i", "10.0.0.2", "-l", "1472", "-d", "6000", "-n", "5000", "--card", "faithful")
	if d := &f.Departures; d.Packets != 5000 || d.Dropped != 0 || d.GapError.P50 != 6304 || d.GapError.Max != 6304 || d.LateBy.Contention != 4999 {
		t.Errorf("1472 B every 6000 ns: %+v", d)
	}
	// The driver cuts gaps to ticks, and what it cuts off is lost.
	f = generate(t, "-N", "-i", "10.0.0.2", "-l", "1470", "-d", "13567", "-n", "5000", "--card", "faithful")
	if d := &f.Departures; d.GapError.P50 != 7 || d.GapError.Max != 7 || d.Late != 0 || d.Early != 4999 {
		t.Errorf("1470 B every 13567 ns: %+v", d)
	}
	f = generate(t, "-N", "-i", "10.0.0.2", "-l", "18", "-d", "2000", "-n", "5000", "--card", "faithful", "--firmware", "pktgen")
	if d := &f.Departures; d.Packets != 5000 || d.LateBy.Card < 1000 || d.LateBy.Contention > 0 {
		t.Errorf("18 B every 2000 ns: %+v", d)
	}
}

// TestFaithfulForeign gives the card programs that do not speak with the driver.
func TestFaithfulForeign(t *testing.T) {
	for _, args := range []string{
		"pktgen -N -i 10.0.0.2 -d 13560 -n 10 --card faithful --firmware hello",
		"iperf3 -c far -n 1M --card faithful --firmware bounce",
	} {
		o := caliper(t, strings.Fields(args)...)
		if o.code != exitFailed || !strings.Contains(o.stderr, "the card's program sent no packet") {
			t.Errorf("%s: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
}

// TestFaithfulBadInput asks for what the faithful card is not.
func TestFaithfulBadInput(t *testing.T) {
	for args, says := range map[string]string{
		"iperf3 -c far --card faithless":                                                     "give native, faithful or none",
		"iperf3 -c far --firmware pktgen":                                                    "--firmware is for the faithful card",
		"iperf3 -c far --full-payload":                                                       "--full-payload is for the faithful card",
		"iperf3 -c far --card faithful --firmware /nowhere":                                  "/nowhere",
		"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --card faithful":            "virtual time only",
		"pktgen -N -i 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 -d 1000 --card faithful": "virtual time only",
		"pktgen -N -i 10.0.0.2 -d 1000 --card none":                                          "need a card",
		"pktgen -i 127.0.0.1 -d 1000 --card faithful":                                        "--card works only with -N",
	} {
		if o := caliper(t, strings.Fields(args)...); o.code != exitBadInput || !strings.Contains(o.stderr, says) {
			t.Errorf("%s: exit code %d, want %q\n%s", args, o.code, says, o.stderr)
		}
	}
}
