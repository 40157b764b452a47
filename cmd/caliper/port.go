package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/testbed"
)

// portSpec says where the card's MAC leads: what --port is given.
//
//	wire[:rate=R,line=R,delay=D,queue=N,step=D:R,...]   an emulated wire to the host "far", in virtual time
//	tun:NAME                                            a tun interface to this machine's kernel, in real time
//	tap:NAME                                            the same as an Ethernet
//	packet:IFACE                                        an Ethernet interface that is there, in real time
//	pcap:FILE                                           a capture file that takes every frame at once
type portSpec struct {
	kind string // wire, tun, tap, packet or pcap
	name string // of the interface or the file

	testbed.Direction // of the wire, both
}

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
		p.Rate, p.Delay, p.Queue = 1e9, 200*time.Microsecond, 1000
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
		p.Rate, err = parseWireRate(value)
	case "line":
		p.Line, err = parseWireRate(value)
	case "delay":
		p.Delay, err = pacer.ParseDuration(value)
		if err == nil && p.Delay > time.Minute {
			err = fmt.Errorf("a delay of %s is not from 0 to 1m", value)
		}
	case "queue":
		p.Queue, err = strconv.Atoi(value)
		if err != nil || p.Queue < 1 || p.Queue > 10_000_000 {
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
	case len(p.Steps) > 0 && at <= p.Steps[len(p.Steps)-1].At:
		return fmt.Errorf("a step at %s is not after the one before it", when)
	case len(p.Steps) == testbed.MaxSteps:
		return fmt.Errorf("more than %d steps", testbed.MaxSteps)
	}
	bps, err := parseWireRate(rate)
	if err != nil {
		return err
	}
	p.Steps = append(p.Steps, testbed.RateStep{At: at, Rate: bps})
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
func (p portSpec) real() bool { return p.kind != "wire" && p.kind != testbed.Pcap }

// String writes the port as it is reported. It is what --port takes.
func (p portSpec) String() string {
	if p.kind != "wire" {
		return p.kind + ":" + p.name
	}
	var b strings.Builder
	fmt.Fprintf(&b, "wire:rate=%s,delay=%s,queue=%d", pacer.FormatRate(p.Rate), pacer.FormatDuration(p.Delay), p.Queue)
	if p.Line != 0 {
		fmt.Fprintf(&b, ",line=%s", pacer.FormatRate(p.Line))
	}
	for _, step := range p.Steps {
		fmt.Fprintf(&b, ",step=%s:%s", pacer.FormatDuration(step.At), pacer.FormatRate(step.Rate))
	}
	return b.String()
}
