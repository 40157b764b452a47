package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/stack/testbed"
)

// What the commands have in common: each flag is named, explained and read here, once. A
// command takes those that it has a use for. The card's are in cardflags.go.

// portUsage says of each kind of port how it is given.
var portUsage = map[string]string{
	"wire":   "wire[:rate=1G,line=1G,delay=200us,queue=1000,step=5s:50M]",
	"tun":    "tun:NAME",
	"tap":    "tap:NAME",
	"packet": "packet:IFACE",
	"pcap":   "pcap:FILE",
}

// portFlags say where a card's MAC leads, which may be to one of the kinds, and what is
// written down there. With "wire" that is what a run without --port has.
func portFlags(kinds ...string) []cli.Flag {
	var usage []string
	for _, k := range kinds {
		usage = append(usage, portUsage[k])
	}
	port := &cli.StringFlag{Name: "port", Usage: "where the card's MAC leads: `PORT` is " + strings.Join(usage, " or ")}
	if slices.Contains(kinds, "wire") {
		port.Value = "wire"
	}
	return []cli.Flag{
		port,
		&cli.StringSliceFlag{Name: "addr", Usage: "`ADDRESS/BITS` of our side of a real port; once for each of IPv4 and IPv6"},
		&cli.StringFlag{Name: "pcap", Usage: "write every frame to `FILE` as pcapng, at its actual departure"},
		&cli.BoolFlag{Name: "trace-hash", Usage: "report the fingerprint of every frame in real time, too, where it costs time between departures"},
	}
}

func seedFlag() cli.Flag {
	return &cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`N` that decides all that is drawn at random"}
}

func mtuFlag(usage string) cli.Flag { return &cli.IntFlag{Name: "mtu", Value: cardMTU, Usage: usage} }

func netlinkFlag(value, usage string) cli.Flag {
	return &cli.StringFlag{Name: "netlink", Value: value, Usage: usage}
}

func jsonFlag(aliases ...string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Aliases: aliases, Usage: "print JSON"}
}

// has tells whether the command has a flag of that name.
func has(c *cli.Context, name string) bool {
	return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// A setup is what the flags that commands have in common say: a testbed of the host near
// behind its port, where that is a wire with the host far at its other end.
type setup struct {
	testbed.Config
	port portSpec
	card string // near's: native, faithful, or none
}

func (s *setup) near() *testbed.HostConfig { return &s.Hosts[0] }

// far is there where the port is a wire.
func (s *setup) far() *testbed.HostConfig { return &s.Hosts[1] }

// readSetup reads those flags. kinds are those of portFlags.
func readSetup(c *cli.Context, kinds ...string) (s setup, err error) {
	near := testbed.HostConfig{Name: "near", MTU: cardMTU, Capture: c.String("pcap"), Hold: new(testbed.HoldConfig)}
	s.Seed, s.Hash = c.Uint64("seed"), c.Bool("trace-hash")
	if s.port, err = parsePort(c.String("port"), kinds...); err != nil {
		return s, portHint(c, err)
	}
	if has(c, "card") {
		s.card = c.String("card")
		if near.Card, err = readCard(c, s.card); err != nil {
			return s, err
		}
	}
	if has(c, "mtu") {
		near.MTU = c.Int("mtu")
		most := cardMTU
		if near.Card == nil {
			most = 65535
		}
		if near.MTU < 576 || near.MTU > most {
			return s, badInput(nil, "--mtu %d is not from 576 to %d", near.MTU, most).
				hint("the card takes frames of up to 1514 bytes beside VLAN tags; with --card none an MTU may be up to 65535")
		}
	}
	if near.Addrs, err = parseAddrs(c.StringSlice("addr")); err != nil {
		return s, err
	}
	switch {
	case s.port.real() && len(near.Addrs) == 0:
		return s, badInput(nil, "--port %v needs an address for our side", s.port).hint("for instance --addr 10.99.0.2/24")
	case s.port.real() && c.Command.Name != "card" && s.card == testbed.Faithful:
		return s, badInput(nil, "--card faithful runs in virtual time only, but for `caliper card`").hint("give no real port, or --card native")
	case !s.port.real() && len(near.Addrs) > 0:
		return s, badInput(nil, "--addr is for a real port").hint("a wire's hosts have addresses of their own; or give --port tun:cal0")
	case near.Capture != "" && s.port.kind == testbed.Pcap:
		return s, badInput(nil, "--pcap and --port %v exclude each other", s.port).hint("the port is a capture file already")
	case c.IsSet("pcap") && near.Capture == "":
		return s, badInput(nil, "--pcap needs the name of a file").hint("for instance --pcap run.pcapng")
	}
	for _, p := range near.Addrs {
		if err := checkMTU(near.MTU, p.Addr()); err != nil {
			return s, err
		}
	}
	s.Hosts = []testbed.HostConfig{near}
	if s.port.kind != "wire" {
		s.near().Port = &testbed.PortConfig{Kind: s.port.kind, Name: s.port.name}
		return s, nil
	}
	s.Hosts = append(s.Hosts, testbed.HostConfig{Name: "far", MTU: near.MTU, Capture: near.Capture})
	s.Links = []testbed.LinkConfig{{Ends: [2]string{"near", "far"}, Direction: s.port.Direction}}
	return s, nil
}

// portHint says what a bare number for a port may have been meant as.
func portHint(c *cli.Context, err error) error {
	p, n := err.(*problem), c.String("port")
	switch {
	case n == "" || strings.Trim(n, "0123456789") != "":
	case has(c, "p"):
		p.hint("-p %s is the server's port; --port says where the card's MAC leads", n)
	case has(c, "dport"):
		p.hint("--dport %s is the UDP port; --port says where the card's MAC leads", n)
	}
	return p
}

// checkMTU refuses an address of IPv6 behind an MTU that is too small for it (RFC 8200).
func checkMTU(mtu int, a netip.Addr) error {
	if a.Is6() && mtu < 1280 {
		return badInput(nil, "--mtu %d is too small for IPv6, which needs %d", mtu, 1280)
	}
	return nil
}

// meet gives the kernel's side of a tun or a tap an address in each of our prefixes: one of those
// wanted, if it can.
func (s *setup) meet(wanted ...netip.Addr) error {
	kernel, err := kernelSide(s.near().Addrs, wanted)
	if err == nil && (s.port.kind == testbed.Tun || s.port.kind == testbed.Tap) {
		s.near().Port.Kernel = kernel
	}
	return err
}
