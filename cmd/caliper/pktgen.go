package main

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/netfpga/nl"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/traffic"
	"github.com/netcaliper/caliper/stack/testbed"
)

const pktgenHelp = `The flags of one letter are those of Caliper's pktgen. With -N the packets leave through
the card, in virtual time on an emulated wire unless --port says otherwise:

   caliper pktgen -N -i 10.0.0.2 -l 1472 -d 13560 -n 1500000

Without -N they go through the kernel's UDP socket, sent by busy-waiting:

   caliper pktgen -i 127.0.0.1 -l 1472 -d 100000 -n 10000

A packet that cannot leave at its time leaves as soon as it can, and those behind it catch
up, back to back. Without -n and -t it goes on until it is interrupted.

Distributions: gaps are constant:G, exponential:MEAN or pareto:MEAN,SHAPE, in ns; payloads
are uniform:A,B, in bytes, or spike-bump, that is frames of 1518 (50 %), 612 (10 %) and 64
bytes (40 %).`

func pktgenCommand(v *console) *cli.Command {
	return &cli.Command{
		Name:            "pktgen",
		Usage:           "send UDP packets, or a capture, at given times",
		Description:     pktgenHelp,
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action: func(c *cli.Context) error {
			t, err := newPktgenTest(c, v)
			if err == nil {
				err = t.run()
			}
			return orHelp(err, c.Command.Name)
		},
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "packets", Aliases: []string{"n"}, Usage: "send `NUM` packets in total"},
			&cli.StringFlag{Name: "time", Aliases: []string{"t"}, Usage: "send packets for `SECONDS`"},
			&cli.StringFlag{Name: "delay", Aliases: []string{"d"}, Usage: "`NS` between packets, with up to three decimals"},
			&cli.StringFlag{Name: "delays", Aliases: []string{"D"}, Usage: "`FILE` of delays in ns, separated by white space; after the last the first again"},
			&cli.StringFlag{Name: "length", Aliases: []string{"l"}, Usage: "`BYTES` of UDP payload of each packet (default: what makes 1500 bytes of IP)"},
			&cli.StringFlag{Name: "lengths", Aliases: []string{"L"}, Usage: "`FILE` of payload sizes in bytes, as with -D"},
			&cli.StringFlag{Name: "destination", Aliases: []string{"i"}, Usage: "destination `IP` address"},
			&cli.StringFlag{Name: "source", Aliases: []string{"I"}, Usage: "with -N: source `IP` address (default: the port's own)"},
			&cli.StringFlag{Name: "mac", Aliases: []string{"m"}, Usage: "with -N: destination `MAC` address (default: the wire's other end)"},
			&cli.BoolFlag{Name: "netfpga", Aliases: []string{"N"}, Usage: "send through the card instead of the kernel's sockets"},

			&cli.IntFlag{Name: "dport", Value: 9, Usage: "destination UDP `PORT`; 9 discards"},
			&cli.IntFlag{Name: "sport", DefaultText: "9 with -N, else one that the kernel chooses", Usage: "source UDP `PORT`"},
			&cli.StringSliceFlag{Name: "dist", Usage: "draw from the distribution `DIST`: once for gaps instead of -d, once for sizes instead of -l"},
			fullPayloadFlag("with --replay and --card faithful"),
			netlinkFlag("", "with -N: through the card of another process, at the netlink port id `ID`, 0 for the first card's"),
			&cli.IntFlag{Name: "netlink-protocol", Value: nl.Usersock, Usage: "netlink protocol of that card; 17 for the original's kernel module"},
			seedFlag(), jsonFlag(),
		}, slices.Concat(replayFlags, portFlags(pktgenPorts...), cardFlags("native", "faithful", "none"))...),
	}
}

// pktgenPorts are the kinds of ports that the card may have.
var pktgenPorts = []string{"wire", "pcap", "tun", "tap", "packet"}

// readSetup reads the flags of the card and of its port.
func (t *pktgenTest) readSetup(c *cli.Context) (err error) {
	if t.setup, err = readSetup(c, pktgenPorts...); err != nil {
		return err
	}
	switch {
	case t.setup.card == "none" && !c.IsSet("replay"):
		return badInput(nil, "--card none: packets at given times need a card").hint("leave -N out for the kernel's sockets")
	case t.netlink != nil && c.IsSet("card"):
		return badInput(nil, "--card is for a card of this process, and --netlink says another's")
	}
	t.setup.bare(c.IsSet("replay"))
	var wanted []netip.Addr
	if to, err := netip.ParseAddr(c.String("i")); err == nil {
		wanted = append(wanted, to.Unmap())
	}
	return t.setup.meet(wanted...)
}

// bare takes TCP/IP off: what is sent comes from elsewhere, and far throws it away. A hold has
// a card send the frames of a replay in order, and without one sends them.
func (s *setup) bare(hold bool) {
	s.near().Kind = testbed.Bare
	if !hold {
		s.near().Hold = nil
	}
	if s.port.kind == "wire" {
		s.far().Kind, s.far().Capture = testbed.Sink, ""
	}
}

// pktgenTest is one call of the command.
type pktgenTest struct {
	console *console
	json    bool
	netfpga bool
	setup   setup // with netfpga

	netlink *nl.Address // of a card in another process, nil for one of this

	src, dst netip.AddrPort
	mac      [6]byte
	plan     traffic.Plan

	capture *pcap.File // of --replay, nil without
	file    string     // its name
	replay  traffic.Replay
}

// discard is the UDP port whose packets are thrown away (RFC 863).
const discard = 9

// newPktgenTest reads the flags. Whatever is wrong with them is said here, before anything
// is sent or made.
func newPktgenTest(c *cli.Context, v *console) (*pktgenTest, error) {
	t := &pktgenTest{console: v, json: c.Bool("json"), netfpga: c.Bool("netfpga")}
	if c.Args().Present() {
		return nil, badInput(nil, "%q is not a flag", c.Args().First()).hint("caliper pktgen --help lists the flags")
	}
	if err := t.checkConflicts(c); err != nil {
		return nil, err
	}
	if err := t.readNetlink(c); err != nil {
		return nil, err
	}
	if err := t.readAmount(c); err != nil {
		return nil, err
	}
	if err := t.readSetup(c); err != nil {
		return nil, err
	}
	if c.IsSet("replay") {
		return t, t.readReplay(c)
	}
	if err := t.readEnds(c); err != nil {
		return nil, err
	}
	if err := t.readGaps(c); err != nil {
		return nil, err
	}
	return t, t.readSizes(c)
}

// Flags that only some others make sense of.
var (
	cardOnly   = []string{"I", "m", "port", "addr", "pcap", "trace-hash", "netlink", "replay", "card", "firmware"}
	replayOnly = []string{"filter", "speed", "pps", "mbps", "topspeed", "loop", "mtu", "full-payload"}
	planOnly   = []string{"d", "D", "l", "L", "i", "I", "m", "dist", "dport", "sport"}
)

// flagText writes a flag as it is given.
func flagText(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// checkConflicts refuses flags that exclude each other (tech doc section 2), or that the
// ones they need are not there for.
func (t *pktgenTest) checkConflicts(c *cli.Context) error {
	for _, pair := range [][2]string{{"n", "t"}, {"d", "D"}, {"l", "L"}} {
		if c.IsSet(pair[0]) && c.IsSet(pair[1]) {
			return badInput(nil, "-%s and -%s exclude each other", pair[0], pair[1])
		}
	}
	if !t.netfpga {
		for _, name := range cardOnly {
			if c.IsSet(name) {
				return badInput(nil, "%s works only with -N", flagText(name)).
					hint("add -N to send through the card; without it the kernel makes the headers")
			}
		}
	}
	if c.IsSet("replay") {
		for _, name := range planOnly {
			if c.IsSet(name) {
				return badInput(nil, "%s and --replay exclude each other", flagText(name)).
					hint("what is replayed has its own times, sizes and addresses")
			}
		}
		return nil
	}
	for _, name := range replayOnly {
		if c.IsSet(name) {
			return badInput(nil, "--%s is for --replay", name)
		}
	}
	return nil
}

// readAmount reads how much is sent.
func (t *pktgenTest) readAmount(c *cli.Context) error {
	if s := c.String("n"); c.IsSet("n") {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil || n == 0 {
			return badInput(nil, "-n %s is not a number of packets from 1 on", s)
		}
		t.plan.Packets = n
	}
	if s := c.String("t"); c.IsSet("t") {
		d, err := pacer.ParseSeconds(s)
		if err != nil || d == 0 || d > 1e6*time.Second {
			return badInput(nil, "-t %s is not a number of seconds up to 1000000", s)
		}
		t.plan.Duration = d
	}
	return nil
}

// readGaps reads when packets leave.
func (t *pktgenTest) readGaps(c *cli.Context) error {
	d, drawn, err := t.readDist(c, false)
	switch {
	case err != nil:
		return err
	case drawn && (c.IsSet("d") || c.IsSet("D")):
		return badInput(nil, "--dist %v and the delays of -d or -D exclude each other", d)
	case drawn:
		t.plan.Gaps = d.Gaps(t.setup.Seed)
	case c.IsSet("d"):
		gap, err := pacer.ParseGap(c.String("d"))
		if err != nil {
			return badInput(err, "-d")
		}
		t.plan.Gaps = traffic.CycleGaps([]pacer.Gap{gap})
	case c.IsSet("D"):
		file, err := os.Open(c.String("D"))
		if err != nil {
			return badInput(err, "-D")
		}
		defer file.Close()
		list, err := pacer.ParseGaps(file)
		if err != nil {
			return badInput(err, "-D %s", c.String("D")).hint("delays are numbers of nanoseconds such as 13560 or 13333.33, separated by white space")
		}
		t.plan.Gaps = traffic.CycleGaps(list)
	default:
		return badInput(nil, "how far apart are the packets to be?").
			hint("give -d NS, -D FILE or --dist, for instance -d 13560")
	}
	return nil
}

// readSizes reads how large packets are.
func (t *pktgenTest) readSizes(c *cli.Context) error {
	headers := headers(t.dst.Addr())
	t.plan.Sizes = traffic.CycleSizes([]int{cardMTU - headers})
	d, drawn, err := t.readDist(c, true)
	switch {
	case err != nil:
		return err
	case drawn && (c.IsSet("l") || c.IsSet("L")):
		return badInput(nil, "--dist %v and the sizes of -l or -L exclude each other", d)
	case drawn:
		if t.plan.Sizes, err = d.Sizes(t.setup.Seed, headers); err != nil {
			return badInput(err, "--dist %v", d)
		}
	case c.IsSet("l"):
		n, err := traffic.ParsePayload(c.String("l"))
		if err != nil {
			return badInput(err, "-l")
		}
		t.plan.Sizes = traffic.CycleSizes([]int{n})
	case c.IsSet("L"):
		file, err := os.Open(c.String("L"))
		if err != nil {
			return badInput(err, "-L")
		}
		defer file.Close()
		list, err := traffic.ParsePayloads(file)
		if err != nil {
			return badInput(err, "-L %s", c.String("L")).hint("sizes are numbers of bytes such as 1472, separated by white space")
		}
		t.plan.Sizes = traffic.CycleSizes(list)
	}
	if t.netfpga {
		return t.checkSizes(cardMTU)
	}
	return nil
}

// checkSizes refuses packets that do not fit an MTU.
func (t *pktgenTest) checkSizes(mtu int) error {
	most := mtu - headers(t.dst.Addr())
	if n := t.plan.Sizes.Most(); n > most {
		return badInput(nil, "a payload of %d bytes does not fit an MTU of %d", n, mtu).
			hint("at most %d bytes do, beside the headers of IP and UDP", most)
	}
	return nil
}

// readDist returns the distribution of sizes or of gaps, if there is one. A comma in it has
// split it: a piece that begins with a digit goes on with the one before.
func (t *pktgenTest) readDist(c *cli.Context, sizes bool) (found traffic.Dist, ok bool, err error) {
	var specs []string
	for _, s := range c.StringSlice("dist") {
		if n := len(specs); n > 0 && s != "" && strings.Contains("0123456789.-", s[:1]) {
			specs[n-1] += "," + s
		} else {
			specs = append(specs, s)
		}
	}
	for _, s := range specs {
		d, err := traffic.ParseDist(s)
		if err != nil {
			return d, false, badInput(err, "--dist %.64s", s)
		}
		if d.OfSizes() != sizes {
			continue
		}
		if ok {
			return d, false, badInput(nil, "--dist %v and --dist %v exclude each other", found, d).
				hint("one can be for the gaps and one for the sizes")
		}
		found, ok = d, true
	}
	return found, ok, nil
}

// readEnds reads where packets go and where they come from.
func (t *pktgenTest) readEnds(c *cli.Context) error {
	if !c.IsSet("i") {
		return badInput(nil, "where are the packets to go?").hint("give -i IP, for instance -i 10.0.0.2")
	}
	to, err := parseHost(c, "i")
	if err != nil {
		return err
	}
	if t.netfpga && to.Zone() != "" {
		return badInput(nil, "-i %v: the card knows no zones", to).hint("give the address without %%%s", to.Zone())
	}
	for _, name := range []string{"dport", "sport"} {
		if p := c.Int(name); c.IsSet(name) && (p < 1 || p > 65535) {
			return badInput(nil, "--%s %d is not a port from 1 to 65535", name, p)
		}
	}
	t.dst = netip.AddrPortFrom(to, uint16(c.Int("dport")))
	sport := uint16(c.Int("sport"))
	if t.netfpga && !c.IsSet("sport") {
		sport = discard
	}
	if !t.netfpga {
		t.src = netip.AddrPortFrom(netip.Addr{}, sport)
		return nil
	}
	if t.netlink != nil && (!c.IsSet("I") || to.Is6()) {
		return badInput(nil, "--netlink needs -I and IPv4 addresses").
			hint("a description has both addresses of a packet, and room for no others")
	}
	from, err := t.setup.source(to)
	if c.IsSet("I") {
		from, err = parseHost(c, "I")
		if err == nil && from.Is4() != to.Is4() {
			err = badInput(nil, "-I %v and -i %v are not of the same kind", from, to).hint("give two IPv4 or two IPv6 addresses")
		}
	}
	if err != nil {
		return err
	}
	if from == to {
		return badInput(nil, "-i %v is the source's own address", to)
	}
	t.src = netip.AddrPortFrom(from, sport)
	return t.readMAC(c)
}

// source returns near's own address for packets to another.
func (s *setup) source(to netip.Addr) (netip.Addr, error) {
	if !s.port.real() {
		if to.Is4() {
			return nearAddrs[0], nil
		}
		return nearAddrs[1], nil
	}
	own := s.near().Addrs
	i := slices.IndexFunc(own, func(p netip.Prefix) bool { return p.Addr().Is4() == to.Is4() })
	if i < 0 {
		return netip.Addr{}, badInput(nil, "-i %v: no --addr is of its kind", to).hint("give --addr for IPv4 and for IPv6")
	}
	return own[i].Addr(), nil
}

// parseHost reads an address of a flag.
func parseHost(c *cli.Context, name string) (netip.Addr, error) {
	a, err := netip.ParseAddr(c.String(name))
	if err != nil {
		return a, badInput(nil, "-%s %s is not an IP address", name, c.String(name)).hint("names are not looked up: give an address such as 10.0.0.2 or fd00::2")
	}
	if a = a.Unmap(); a.IsUnspecified() {
		return a, badInput(nil, "-%s %v is not the address of a host", name, a)
	}
	return a, nil
}

func (t *pktgenTest) readMAC(c *cli.Context) error {
	copy(t.mac[:], testbed.MAC(1))
	if !c.IsSet("m") {
		if t.setup.port.kind == testbed.Packet || t.setup.port.kind == testbed.Tap {
			return badInput(nil, "--port %v needs the MAC address that packets go to", t.setup.port).hint("give -m; `ip neigh` or the other side's `ip link` show it")
		}
		return nil
	}
	if t.setup.port.kind == "tun" {
		return badInput(nil, "-m: a tun interface has no MAC addresses")
	}
	var err error
	t.mac, err = parseMAC(c.String("m"))
	return err
}

// parseMAC reads the address of an Ethernet interface.
func parseMAC(s string) (mac [6]byte, err error) {
	b, err := net.ParseMAC(s)
	if err != nil || len(b) != len(mac) {
		return mac, badInput(nil, "-m %s is not a MAC address such as 02:00:00:00:00:02", s)
	}
	return [6]byte(b), nil
}
