package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netcaliper/caliper/pacer"
)

// portSpec says where the card's MAC leads: what --port is given.
//
//	wire[:rate=R,line=R,delay=D,queue=N,step=D:R,...]   an emulated wire to the host "far", in virtual time
//	tun:NAME                                            a tun interface to this machine's kernel, in real time
//	packet:IFACE                                        an Ethernet interface that is there, in real time
//	pcap:FILE                                           a capture file that takes every frame at once
type portSpec struct {
	kind string // wire, tun, packet or pcap
	name string // of the interface or the file

	rate  int64 // of the wire, in bit/s
	line  int64 // of the port that sends into it, in bit/s; 0 for the wire's own rate
	delay time.Duration
	queue int        // frames
	steps []rateStep // of the rate, in order of time
}

// A rateStep changes the rate of both directions of a wire.
type rateStep struct {
	at   time.Duration // since the start of the run
	rate int64         // bit/s
}

// maxSteps is how many steps one wire may take.
const maxSteps = 1000

// parsePort reads a port's specification, which must be of one of the kinds.
func parsePort(s string, kinds ...string) (portSpec, error) {
	kind, rest, _ := strings.Cut(s, ":")
	p := portSpec{kind: kind}
	switch {
	case !slices.Contains(kinds, kind):
		var usage []string
		for _, k := range kinds {
			usage = append(usage, portUsage[k])
		}
		return p, badInput(nil, "--port %s: there is no port %q", s, kind).hint("a port is %s", strings.Join(usage, " or "))
	case kind == "wire":
		p.rate, p.delay, p.queue = 1e9, 200*time.Microsecond, 1000
		for _, option := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' }) {
			if err := p.option(option); err != nil {
				return p, badInput(err, "--port %s", s)
			}
		}
		return p, nil
	case rest == "" && kind == "pcap":
		return p, badInput(nil, "--port %s: the file needs a name", s).hint("for instance --port pcap:out.pcapng")
	case rest == "":
		return p, badInput(nil, "--port %s: the interface needs a name", s).
			hint("for instance --port tun:cal0 for a new one, or --port packet:eth0 for one that is there")
	}
	p.name = rest
	return p, nil
}

func (p *portSpec) option(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("%q is not of the form key=value", s)
	}
	var err error
	switch key {
	case "rate":
		p.rate, err = parseWireRate(value)
	case "line":
		p.line, err = parseWireRate(value)
	case "delay":
		p.delay, err = pacer.ParseDuration(value)
		if err == nil && (p.delay > time.Minute) {
			err = fmt.Errorf("a delay of %s is not from 0 to 1m", value)
		}
	case "queue":
		p.queue, err = strconv.Atoi(value)
		if err != nil || p.queue < 1 || p.queue > 10_000_000 {
			err = fmt.Errorf("a queue of %s is not from 1 to 10000000 packets", value)
		}
	case "step":
		err = p.step(value)
	default:
		err = fmt.Errorf("a wire has no %q: it has rate, line, delay, queue and step", key)
	}
	return err
}

// step adds a step of the rate, written as 5s:50M.
func (p *portSpec) step(s string) error {
	when, rate, ok := strings.Cut(s, ":")
	at, err := pacer.ParseDuration(when)
	switch {
	case !ok || err != nil:
		return fmt.Errorf("a step of %s is not of the form 5s:50M", s)
	case at == 0 || at > 24*time.Hour:
		return fmt.Errorf("a step at %s is not after the start and within 24h", when)
	case len(p.steps) > 0 && at <= p.steps[len(p.steps)-1].at:
		return fmt.Errorf("a step at %s is not after the one before it", when)
	case len(p.steps) == maxSteps:
		return fmt.Errorf("more than %d steps", maxSteps)
	}
	bps, err := parseWireRate(rate)
	if err != nil {
		return err
	}
	p.steps = append(p.steps, rateStep{at, bps})
	return nil
}

func parseWireRate(s string) (int64, error) {
	bps, err := pacer.ParseRate(s)
	if err == nil && (bps < 1000 || bps > 1e12) {
		err = fmt.Errorf("a rate of %s is not from 1K to 1T bit/s", s)
	}
	return bps, err
}

// real tells whether the port leads out of the process, and so the run is in real time.
func (p portSpec) real() bool { return p.kind == "tun" || p.kind == "packet" }

// String writes the port as it is reported. It is what --port takes.
func (p portSpec) String() string {
	if p.kind != "wire" {
		return p.kind + ":" + p.name
	}
	var b strings.Builder
	fmt.Fprintf(&b, "wire:rate=%s,delay=%s,queue=%d", pacer.FormatRate(p.rate), pacer.FormatDuration(p.delay), p.queue)
	if p.line != 0 {
		fmt.Fprintf(&b, ",line=%s", pacer.FormatRate(p.line))
	}
	for _, step := range p.steps {
		fmt.Fprintf(&b, ",step=%s:%s", pacer.FormatDuration(step.at), pacer.FormatRate(step.rate))
	}
	return b.String()
}

// file returns the name of the file that the port is, or "".
func (p portSpec) file() string {
	if p.kind == "pcap" {
		return p.name
	}
	return ""
}

// address returns the port's own address for packets to another.
func (p portSpec) address(to netip.Addr, own []netip.Prefix) (netip.Addr, error) {
	switch {
	case p.real():
		i := slices.IndexFunc(own, func(p netip.Prefix) bool { return p.Addr().Is4() == to.Is4() })
		if i < 0 {
			return netip.Addr{}, badInput(nil, "-i %v: no --addr is of its kind", to).hint("give --addr for IPv4 and for IPv6")
		}
		return own[i].Addr(), nil
	case to.Is4():
		return near4.Addr(), nil
	}
	return near6.Addr(), nil
}

// parseAddrs reads the stack's addresses on a real port.
func parseAddrs(addrs []string) (own []netip.Prefix, err error) {
	for _, s := range addrs {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, badInput(nil, "--addr %s is not an address with a prefix length", s).hint("for instance --addr 10.99.0.2/24")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits())
		if !p.IsValid() || p.Addr().IsUnspecified() || p.Addr().IsMulticast() {
			return nil, badInput(nil, "--addr %s is not the address of a host", s)
		}
		for _, other := range own {
			if other.Addr().Is4() == p.Addr().Is4() {
				return nil, badInput(nil, "--addr %s is the second of its kind", s).hint("give --addr once for IPv4 and once for IPv6 at most")
			}
		}
		own = append(own, p)
	}
	return own, nil
}

// parsePeers reads what --peer says of the kernel's side of our addresses.
func parsePeers(peers []string, own []netip.Prefix) (kernel []netip.Addr, err error) {
	for _, s := range peers {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, badInput(nil, "--peer %s is not an IP address", s)
		}
		a = a.Unmap()
		i := slices.IndexFunc(own, func(p netip.Prefix) bool { return p.Contains(a) })
		switch {
		case i < 0:
			return nil, badInput(nil, "--peer %s is in no prefix of --addr", s).hint("both sides have addresses of the same network")
		case own[i].Addr() == a:
			return nil, badInput(nil, "--peer %s is the same address as --addr", s)
		}
		kernel = append(kernel, a)
	}
	return kernel, nil
}

// kernelSide gives the kernel an address in each of our prefixes: the one of those wanted
// that is in it, or else the first that is not ours.
func kernelSide(own []netip.Prefix, wanted []netip.Addr) (kernel []netip.Prefix, err error) {
	for _, p := range own {
		peer := p.Masked().Addr()
		if p.Bits() < peer.BitLen()-1 {
			peer = peer.Next() // the lowest address names the network itself
		}
		if peer == p.Addr() {
			peer = peer.Next()
		}
		for _, a := range wanted {
			if p.Contains(a) && a != p.Addr() {
				peer = a
			}
		}
		if !p.Contains(peer) {
			return nil, badInput(nil, "--addr %s leaves no address for the kernel's side", p).
				hint("give the address a shorter prefix, for instance %v/%d", p.Addr(), p.Addr().BitLen()-8)
		}
		kernel = append(kernel, netip.PrefixFrom(peer, p.Bits()))
	}
	return kernel, nil
}
