package main

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// refused checks that an error is one of bad input.
func refused(t *testing.T, err error) {
	t.Helper()
	var p *problem
	if !errors.As(err, &p) || p.code != exitBadInput {
		t.Errorf("the error is %v", err)
	}
}

// FuzzAddr reads --addr and --peer, words of one text: what is taken are hosts' addresses, one
// of a kind, and the kernel's side has others in the same networks.
func FuzzAddr(f *testing.F) {
	f.Add("10.99.0.2/24", "10.99.0.1")
	f.Add("10.99.0.2/24 fd99::2/64", "fd99::9 10.99.0.7")
	f.Add("10.0.0.0/31 ::ffff:10.0.0.2/120", "")
	f.Add("255.255.255.255/32 fe80::1%eth0/64 0.0.0.0/0 ::/0", "::")
	f.Add("1.2.3.4/0 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "255.255.255.255")
	f.Fuzz(func(t *testing.T, addrs, peers string) {
		own, err := parseAddrs(strings.Fields(addrs))
		if err != nil {
			refused(t, err)
			return
		}
		if len(own) > 2 || len(own) == 2 && own[0].Addr().Is4() == own[1].Addr().Is4() {
			t.Fatalf("%q: %v", addrs, own)
		}
		for _, p := range own {
			if a := p.Addr(); !p.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
				t.Errorf("%q: %v is no host's address", addrs, p)
			}
			if again, err := netip.ParsePrefix(p.String()); err != nil || again != p {
				t.Errorf("%q: %v is read again as %v, %v", addrs, p, again, err)
			}
		}
		wanted, err := parsePeers(strings.Fields(peers), own)
		if err != nil {
			refused(t, err)
			return
		}
		kernel, err := kernelSide(own, wanted)
		if err != nil {
			refused(t, err)
			return
		}
		if len(kernel) != len(own) {
			t.Fatalf("%v beside %v", kernel, own)
		}
		for i, p := range kernel {
			if p.Masked() != own[i].Masked() || p.Addr() == own[i].Addr() || !p.Addr().IsValid() {
				t.Errorf("the kernel's side of %v is %v", own[i], p)
			}
		}
	})
}

// FuzzMAC reads --mac, which is six bytes however it is written.
func FuzzMAC(f *testing.F) {
	for _, s := range []string{"02:00:00:00:00:02", "02-00-5E-10-00-00", "0200.5e10.0000", "02:00:00:00:00:02:03:04", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mac, err := parseMAC(s)
		if err != nil {
			refused(t, err)
			return
		}
		if again, err := parseMAC(net.HardwareAddr(mac[:]).String()); err != nil || again != mac {
			t.Errorf("%q is %x, read again %x, %v", s, mac, again, err)
		}
	})
}
