package stack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer/clock"
)

// twoStations returns the ends of an Ethernet, and their addresses.
func twoStations(clk clock.Clock) (a, b *wire.End, macs [2]net.HardwareAddr) {
	macs = [2]net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	a, b = wire.New(clk, &wire.Config{Name: "a", Address: macs[0]}, &wire.Config{Name: "b", Address: macs[1]})
	return a, b, macs
}

func prefixes(addrs ...string) (all []netip.Prefix) {
	for _, a := range addrs {
		all = append(all, netip.MustParsePrefix(a))
	}
	return all
}

// TestProbe has a host look for its addresses on the link, in real time, before they are its
// own, and be refused those that another station has.
func TestProbe(t *testing.T) {
	for _, c := range []struct {
		has, wants []string
		duplicate  string
	}{
		{[]string{"10.0.0.1/24", "fd00::1/64"}, []string{"10.0.0.2/24", "fd00::2/64"}, ""},
		{[]string{"10.0.0.1/24"}, []string{"10.0.0.1/24", "fd00::2/64"}, "10.0.0.1"},
		{[]string{"fd00::1/64"}, []string{"10.0.0.1/24", "fd00::1/64"}, "fd00::1"},
	} {
		t.Run(fmt.Sprint(c.has, c.wants), func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			clk := clock.NewReal()
			a, b, macs := twoStations(clk)
			first, err := New(clk, Config{Device: a, Addrs: prefixes(c.has...)})
			if err != nil {
				t.Fatal(err)
			}
			claims := 0
			second, err := New(clk, Config{Device: b, Addrs: prefixes(c.wants...), Probe: true,
				Claimed: func(netip.Addr, net.HardwareAddr) { claims++ }})
			var d *DuplicateError
			switch {
			case c.duplicate == "" && err != nil:
				t.Error(err)
			case c.duplicate == "":
				second.Close()
			case !errors.As(err, &d) || d.Addr.String() != c.duplicate:
				t.Errorf("error %v, want that %s is there", err, c.duplicate)
			case d.Holder != nil && !slices.Equal(d.Holder, macs[0]):
				t.Errorf("it is said to be at %v", d.Holder)
			}
			clk.Do(func() {
				if claims != 0 {
					t.Errorf("of an address that it does not have it heard %d claims", claims)
				}
				b.Close()
			})
			first.Close()
			clk.Close()
			goleak.VerifyNone(t, ignore)
		})
	}
}

// TestClaimed has another station use our address, in virtual time, and hears of it, not more
// often than every ten seconds.
func TestClaimed(t *testing.T) {
	for _, c := range []struct{ addr, other string }{{"10.0.0.1/24", "10.0.0.9"}, {"fd00::1/64", ""}} {
		w := NewWorld(1)
		a, b, macs := twoStations(w.Clock())
		type claim struct {
			at   clock.Time
			addr string
			by   string
		}
		var claims []claim
		tell := func(x netip.Addr, by net.HardwareAddr) {
			claims = append(claims, claim{w.Clock().Now(), x.String(), by.String()})
		}
		ours, err := w.NewHost(Config{Device: a, Addrs: prefixes(c.addr), Claimed: tell})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := w.NewHost(Config{Device: b, Addrs: prefixes(c.addr)})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Run(func() {
			if c.other != "" { // its ARP request has our address as the sender's
				for range 4 {
					theirs.Dial("tcp", c.other+":1") // nobody is there
				}
				return
			}
			w.Clock().AfterFunc(0, func() { advertise(t, theirs, a.Info().Address) })
			w.Sleep(time.Second)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(claims) == 0 {
			t.Fatalf("%s: nobody hears of the other station", c.addr)
		}
		for i, x := range claims {
			if x.addr != netip.MustParsePrefix(c.addr).Addr().String() || x.by != macs[1].String() {
				t.Errorf("%s: %+v", c.addr, x)
			}
			if i > 0 && x.at.Sub(claims[i-1].at) < defendInterval {
				t.Errorf("%s: told at %v and again at %v", c.addr, claims[i-1].at, x.at)
			}
		}
		_ = ours
		w.Close()
	}
}

// advertise has a host say that it has its IPv6 address (RFC 4861, 7.2.6).
func advertise(t *testing.T, h *Host, to net.HardwareAddr) {
	t.Helper()
	own := tcpip.AddrFromSlice(h.addrs[0].Addr().AsSlice())
	b := make([]byte, header.IPv6MinimumSize+header.ICMPv6NeighborAdvertMinimumSize)
	ip := header.IPv6(b)
	ip.Encode(&header.IPv6Fields{PayloadLength: header.ICMPv6NeighborAdvertMinimumSize, TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit: header.NDPHopLimit, SrcAddr: own, DstAddr: header.IPv6AllNodesMulticastAddress})
	icmp := header.ICMPv6(b[header.IPv6MinimumSize:])
	icmp.SetType(header.ICMPv6NeighborAdvert)
	header.NDPNeighborAdvert(icmp.MessageBody()).SetTargetAddress(own)
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: own, Dst: header.IPv6AllNodesMulticastAddress}))
	if err := h.stack.WritePacketToRemote(nic, tcpip.LinkAddress(to), header.IPv6ProtocolNumber, buffer.MakeWithData(b)); err != nil {
		t.Error(err)
	}
}
