package testbed

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// Bounds of a Config.
const (
	MaxHosts = 65534 // addresses of 10.0.0.0/16

	maxRate  = 1e12 // bit/s
	maxDelay = time.Minute
	maxQueue = 10_000_000
	maxStep  = 24 * time.Hour
	minRTO   = time.Millisecond
	maxRTO   = 2 * time.Minute
	cardMTU  = 1500 // frames of 1514 bytes beside VLAN tags
)

// Check returns an error that says what is wrong with the Config, nil if nothing is. Files
// that it names are read; nothing is changed.
func (c *Config) Check() error {
	if err := c.check(); err != nil {
		return fmt.Errorf("testbed: %w", err)
	}
	return nil
}

func (c *Config) check() error {
	switch n := len(c.Hosts); {
	case n == 0:
		return errors.New("there is no host")
	case n > MaxHosts:
		return fmt.Errorf("there are %d hosts, the most are %d", n, MaxHosts)
	}
	ends := make(map[string]int) // of links
	for i := range c.Hosts {
		name := c.Hosts[i].Name
		if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("host %d is called %q: give each a name of up to 64 characters, without spaces", i+1, name)
		}
		if _, twice := ends[name]; twice {
			return fmt.Errorf("two hosts are called %q", name)
		}
		ends[name] = 0
	}
	for i := range c.Links {
		if err := c.Links[i].check(ends); err != nil {
			return fmt.Errorf("link %d, %s to %s: %w", i+1, c.Links[i].Ends[0], c.Links[i].Ends[1], err)
		}
	}
	if err := c.checkHosts(ends); err != nil {
		return err
	}
	for i := range c.Links {
		if l := &c.Links[i]; !c.meet(l) {
			return fmt.Errorf("link %d: hosts %q and %q have no network in common", i+1, l.Ends[0], l.Ends[1])
		}
	}
	return nil
}

// checkHosts checks the hosts, which have so many links each.
func (c *Config) checkHosts(links map[string]int) error {
	owners := make(map[netip.Addr]string)
	for i := range c.Hosts {
		h := &c.Hosts[i]
		err := h.check(links[h.Name])
		for _, p := range c.addrs(i) {
			other, twice := owners[p.Addr()]
			if err == nil && twice {
				err = fmt.Errorf("%v is the address of host %q already", p.Addr(), other)
			}
			owners[p.Addr()] = h.Name
		}
		if err != nil {
			return fmt.Errorf("host %q: %w", h.Name, err)
		}
	}
	return nil
}

// meet tells whether the hosts of a link can reach each other.
func (c *Config) meet(l *LinkConfig) bool {
	near, far := &c.Hosts[c.index(l.Ends[0])], &c.Hosts[c.index(l.Ends[1])]
	if near.Kind != TCPIP || far.Kind != TCPIP || len(near.Gateways)+len(far.Gateways) > 0 {
		return true
	}
	for _, p := range c.Addrs(near.Name) {
		if slices.ContainsFunc(c.Addrs(far.Name), func(q netip.Prefix) bool { return p.Contains(q.Addr()) && q.Contains(p.Addr()) }) {
			return true
		}
	}
	return false
}

// check counts the ends of the hosts' links.
func (l *LinkConfig) check(ends map[string]int) error {
	for _, name := range l.Ends {
		if _, there := ends[name]; !there {
			return fmt.Errorf("there is no host %q", name)
		}
		ends[name]++
	}
	if l.Ends[0] == l.Ends[1] {
		return errors.New("both ends are the same host")
	}
	if err := l.Direction.check(); err != nil {
		return err
	}
	return l.back().check()
}

func (d *Direction) check() error {
	switch {
	case d.Rate < 0 || d.Rate > maxRate || d.Line < 0 || d.Line > maxRate:
		return errors.New("a rate is not from 0 to 1T bit/s")
	case d.Delay < 0 || d.Delay > maxDelay || d.Late < 0 || d.Late > maxDelay:
		return fmt.Errorf("a delay is not from 0 to %v", maxDelay)
	case d.Queue < 0 || d.Queue > maxQueue:
		return fmt.Errorf("a queue of %d is not from 1 to %d frames", d.Queue, maxQueue)
	case len(d.Steps) > MaxSteps:
		return fmt.Errorf("there are %d steps of the rate, the most are %d", len(d.Steps), MaxSteps)
	}
	before := time.Duration(0)
	for _, s := range d.Steps {
		switch {
		case s.At <= before:
			return fmt.Errorf("the step at %v is not after the one before it, or the start", s.At)
		case s.At > maxStep:
			return fmt.Errorf("the step at %v is not within %v", s.At, maxStep)
		case s.Rate < 0 || s.Rate > maxRate:
			return fmt.Errorf("the rate of the step at %v is not from 0 to 1T bit/s", s.At)
		}
		before = s.At
	}
	f := &d.Faults
	for _, p := range []float64{f.Drop, f.Duplicate, f.Reorder, f.Corrupt} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("the probability of a fault, %v, is not from 0 to 1", p)
		}
	}
	return nil
}

func (h *HostConfig) check(links int) error {
	switch h.Kind {
	case TCPIP, Bare, Sink:
	default:
		return fmt.Errorf("there is no kind %q of hosts: write %q or %q, or nothing for one with TCP/IP", h.Kind, Bare, Sink)
	}
	if h.Port != nil {
		links++
		if err := h.Port.check(); err != nil {
			return err
		}
	}
	mtu := h.mtu()
	switch {
	case links == 0:
		return errors.New("it leads nowhere: make it an end of a link, or give it a port")
	case links > 1:
		return errors.New("it has more than one link or port")
	case mtu < 68 || mtu > 65535:
		return fmt.Errorf("an MTU of %d is not from 68 to 65535", mtu)
	case h.MinRTO != 0 && (h.MinRTO < minRTO || h.MinRTO > maxRTO):
		return fmt.Errorf("a minimum retransmission timeout of %v is not from %v to %v", h.MinRTO, minRTO, maxRTO)
	case h.Kind == Sink && (h.Port != nil || h.Hold != nil || h.Card != nil || h.Capture != ""):
		return errors.New("a sink sends nothing: it has a link, and no port, hold, card or capture")
	case h.Kind != TCPIP && (h.Congestion != "" || h.Policy != ""):
		return errors.New("congestion control and policy are for a host with TCP/IP")
	case h.Capture != "" && h.Port != nil && h.Port.Kind == Pcap:
		return errors.New("its port is a capture file already")
	}
	for _, check := range []func() error{h.checkAddrs, h.checkPacing, h.checkCard} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (h *HostConfig) checkAddrs() error {
	if h.Kind == TCPIP && h.Port != nil && len(h.Addrs) == 0 {
		return errors.New("behind a port it needs an address, for instance 10.99.0.2/24")
	}
	for _, a := range h.Gateways {
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
			return fmt.Errorf("%v is not the address of a gateway", a)
		}
	}
	for _, p := range h.Addrs {
		a := p.Addr()
		switch {
		case !p.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4In6():
			return fmt.Errorf("%v is not the address of a host with the length of its prefix, such as 10.0.0.1/24", p)
		case a.Is6() && h.mtu() < minMTU6:
			return fmt.Errorf("an MTU of %d is too small for IPv6, which needs %d", h.mtu(), minMTU6)
		}
	}
	return nil
}

func (h *HostConfig) checkPacing() error {
	controller, err := cc.New(h.Congestion)
	if err != nil {
		return err
	}
	policy, err := h.policy()
	if err != nil {
		return err
	}
	_, paces := controller.(cc.Pacing)
	if h.Hold == nil && (paces || policy.New(0) != nil) {
		return errors.New("what is paced needs a hold")
	}
	return nil
}

// policy reads who asks for departures.
func (h *HostConfig) policy() (pacer.Policy, error) {
	if h.Policy == "" {
		return pacer.Policy{}, nil
	}
	return pacer.ParsePolicy(h.Policy, func(name string) (io.ReadCloser, error) { return os.Open(name) })
}

func (h *HostConfig) checkCard() error {
	c := h.Card
	switch {
	case c == nil:
		return nil
	case c.Kind != "" && c.Kind != Native && c.Kind != Faithful:
		return fmt.Errorf("there is no card %q: write %q or %q", c.Kind, Native, Faithful)
	case c.Kind != Faithful && (c.Firmware != "" || c.FullPayload):
		return errors.New("firmware and full payload are for the faithful card")
	case h.mtu() > cardMTU:
		return fmt.Errorf("an MTU of %d does not fit the card, whose frames carry %d", h.mtu(), cardMTU)
	}
	if _, err := c.config(); err != nil {
		return err
	}
	profiles := netfpga.Profiles()
	if c.Profile != "" && !slices.ContainsFunc(profiles, func(p netfpga.Profile) bool { return p.Name == c.Profile }) {
		var names []string
		for _, p := range profiles {
			names = append(names, p.Name)
		}
		return fmt.Errorf("there is no profile %q of a card: take one of %s", c.Profile, strings.Join(names, ", "))
	}
	return nil
}

func (p *PortConfig) check() error {
	switch {
	case p.Kind != Tun && p.Kind != Tap && p.Kind != Packet && p.Kind != Pcap:
		return fmt.Errorf("there is no port %q: write %q, %q, %q or %q", p.Kind, Tun, Tap, Packet, Pcap)
	case p.Name == "":
		return fmt.Errorf("its port, %s, needs the name of the interface or the file", p.Kind)
	case p.Kind != Tun && p.Kind != Tap && len(p.Kernel) > 0:
		return errors.New("addresses of the kernel's side are for a tun or a tap")
	}
	return nil
}
