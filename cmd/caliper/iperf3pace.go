package main

import (
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// readPacing reads how fast data is to leave, and with which window.
func (t *iperf3Test) readPacing(c *cli.Context) error {
	p, b := &t.params, &t.bench
	p.Congestion, b.reserve = c.String("congestion"), c.Bool("reserve")
	if c.IsSet("congestion") {
		if p.UDP {
			return badInput(nil, "-C is for TCP, and -u says UDP")
		}
		if _, err := cc.New(p.Congestion); err != nil {
			return badInput(err, "-C")
		}
	}
	if c.IsSet("rto-min") {
		var err error
		if b.rtoMin, err = pacer.ParseDuration(c.String("rto-min")); err != nil || b.rtoMin < time.Millisecond || b.rtoMin > 2*time.Minute {
			return badInput(err, "--rto-min %s is not from 1ms to 2m", c.String("rto-min"))
		}
	}
	pace := c.String("pace")
	if c.IsSet("pace") {
		var err error
		if b.policy, err = pacer.ParsePolicy(pace, func(name string) (io.ReadCloser, error) { return os.Open(name) }); err != nil {
			return badInput(err, "--pace")
		}
	}
	_, follows := b.policy.New(0).(pacer.Follower)
	switch {
	case pace == "none" && p.Congestion == "bbr":
		return badInput(nil, "-C bbr needs a pacer").hint("leave --pace out, or give --pace delivery")
	case pace == "none":
		b.unpaced = true
	case c.IsSet("pace") && p.Bitrate > 0:
		return badInput(nil, "--pace %s and -b both say when packets leave", pace).hint("-b alone paces by a rate; with --pace none it is the sender who keeps to it")
	case follows && p.UDP:
		return badInput(nil, "--pace %s follows a TCP connection, and -u says UDP", pace)
	case p.Congestion == "bbr" && p.Bitrate > 0:
		return badInput(nil, "-C bbr says itself when packets leave, and so does -b")
	}
	t.report.Loop = c.IsSet("pace") || c.IsSet("congestion")
	return nil
}

// clientPacer names who asks for the departures of the data of a client's test.
func (t *iperf3Test) clientPacer() string {
	switch {
	case t.bench.port.kind != "wire" && t.params.Reverse:
		return "none: the other side sends"
	case t.bench.unpaced:
		return "none"
	case t.bench.policy.String() != "none":
		return t.bench.policy.String()
	case t.params.Congestion == "bbr":
		return "delivery"
	}
	return pacerName(t.effectiveRate())
}

// serverPacer is clientPacer for a server's test.
func (t *iperf3Test) serverPacer(r *iperf3.Result) string {
	switch {
	case t.bench.policy.String() != "none" && r.Paced:
		return t.bench.policy.String()
	case !r.Paced || r.Start.TestStart == nil:
		return "none"
	}
	return pacerName(r.Start.TestStart.TargetBitrate)
}
