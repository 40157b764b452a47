package main

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// newIperf3Test reads the flags. Whatever is wrong with them is said here, before
// anything is opened.
func newIperf3Test(c *cli.Context, v *console) (*iperf3Test, error) {
	t := &iperf3Test{console: v, server: c.Bool("server"), oneOff: c.Bool("one-off"),
		json: c.Bool("json"), stream: c.Bool("json-stream")}
	if c.Args().Present() {
		return nil, badInput(nil, "%q is not a flag", c.Args().First()).hint("caliper iperf3 --help lists the flags")
	}
	if t.server == c.IsSet("client") {
		return nil, badInput(nil, "give either -c HOST or -s").hint("for instance: caliper iperf3 -c far -b 500M -t 5")
	}
	if err := t.readPort(c); err != nil {
		return nil, err
	}
	if err := t.readParams(c); err != nil {
		return nil, err
	}
	if err := t.readPacing(c); err != nil {
		return nil, err
	}
	check := t.checkClient
	if t.server {
		check = t.checkServer
	}
	if err := check(c); err != nil {
		return nil, err
	}
	t.minRTO = t.setup.minRTO(t.minRTO, t.params.Bitrate)
	for i := range t.setup.Hosts {
		t.setup.Hosts[i].MinRTO = t.minRTO
	}
	return t, nil
}

// farSends has far's data paced as near's is.
func (t *iperf3Test) farSends() {
	if t.setup.port.kind == "wire" {
		t.setup.far().Hold, t.setup.far().Card = t.setup.near().Hold, t.setup.near().Card
	}
}

// readPort reads what says where the test runs.
func (t *iperf3Test) readPort(c *cli.Context) (err error) {
	if t.setup, err = readSetup(c, iperf3Ports...); err != nil {
		return err
	}
	own := t.setup.near().Addrs
	switch {
	case c.IsSet("peer") && !t.setup.port.real():
		return badInput(nil, "--peer is for a real port").hint("a wire's hosts have addresses of their own; or give --port tun:cal0")
	case c.Int("server-port") < 1 || c.Int("server-port") > 65535:
		return badInput(nil, "-p %d is not a port from 1 to 65535", c.Int("server-port"))
	case c.Bool("version4") && c.Bool("version6"):
		return badInput(nil, "-4 and -6 exclude each other")
	case c.Bool("version4"):
		t.family = 4
	case c.Bool("version6"):
		t.family = 6
	}
	usable := func(p netip.Prefix) bool { return t.wants(p.Addr()) }
	if len(own) > 0 && !slices.ContainsFunc(own, usable) {
		return badInput(nil, "-%d: no --addr is an IPv%[1]d address", t.family)
	}
	peers, err := parsePeers(c.StringSlice("peer"), own)
	if err != nil {
		return err
	}
	if a, err := netip.ParseAddr(c.String("client")); err == nil && len(peers) == 0 {
		peers = append(peers, a.Unmap())
	}
	return t.setup.meet(peers...)
}

// wants tells whether -4 and -6 leave an address in use.
func (t *iperf3Test) wants(a netip.Addr) bool {
	return t.family == 0 || a.Is4() == (t.family == 4)
}

// readParams reads what the test is to be.
func (t *iperf3Test) readParams(c *cli.Context) (err error) {
	p := &t.params
	sizes := []struct {
		flag string
		to   *int64
	}{{"bytes", &p.Bytes}, {"blockcount", &p.Blocks}}
	for _, s := range sizes {
		if c.IsSet(s.flag) {
			if *s.to, err = pacer.ParseSize(c.String(s.flag)); err == nil && *s.to == 0 {
				err = errors.New("nothing to send")
			}
			if err != nil {
				return badInput(err, "--%s", s.flag)
			}
		}
	}
	if c.IsSet("length") {
		n, err := pacer.ParseSize(c.String("length"))
		if err != nil || n < 1 || n > 1<<30 {
			return badInput(err, "-l %s is not a length in bytes", c.String("length"))
		}
		p.Length = int(n)
	}
	if c.IsSet("bitrate") {
		if strings.Contains(c.String("bitrate"), "/") {
			return badInput(nil, "-b %s: a burst size behind a slash is not supported", c.String("bitrate")).hint("give the rate alone")
		}
		if p.Bitrate, err = pacer.ParseRate(c.String("bitrate")); err != nil {
			return badInput(err, "-b")
		}
		if p.Bitrate == 0 {
			p.Bitrate = iperf3.Unlimited
		}
	}
	if c.IsSet("time") {
		n, err := strconv.Atoi(c.String("time"))
		if err != nil || n < 1 || n > 86400 {
			return badInput(nil, "-t %s is not a number of seconds from 1 to 86400", c.String("time"))
		}
		p.Duration = time.Duration(n) * time.Second
	}
	if n := c.Int("omit"); n < 0 || n > 600 {
		return badInput(nil, "-O %d is not a number of seconds from 0 to 600", n)
	}
	p.UDP, p.Reverse, p.Bidir, p.NoDelay = c.Bool("udp"), c.Bool("reverse"), c.Bool("bidir"), c.Bool("no-delay")
	p.Omit = time.Duration(c.Int("omit")) * time.Second
	p.Streams = c.Int("parallel")
	p.Title, p.ExtraData = c.String("title"), c.String("extra-data")
	p.GetServerOutput, p.UDPCounters64, p.RepeatingPayload = c.Bool("get-server-output"), c.Bool("udp-counters-64bit"), c.Bool("repeating-payload")
	if p.Streams < 1 {
		return badInput(nil, "-P %d: there must be a stream", p.Streams)
	}

	r := &t.report
	r.Out = t.console
	if t.setup.port.kind == "wire" {
		r.System = inVirtualTime
	}
	switch i, err := pacer.ParseSeconds(c.String("interval")); {
	case err == nil && i == 0:
		r.Interval = -1
	case err == nil && i >= time.Second/10 && i <= time.Minute:
		r.Interval = i
	default:
		return badInput(nil, "-i %s is neither 0 nor a number of seconds from 0.1 to 60", c.String("interval"))
	}
	if f := c.String("format"); f != "" {
		if len(f) != 1 {
			return badInput(nil, "-f %s is not one letter", f)
		}
		r.Units = f[0]
	}
	switch {
	case t.json && t.stream:
		return badInput(nil, "-J and --json-stream exclude each other")
	case t.json:
		r.Format = iperf3.FormatJSON
	case t.stream:
		r.Format = iperf3.FormatJSONStream
	}
	if err := r.Validate(); err != nil {
		return badInput(err, "")
	}
	return nil
}

// clientOnly are flags that say what to test, which a server is told by its clients.
var clientOnly = []string{"time", "bytes", "blockcount", "bitrate", "udp", "length", "parallel", "reverse", "bidir",
	"omit", "congestion", "no-delay", "title", "extra-data", "get-server-output", "connect-timeout", "udp-counters-64bit", "repeating-payload"}

func (t *iperf3Test) checkServer(c *cli.Context) error {
	if t.setup.port.kind == "wire" {
		return badInput(nil, "a server needs a real port: on a wire, far serves by itself").
			hint("caliper iperf3 -s --port tun:cal0 --addr 10.99.0.2/24, or caliper iperf3 -c far")
	}
	for _, name := range clientOnly {
		if c.IsSet(name) {
			return badInput(nil, "--%s is the client's to say", name)
		}
	}
	t.address = net.JoinHostPort("", strconv.Itoa(c.Int("server-port")))
	return nil
}

func (t *iperf3Test) checkClient(c *cli.Context) error {
	if t.oneOff {
		return badInput(nil, "-1 is for a server")
	}
	if ms := c.Int("connect-timeout"); c.IsSet("connect-timeout") && (ms < 1 || ms > 86400e3) {
		return badInput(nil, "--connect-timeout %d is not a number of milliseconds from 1 to 86400000", ms)
	}
	t.timeout = time.Duration(c.Int("connect-timeout")) * time.Millisecond
	p := &t.params
	if err := p.Validate(); err != nil {
		return badInput(err, "")
	}
	if rtt, most := 2*t.setup.port.Delay, p.MaxRTT(); rtt >= most {
		return badInput(nil, "--port %v: with a round trip of %s the other side gives up before all streams are open", t.setup.port, pacer.FormatDuration(rtt)).
			hint("with these streams the delay may be up to %s", pacer.FormatDuration((most/2).Truncate(time.Millisecond)-time.Millisecond))
	}
	host := c.String("client")
	t.address = net.JoinHostPort(host, strconv.Itoa(c.Int("server-port")))
	target, err := t.target(host)
	if err == nil && !t.wants(target) {
		err = badInput(nil, "-c %s is not an IPv%d address", host, t.family)
	}
	if err != nil {
		return err
	}
	if err := checkMTU(t.setup.near().MTU, target); err != nil {
		return err
	}
	if p.Reverse || p.Bidir {
		t.farSends()
	}
	if p.UDP && p.Length == 0 {
		// As much as a TCP segment with time stamps would carry, as iperf3 does: 24
		// bytes of header more.
		p.Length = min(t.setup.near().MTU, 1500) - headers(target) - 24
	}
	return t.checkRate(target)
}

// headers returns the length of an IP and UDP header.
func headers(target netip.Addr) int {
	if target.Is4() {
		return 28
	}
	return 48
}

// target returns the server's address.
func (t *iperf3Test) target(host string) (netip.Addr, error) {
	if t.setup.port.kind == "wire" {
		switch {
		case host != "far" && host != farAddrs[0].String() && host != farAddrs[1].String():
			return netip.Addr{}, badInput(nil, "-c %s: without --port there is only the host far", host).
				hint("caliper iperf3 -c far, or --port tun:cal0 --addr 10.99.0.2/24 for a real network")
		case host == "far" && t.family == 6 || host == farAddrs[1].String():
			return farAddrs[1], nil
		}
		return farAddrs[0], nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return a, badInput(nil, "-c %s is not an IP address, and names are not looked up on a real port", host)
	}
	for _, own := range t.setup.near().Addrs {
		if own.Addr() == a {
			return a, badInput(nil, "-c %s is our own address, --addr %v", host, own).hint("the server is on the kernel's side")
		}
		if own.Masked().Contains(a) {
			return a, nil
		}
	}
	return a, badInput(nil, "-c %s is in no prefix of --addr", host).hint("give --addr an address of the same network")
}

// readPacing reads how fast data is to leave, and with which window.
func (t *iperf3Test) readPacing(c *cli.Context) error {
	p := &t.params
	p.Congestion, t.setup.near().Hold.Reserve = c.String("congestion"), c.Bool("reserve")
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
		if t.minRTO, err = pacer.ParseDuration(c.String("rto-min")); err != nil || t.minRTO < time.Millisecond || t.minRTO > 2*time.Minute {
			return badInput(err, "--rto-min %s is not from 1ms to 2m", c.String("rto-min"))
		}
	}
	pace := c.String("pace")
	if c.IsSet("pace") {
		var err error
		if t.policy, err = pacer.ParsePolicy(pace, func(name string) (io.ReadCloser, error) { return os.Open(name) }); err != nil {
			return badInput(err, "--pace")
		}
	}
	_, follows := t.policy.New(0).(pacer.Follower)
	switch {
	case pace == "none" && p.Congestion == "bbr":
		return badInput(nil, "-C bbr needs a pacer").hint("leave --pace out, or give --pace delivery")
	case pace == "none":
		t.unpaced = true
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

// minRTO is TCP's minimum retransmission timeout: what was asked for, or what suits the path
// (see testbed.Config). A slow pacer keeps the ten segments of the first window longer.
func (s *setup) minRTO(asked time.Duration, bitrate int64) time.Duration {
	if asked > 0 {
		return asked
	}
	rto := s.MinRTO("near")
	if bitrate > 0 {
		const firstWindow = 10 * 1448 * 8 // bits
		rto = max(rto, min(2*firstWindow*time.Second/time.Duration(bitrate), time.Minute))
	}
	return rto
}
