package tuntap

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestCheck(t *testing.T) {
	four, six := netip.MustParsePrefix("10.99.0.1/24"), netip.MustParsePrefix("fd99::1/64")
	for want, c := range map[string]Config{
		"more than 15":     {Name: "sixteen-letters-"},
		"cannot be a name": {Name: ".."},
		"use letters":      {Name: "a/b"},
		"digits":           {Name: "a b"},
		"this cannot":      {Name: "cal%d"},
		"from 68 to 65535": {MTU: 67},
		"65536 is not":     {MTU: 65536},
		"-1 is not":        {MTU: -1},
		"needs 1280":       {MTU: 1279, KernelAddrs: []netip.Prefix{four, six}},
		"10.99.0.1/24":     {KernelAddrs: []netip.Prefix{{}}},
		"one host":         {KernelAddrs: []netip.Prefix{netip.MustParsePrefix("224.0.0.1/4")}},
		"no Ethernet":      {Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}},
		"one station":      {Tap: true, Address: net.HardwareAddr{1, 0, 0, 0, 0, 1}},
		"0.0.0.0/0 is not": {KernelAddrs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
	} {
		d, err := Open(clock.NewVirtual(), &c)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%+v): %v, want %q", c, err, want)
		}
	}
}
