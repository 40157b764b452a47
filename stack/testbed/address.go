package testbed

import (
	"net"
	"net/netip"
)

// minMTU6 is the MTU that IPv6 needs (RFC 8200), in bytes.
const minMTU6 = 1280

// mtu returns the largest IP packet of a host.
func (h *HostConfig) mtu() int {
	if h.MTU == 0 {
		return 1500
	}
	return h.MTU
}

// Addrs returns the addresses of a host of the Config: those that it says, or those that it
// is given. There are none where no host has that name, or it has no TCP/IP.
func (c *Config) Addrs(host string) []netip.Prefix {
	for i := range c.Hosts {
		if c.Hosts[i].Name == host {
			return c.addrs(i)
		}
	}
	return nil
}

func (c *Config) addrs(i int) []netip.Prefix {
	h := &c.Hosts[i]
	switch {
	case h.Kind == Sink:
		return nil
	case len(h.Addrs) > 0:
		return h.Addrs
	}
	n, bits := i+1, 24
	if len(c.Hosts) > 254 {
		bits = 16
	}
	addrs := []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), bits)}
	if h.mtu() >= minMTU6 {
		a := [16]byte{0: 0xfd, 14: byte(n >> 8), 15: byte(n)}
		addrs = append(addrs, netip.PrefixFrom(netip.AddrFrom16(a), 64))
	}
	return addrs
}

// MAC returns the Ethernet address of the i'th host of a Config at the end of a link.
func MAC(i int) net.HardwareAddr {
	n := i + 1
	return net.HardwareAddr{0x02, 0, 0, 0, byte(n >> 8), byte(n)}
}
