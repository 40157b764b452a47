package testbed

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
)

// TestCheck says what is wrong with a Config.
func TestCheck(t *testing.T) {
	prefix := netip.MustParsePrefix
	for want, change := range map[string]func(c *Config){
		"there is no host":            func(c *Config) { c.Hosts = nil },
		"the most are 65534":          func(c *Config) { c.Hosts = make([]HostConfig, MaxHosts+1) },
		`host 2 is called ""`:         func(c *Config) { c.Hosts[1].Name = "" },
		`host 2 is called "a b"`:      func(c *Config) { c.Hosts[1].Name = "a b" },
		"up to 64 characters":         func(c *Config) { c.Hosts[1].Name = strings.Repeat("x", 65) },
		`two hosts are called "near"`: func(c *Config) { c.Hosts[1].Name = "near" },

		`link 1, near to away: there is no host "away"`: func(c *Config) { c.Links[0].Ends[1] = "away" },
		"both ends are the same host":                   func(c *Config) { c.Links[0].Ends[1] = "near" },
		`host "near": it has more than one link`:        func(c *Config) { c.Links = append(c.Links, c.Links[0]) },
		`host "far": it has more than one link or port`: func(c *Config) { c.Hosts[1].Port = &PortConfig{Kind: Pcap, Name: "x"} },
		"it leads nowhere":                              func(c *Config) { c.Links = nil },

		"a rate is not from 0 to 1T":       func(c *Config) { c.Links[0].Line = 2e12 },
		"near to far: a rate is not":       func(c *Config) { c.Links[0].Back = &Direction{Rate: -1} },
		"a delay is not from 0 to 1m":      func(c *Config) { c.Links[0].Delay = 2 * time.Minute },
		"a queue of -1":                    func(c *Config) { c.Links[0].Queue = -1 },
		"the step at 0s is not after":      func(c *Config) { c.Links[0].Steps = []RateStep{{0, 1}} },
		"the step at 1s is not after":      func(c *Config) { c.Links[0].Steps = []RateStep{{time.Second, 1}, {time.Second, 2}} },
		"is not within 24h":                func(c *Config) { c.Links[0].Steps = []RateStep{{25 * time.Hour, 1}} },
		"the rate of the step at 1s":       func(c *Config) { c.Links[0].Steps = []RateStep{{time.Second, -1}} },
		"there are 1001 steps":             func(c *Config) { c.Links[0].Steps = make([]RateStep, MaxSteps+1) },
		"the probability of a fault, 1.5,": func(c *Config) { c.Links[0].Faults = link.Faults{Corrupt: 1.5} },

		`there is no kind "router" of hosts`:             func(c *Config) { c.Hosts[0].Kind = "router" },
		"a sink sends nothing":                           func(c *Config) { c.Hosts[0].Kind = Sink },
		"are for a host with TCP/IP":                     func(c *Config) { c.Hosts[0].Kind, c.Hosts[0].Policy = Bare, "window" },
		"an MTU of 67 is not from 68":                    func(c *Config) { c.Hosts[0].MTU = 67 },
		"does not fit the card":                          func(c *Config) { c.Hosts[0].MTU = 9000 },
		"a minimum retransmission timeout":               func(c *Config) { c.Hosts[0].MinRTO = time.Microsecond },
		"is not the address of a host":                   func(c *Config) { c.Hosts[0].Addrs = []netip.Prefix{prefix("224.0.0.1/24")} },
		"is not the address of a gateway":                func(c *Config) { c.Hosts[0].Gateways = make([]netip.Addr, 1) },
		"too small for IPv6":                             func(c *Config) { c.Hosts[1].MTU, c.Hosts[1].Addrs = 1000, []netip.Prefix{prefix("fd00::9/64")} },
		`10.0.0.1 is the address of host "near" already`: func(c *Config) { c.Hosts[1].Addrs = []netip.Prefix{prefix("10.0.0.1/24")} },
		"have no network in common":                      func(c *Config) { c.Hosts[1].Addrs = []netip.Prefix{prefix("10.0.1.2/24")} },

		"no congestion controller is called":     func(c *Config) { c.Hosts[0].Congestion = "vegas" },
		"what is paced needs a hold":             func(c *Config) { c.Hosts[1].Congestion = "bbr" },
		`host "far": what is paced needs a hold`: func(c *Config) { c.Hosts[1].Policy = "rate:1M" },
		"policy \"rates\"":                       func(c *Config) { c.Hosts[0].Policy = "rates" },
		"no such file":                           func(c *Config) { c.Hosts[0].Policy = "gaps:/none/such" },

		`there is no card "none"`:            func(c *Config) { c.Hosts[0].Card.Kind = "none" },
		"are for the faithful card":          func(c *Config) { c.Hosts[0].Card.FullPayload = true },
		"no built-in program":                func(c *Config) { c.Hosts[0].Card = &CardConfig{Kind: Faithful, Firmware: "none such"} },
		`there is no profile "1t" of a card`: func(c *Config) { c.Hosts[0].Card.Profile = "1t" },

		`there is no port "wire"`:   func(c *Config) { toPort(c, PortConfig{Kind: "wire", Name: "x"}) },
		"its port, tun, needs":      func(c *Config) { toPort(c, PortConfig{Kind: Tun}) },
		"for instance 10.99.0.2/24": func(c *Config) { toPort(c, PortConfig{Kind: Tun, Name: "cal0"}) },
		"are for a tun": func(c *Config) {
			toPort(c, PortConfig{Kind: Packet, Name: "x", Kernel: []netip.Prefix{prefix("10.0.0.1/24")}})
		},
		"a capture file already": func(c *Config) {
			toPort(c, PortConfig{Kind: Pcap, Name: "x"})
			c.Hosts[0].Capture = "y"
		},
	} {
		c := pair()
		change(&c)
		err := c.Check()
		if err == nil || !strings.HasPrefix(err.Error(), "testbed: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		if _, made := New(c, nil); made == nil {
			t.Errorf("%q: it was made all the same", want)
		}
	}
	c := pair()
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// toPort has near alone, behind a port.
func toPort(c *Config, p PortConfig) {
	c.Hosts, c.Links = c.Hosts[:1], nil
	c.Hosts[0].Port = &p
}
