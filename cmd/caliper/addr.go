package main

import (
	"net/netip"
	"slices"

	"github.com/netcaliper/caliper/stack/testbed"
)

// The addresses that the hosts of a wire are given, of IPv4 and of IPv6.
var nearAddrs, farAddrs = wireAddrs("near"), wireAddrs("far")

func wireAddrs(host string) (both [2]netip.Addr) {
	hosts := testbed.Config{Hosts: []testbed.HostConfig{{Name: "near"}, {Name: "far"}}}
	for i, p := range hosts.Addrs(host) {
		both[i] = p.Addr()
	}
	return both
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
