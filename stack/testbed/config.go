package testbed

import (
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link"
)

// A Config is all that a testbed is made of. It holds values only, and encoding/json writes
// and reads it; times are in ns there.
type Config struct {
	// Seed decides all that is drawn at random in virtual time.
	Seed uint64 `json:"seed,omitempty"`
	// Real has the testbed in real time, also where nothing leads out of the process.
	Real bool `json:"real,omitempty"`
	// Hash has the fingerprint of all frames taken in real time, too, where it costs time
	// between departures.
	Hash bool `json:"hash,omitempty"`

	Hosts []HostConfig `json:"hosts"`
	Links []LinkConfig `json:"links,omitempty"`
}

// The kinds of hosts.
const (
	// TCPIP is a host with a TCP/IP stack.
	TCPIP = ""
	// Bare is a chain of devices without TCP/IP above it, for a program that has frames of
	// its own and attaches to Host.Top.
	Bare = "bare"
	// Sink is the end of a link at which all that arrives is thrown away.
	Sink = "sink"
)

// A HostConfig is one host and its chain of devices.
type HostConfig struct {
	// Name is what links, reports and the interfaces of captures call the host. No two
	// have the same.
	Name string `json:"name"`
	// Kind is TCPIP, Bare or Sink.
	Kind string `json:"kind,omitempty"`

	// Addrs are the host's addresses, each with the length of its prefix. Hosts that say
	// none are given 10.0.0.1/24 and fd00::1/64 in the order of the Config, with the last
	// digits counted up; of more than 254 hosts the prefix of IPv4 is 16 bits long.
	Addrs []netip.Prefix `json:"addrs,omitempty"`
	// Gateways are where packets go that are for none of the prefixes.
	Gateways []netip.Addr `json:"gateways,omitempty"`
	// MTU is the largest IP packet in bytes; 0 means 1500.
	MTU int `json:"mtu,omitempty"`

	// Congestion names the congestion control of connections (see cc.New); "" means CUBIC.
	Congestion string `json:"congestion,omitempty"`
	// Policy says who asks for the departures of connections, as pacer.ParsePolicy reads
	// it; "" means nobody, or what Congestion needs.
	Policy string `json:"policy,omitempty"`
	// MinRTO is TCP's minimum retransmission timeout; 0 means what suits the path: see
	// Config.MinRTO.
	MinRTO time.Duration `json:"min_rto,omitempty"`

	// Hold has the host's flows paced; nil means that its frames leave as they come.
	Hold *HoldConfig `json:"hold,omitempty"`
	// Card has the host's frames sent by an emulated card; nil means none.
	Card *CardConfig `json:"card,omitempty"`
	// Capture is the pcapng file that all frames of the host are written to, "" for none.
	// Hosts with the same file share it. Where both ends of a link do, each frame is there
	// once, at its departure.
	Capture string `json:"capture,omitempty"`
	// Port is what the host sends into where it is the end of no link.
	Port *PortConfig `json:"port,omitempty"`
}

// A HoldConfig is how the flows of a host are paced.
type HoldConfig struct {
	// Reserve gives flows that ask for the same instant one place after the other, instead
	// of having them meet at the port; see hold.Config.
	Reserve bool `json:"reserve,omitempty"`
}

// The kinds of cards.
const (
	// Native is the card as a Go program of this process.
	Native = "native"
	// Faithful is the card with the NetThreads machine and its firmware.
	Faithful = "faithful"
)

// A CardConfig is the emulated card of a host.
type CardConfig struct {
	// Kind is Native or Faithful; "" means Native.
	Kind string `json:"kind,omitempty"`
	// Profile is the hardware (see netfpga.Profiles); "" means the NetFPGA with 1 Gbit/s.
	Profile string `json:"profile,omitempty"`
	// Firmware is the program of a faithful card, as programs.Open finds it; "" means the
	// one that is built in.
	Firmware string `json:"firmware,omitempty"`
	// FullPayload has all of a frame cross a faithful card's bus, and not 200 bytes.
	FullPayload bool `json:"full_payload,omitempty"`
}

// The kinds of ports.
const (
	// Tun is a new interface to this machine's kernel, in real time.
	Tun = "tun"
	// Tap is that as an Ethernet, to the kernel or to a bridge of it.
	Tap = "tap"
	// Packet is an Ethernet interface that is there, in real time.
	Packet = "packet"
	// Pcap is a pcapng file that takes every frame at once.
	Pcap = "pcap"
)

// A PortConfig is what leads out of the testbed.
type PortConfig struct {
	// Kind is Tun, Tap, Packet or Pcap.
	Kind string `json:"kind"`
	// Name is that of the interface or of the file.
	Name string `json:"name"`
	// Kernel are the addresses of the kernel's side of a Tun or a Tap.
	Kernel []netip.Prefix `json:"kernel,omitempty"`
}

// real tells whether the port leads to a real interface.
func (p *PortConfig) real() bool { return p != nil && p.Kind != Pcap }

// A LinkConfig is a wire between two hosts.
type LinkConfig struct {
	// Ends are the names of the two hosts.
	Ends [2]string `json:"ends"`
	// Direction is what the first one sends into, and the second, too, unless Back says
	// otherwise.
	Direction
	Back *Direction `json:"back,omitempty"`
}

// back is what the second end sends into.
func (l *LinkConfig) back() *Direction {
	if l.Back != nil {
		return l.Back
	}
	return &l.Direction
}

// A Direction is one direction of a link; see wire.Config.
type Direction struct {
	// Rate is the line speed in bit/s; 0 means that frames take no time.
	Rate int64 `json:"rate,omitempty"`
	// Line is the speed in bit/s of the port that sends into the queue of the line; 0
	// means that there is none but the line itself.
	Line int64 `json:"line,omitempty"`
	// Delay is the propagation delay.
	Delay time.Duration `json:"delay,omitempty"`
	// Queue is how many frames may wait for the line; 0 means 1000.
	Queue int `json:"queue,omitempty"`
	// Steps change the rate as time goes on, the earliest first.
	Steps []RateStep `json:"steps,omitempty"`
	// Faults are what goes wrong with frames behind the line; the seed is the Config's.
	Faults link.Faults `json:"faults,omitzero"`
	// Late is how much later a reordered frame goes; 0 means 1 ms.
	Late time.Duration `json:"late,omitempty"`
}

// A RateStep is the rate that a direction has from a time on.
type RateStep struct {
	At   time.Duration `json:"at"`   // since the start of the testbed
	Rate int64         `json:"rate"` // bit/s
}

// MaxSteps is how many steps a direction may take.
const MaxSteps = 1000

// InRealTime tells whether the testbed is in real time.
func (c *Config) InRealTime() bool {
	for i := range c.Hosts {
		if c.Hosts[i].Port.real() {
			return true
		}
	}
	return c.Real
}

// linkOf returns the link that a host is an end of, and which; nil if it is of none.
func (c *Config) linkOf(host string) (l *LinkConfig, end int) {
	for i := range c.Links {
		for end, name := range c.Links[i].Ends {
			if name == host {
				return &c.Links[i], end
			}
		}
	}
	return nil, 0
}

// realRTO is Linux's minimum retransmission timeout, and what suits any real peer: it may
// keep an acknowledgement back for 40 ms (Linux) or 500 ms (RFC 9293, 3.8.6.3), on a busy
// machine it is late by more, and each timeout before that is a spurious one.
const realRTO = 200 * time.Millisecond

// MinRTO returns TCP's minimum retransmission timeout of a host: what it says, or else 200 ms
// in real time, as Linux. There is no tail loss probe, and that would be most of a short test:
// in virtual time, where no peer delays acknowledgements and no machine is busy, it is four
// round trips of the host's link, from 10 to 200 ms.
func (c *Config) MinRTO(host string) time.Duration {
	for i := range c.Hosts {
		if h := &c.Hosts[i]; h.Name == host && h.MinRTO > 0 {
			return h.MinRTO
		}
	}
	l, _ := c.linkOf(host)
	if l == nil || c.InRealTime() {
		return realRTO
	}
	rtt := l.Delay + l.back().Delay
	return min(max(10*time.Millisecond, 4*rtt), realRTO)
}
