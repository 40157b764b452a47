package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

const iperf3Help = `The flags are iperf3's. Without --port the test runs in virtual time between two
hosts of this process, near and far, joined by an emulated wire:

   caliper iperf3 -c far -b 500M -t 5

With --port it runs in real time against whatever iperf3 is behind that port:

   iperf3 -s &
   caliper iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 -b 500M

-b is iperf3's: bit/s of payload of each stream. Here the departure times of the packets
keep it. Without -b a TCP flow is not paced.

A tun interface needs CAP_NET_ADMIN; in a namespace of your own you have it:
unshare -Urn caliper iperf3 ...`

func iperf3Command(v *console) *cli.Command {
	return &cli.Command{
		Name:            "iperf3",
		Usage:           "measure throughput as iperf3, with every packet's departure",
		Description:     iperf3Help,
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				_, err := fmt.Fprintf(v, "%s %s\n", iperf3.Version, version())
				return err
			}
			t, err := newIperf3Test(c, v)
			if err == nil {
				err = t.run()
			}
			return orHelp(err, c.Command.Name)
		},
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "client", Aliases: []string{"c"}, Usage: "test to the server at `HOST`: far on a wire, an IP address on a real port"},
			&cli.BoolFlag{Name: "server", Aliases: []string{"s"}, Usage: "serve tests (with --port tun:...)"},
			&cli.IntFlag{Name: "server-port", Aliases: []string{"p"}, Value: 5201, Usage: "TCP and UDP `PORT` of the server"},
			&cli.StringFlag{Name: "time", Aliases: []string{"t"}, Usage: "`SECONDS` to send (default: 10)"},
			&cli.StringFlag{Name: "bytes", Aliases: []string{"n"}, Usage: "`BYTES` to send, with K, M, G, instead of -t"},
			&cli.StringFlag{Name: "blockcount", Aliases: []string{"k"}, Usage: "`BLOCKS` to send, instead of -t"},
			&cli.StringFlag{Name: "bitrate", Aliases: []string{"b", "bandwidth"}, Usage: "payload bit/s of each stream, with K, M, G; 0 for unlimited (default: 1M with UDP, unlimited with TCP)"},
			&cli.BoolFlag{Name: "udp", Aliases: []string{"u"}, Usage: "UDP instead of TCP"},
			&cli.StringFlag{Name: "length", Aliases: []string{"l"}, Usage: "`BYTES` to write at a time; with UDP a datagram's payload (default: 128K, UDP what TCP's segment has)"},
			&cli.IntFlag{Name: "parallel", Aliases: []string{"P"}, Value: 1, Usage: "`N` streams in each direction"},
			&cli.BoolFlag{Name: "reverse", Aliases: []string{"R"}, Usage: "the server sends"},
			&cli.BoolFlag{Name: "bidir", Usage: "both send"},
			&cli.IntFlag{Name: "omit", Aliases: []string{"O"}, Usage: "leave out the first `SECONDS`"},
			&cli.StringFlag{Name: "interval", Aliases: []string{"i"}, Value: "1", DefaultText: "1", Usage: "`SECONDS` between reports; 0 for none"},
			jsonFlag("J"),
			&cli.BoolFlag{Name: "json-stream", Usage: "print a line of JSON an event"},
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "unit of rates: k, m, g, t for bits, K, M, G, T for bytes"},
			&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print which iperf3 this is like, and the version of caliper"},
			&cli.BoolFlag{Name: "version4", Aliases: []string{"4"}, Usage: "IPv4 only"},
			&cli.BoolFlag{Name: "version6", Aliases: []string{"6"}, Usage: "IPv6 only"},
			&cli.BoolFlag{Name: "one-off", Aliases: []string{"1"}, Usage: "a server ends after one test"},
			&cli.BoolFlag{Name: "no-delay", Aliases: []string{"N"}, Usage: "TCP without Nagle's algorithm"},
			&cli.StringFlag{Name: "title", Aliases: []string{"T"}, Usage: "`TEXT` before every line"},
			&cli.StringFlag{Name: "extra-data", Usage: "`TEXT` for both sides' JSON"},
			&cli.BoolFlag{Name: "get-server-output", Usage: "print what the server printed"},
			&cli.IntFlag{Name: "connect-timeout", Usage: "`MILLISECONDS` that the server may take to answer the connection"},
			&cli.BoolFlag{Name: "udp-counters-64bit", Usage: "64-bit packet numbers in UDP"},
			&cli.BoolFlag{Name: "repeating-payload", Usage: "digits as payload instead of noise"},

			&cli.StringSliceFlag{Name: "peer", Usage: "`ADDRESS` of the kernel's side (default: -c's, or the first other one in the prefix of --addr)"},
			&cli.StringFlag{Name: "congestion", Aliases: []string{"C"}, Usage: "congestion control of TCP that `ALGO` sends with: cubic, reno or bbr (default: cubic)"},
			&cli.StringFlag{Name: "pace", Usage: "who asks for the departures: `POLICY` is rate:RATE, window, delivery, gaps:FILE, schedule:FILE or none (default: rate with -b, delivery with -C bbr, else none)"},
			&cli.StringFlag{Name: "rto-min", DefaultText: "200ms on a real port, in virtual time four round trips of the wire", Usage: "minimum retransmission timeout `DURATION` of our TCP"},
			&cli.BoolFlag{Name: "reserve", Usage: "spread flows that ask for the same instant, instead of having them meet at the port"},
			&cli.IntFlag{Name: "mtu", Value: 1500, Usage: "largest IP packet in `BYTES`"},
			fullPayloadFlag("with --card faithful"),
			seedFlag(),
		}, slices.Concat(portFlags(iperf3Ports...), cardFlags("native", "faithful", "none"))...),
	}
}

// iperf3Ports are the kinds of ports that a test may have.
var iperf3Ports = []string{"wire", "tun", "packet"}

// inVirtualTime is what JSON calls the machine there: the same on every machine.
const inVirtualTime = "caliper, in virtual time"

// iperf3Test is one call of the command.
type iperf3Test struct {
	console *console
	bench   benchConfig
	server  bool
	oneOff  bool
	json    bool
	stream  bool

	address string // host:port
	family  int
	timeout time.Duration
	params  iperf3.Params
	report  iperf3.Report

	dropped link.Drops // in tests that have been reported
}

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
	if t.server {
		return t, t.checkServer(c)
	}
	return t, t.checkClient(c)
}

// readPort reads what says where the test runs.
func (t *iperf3Test) readPort(c *cli.Context) (err error) {
	if t.bench, err = readBench(c, iperf3Ports...); err != nil {
		return err
	}
	b := &t.bench
	switch {
	case c.IsSet("peer") && !b.port.real():
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
	if len(b.own) > 0 && !slices.ContainsFunc(b.own, usable) {
		return badInput(nil, "-%d: no --addr is an IPv%[1]d address", t.family)
	}
	peers, err := parsePeers(c.StringSlice("peer"), b.own)
	if err != nil {
		return err
	}
	if a, err := netip.ParseAddr(c.String("client")); err == nil && len(peers) == 0 {
		peers = append(peers, a.Unmap())
	}
	return b.meet(peers...)
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
	if t.bench.port.kind == "wire" {
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
	if t.bench.port.kind == "wire" {
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
	if rtt, most := 2*t.bench.port.delay, p.MaxRTT(); rtt >= most {
		return badInput(nil, "--port %v: with a round trip of %s the other side gives up before all streams are open", t.bench.port, pacer.FormatDuration(rtt)).
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
	if err := t.bench.checkMTU(target); err != nil {
		return err
	}
	t.bench.farSend = p.Reverse || p.Bidir
	t.bench.bitrate = p.Bitrate
	if p.UDP && p.Length == 0 {
		// As much as a TCP segment with time stamps would carry, as iperf3 does: 24
		// bytes of header more.
		p.Length = min(t.bench.mtu, 1500) - headers(target) - 24
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
	if t.bench.port.kind == "wire" {
		switch {
		case host != "far" && host != far4.Addr().String() && host != far6.Addr().String():
			return netip.Addr{}, badInput(nil, "-c %s: without --port there is only the host far", host).
				hint("caliper iperf3 -c far, or --port tun:cal0 --addr 10.99.0.2/24 for a real network")
		case host == "far" && t.family == 6 || host == far6.Addr().String():
			return far6.Addr(), nil
		}
		return far4.Addr(), nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return a, badInput(nil, "-c %s is not an IP address, and names are not looked up on a real port", host)
	}
	for _, own := range t.bench.own {
		if own.Addr() == a {
			return a, badInput(nil, "-c %s is our own address, --addr %v", host, own).hint("the server is on the kernel's side")
		}
		if own.Masked().Contains(a) {
			return a, nil
		}
	}
	return a, badInput(nil, "-c %s is in no prefix of --addr", host).hint("give --addr an address of the same network")
}

// checkRate refuses what the port cannot carry. What is behind the port may well be too
// slow: that is a bottleneck.
func (t *iperf3Test) checkRate(target netip.Addr) error {
	p := &t.params
	speed, what := t.bench.port.rate, "the wire's"
	if t.bench.port.line != 0 {
		speed, what = t.bench.port.line, "the port's"
	}
	if t.bench.card.kind != "none" && (speed == 0 || speed > 1e9) {
		speed, what = 1e9, "the card's"
	}
	if p.Bitrate <= 0 || speed == 0 {
		return nil
	}
	most := payloadRate(speed, t.bench.mtu, p.Length, p.UDP, target.Is6(), p.Bidir) / int64(p.Streams)
	if p.Bitrate <= most {
		return nil
	}
	streams := ""
	if p.Streams > 1 {
		streams = fmt.Sprintf(" each with %d streams", p.Streams)
	}
	instead := "raise --port wire:rate=... together with --card none"
	switch {
	case what == "the card's":
		instead = "send with --card none"
	case what == "the port's":
		instead = "raise --port wire:line=..., above 1G together with --card none"
	case speed < 1e9: // to be overloaded, perhaps
		instead = "let a faster port feed the wire, --port wire:line=1G,rate=" + pacer.FormatRate(speed)
	}
	return badInput(nil, "-b %s is above %s line speed of %sbit/s: %s carry at most %sbit/s%s",
		pacer.FormatRate(p.Bitrate), what, pacer.FormatRate(speed), describePayload(p.UDP, p.Length), pacer.FormatRate(most), streams).
		hint("lower -b, or %s", instead)
}

// run runs the test and prints what came of it.
func (t *iperf3Test) run() error {
	defer tuneRuntime(t.bench.port.kind == "wire")()
	stop, signalled := t.console.watch()
	defer stop()
	t.bench.tell = t.console.remark
	b, err := newBench(t.bench)
	if err != nil {
		return err
	}
	ctx, cancel := b.whileUp(signalled)
	defer cancel()
	if t.server {
		err = t.serve(b, ctx)
	} else {
		err = t.test(b, ctx)
	}
	if lost := b.lost(); lost != nil && err != nil {
		err = lost // which is why the peer went silent
	}
	if closed := b.close(); err == nil {
		err = closed
	}
	return err
}
