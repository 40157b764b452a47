package main

import (
	"fmt"
	"slices"
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
			mtuFlag("largest IP packet in `BYTES`"),
			fullPayloadFlag("with --card faithful"),
			seedFlag(),
		}, slices.Concat(portFlags(iperf3Ports...), cardFlags("native", "faithful", "none"))...),
	}
}

// iperf3Ports are the kinds of ports that a test may have.
var iperf3Ports = []string{"wire", "tun", "tap", "packet"}

// inVirtualTime is what JSON calls the machine there: the same on every machine.
const inVirtualTime = "caliper, in virtual time"

// iperf3Test is one call of the command.
type iperf3Test struct {
	console *console
	setup   setup
	server  bool
	oneOff  bool
	json    bool
	stream  bool

	address string // host:port
	family  int
	timeout time.Duration
	params  iperf3.Params
	report  iperf3.Report

	policy  pacer.Policy  // of the streams of which no bitrate is asked
	unpaced bool          // streams keep their bitrate by themselves
	minRTO  time.Duration // TCP's

	dropped link.Drops // in tests that have been reported
}

// run runs the test and prints what came of it.
func (t *iperf3Test) run() error {
	defer tuneRuntime(t.setup.port.kind == "wire")()
	stop, signalled := t.console.watch()
	defer stop()
	b, err := t.setup.open(t.console, nil)
	if err != nil {
		return err
	}
	ctx, cancel := whileUp(signalled, b)
	defer cancel()
	if t.server {
		err = t.serve(b, ctx)
	} else {
		err = t.test(b, ctx)
	}
	if lost := lost(b); lost != nil && err != nil {
		err = lost // which is why the peer went silent
	}
	if closed := t.setup.close(b); err == nil {
		err = closed
	}
	return err
}
