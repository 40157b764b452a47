package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// What the commands have in common: each flag is named, explained and checked here, once.
// A command takes those that it has a use for.

// portUsage says of each kind of port how it is given.
var portUsage = map[string]string{
	"wire":   "wire[:rate=1G,line=1G,delay=200us,queue=1000,step=5s:50M]",
	"tun":    "tun:NAME",
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

func jsonFlag(aliases ...string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Aliases: aliases, Usage: "print JSON"}
}

// has tells whether the command has a flag of that name.
func has(c *cli.Context, name string) bool {
	return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// readBench reads the flags that several commands have. kinds are those of portFlags.
func readBench(c *cli.Context, kinds ...string) (b benchConfig, err error) {
	b = benchConfig{mtu: cardMTU, seed: c.Uint64("seed"), pcap: c.String("pcap"), hash: c.Bool("trace-hash")}
	if b.port, err = parsePort(c.String("port"), kinds...); err != nil {
		return b, portHint(c, err)
	}
	if has(c, "card") {
		if b.card, err = readCard(c, c.String("card")); err != nil {
			return b, err
		}
	}
	if has(c, "mtu") {
		b.mtu = c.Int("mtu")
		if most := b.maxMTU(); b.mtu < 576 || b.mtu > most {
			return b, badInput(nil, "--mtu %d is not from 576 to %d", b.mtu, most).
				hint("the card takes frames of up to 1514 bytes beside VLAN tags; with --card none an MTU may be up to 65535")
		}
	}
	if b.own, err = parseAddrs(c.StringSlice("addr")); err != nil {
		return b, err
	}
	switch {
	case b.port.real() && len(b.own) == 0:
		return b, badInput(nil, "--port %v needs an address for our side", b.port).hint("for instance --addr 10.99.0.2/24")
	case b.port.real() && c.Command.Name != "card" && b.card.inRealTime() != nil:
		return b, b.card.inRealTime()
	case !b.port.real() && len(b.own) > 0:
		return b, badInput(nil, "--addr is for a real port").hint("a wire's hosts have addresses of their own; or give --port tun:cal0")
	case b.pcap != "" && b.port.kind == "pcap":
		return b, badInput(nil, "--pcap and --port %v exclude each other", b.port).hint("the port is a capture file already")
	case c.IsSet("pcap") && b.pcap == "":
		return b, badInput(nil, "--pcap needs the name of a file").hint("for instance --pcap run.pcapng")
	}
	for _, p := range b.own {
		if err := b.checkMTU(p.Addr()); err != nil {
			return b, err
		}
	}
	return b, nil
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

// maxMTU is the largest MTU of the port and what sends into it.
func (b *benchConfig) maxMTU() int {
	if b.card.kind == "none" {
		return 65535
	}
	return cardMTU
}

func (b *benchConfig) checkMTU(a netip.Addr) error {
	if a.Is6() && b.mtu < minMTU6 {
		return badInput(nil, "--mtu %d is too small for IPv6, which needs %d", b.mtu, minMTU6)
	}
	return nil
}

// meet gives the kernel an address in each of our prefixes: one of those wanted, if it can.
func (b *benchConfig) meet(wanted ...netip.Addr) (err error) {
	b.kernel, err = kernelSide(b.own, wanted)
	return err
}
