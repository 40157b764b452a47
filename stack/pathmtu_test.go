package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// network n has the addresses 10.0.n.0/24 and fd00:n::/64.
func onNetwork(n, host int, is6 bool) []netip.Prefix {
	addrs := []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/24", n, host))}
	if is6 {
		addrs = append(addrs, netip.MustParsePrefix(fmt.Sprintf("fd00:%d::%d/64", n, host)))
	}
	return addrs
}

func addresses(prefixes []netip.Prefix) (addrs []netip.Addr) {
	for _, p := range prefixes {
		addrs = append(addrs, p.Addr())
	}
	return addrs
}

// routed is a world of two hosts and two routers of netstack's, with an MTU of its own
// between the routers: networks 1, 2 and 3.
func routed(t *testing.T, seed uint64, mtu int, is6 bool) (w *World, near, far *Host) {
	t.Helper()
	w = NewWorld(seed)
	var ends [6]link.Device
	for i, m := range []int{1500, mtu, 1500} {
		c := &wire.Config{Rate: 1e8, Delay: time.Millisecond, MTU: m}
		ends[2*i], ends[2*i+1] = wire.New(w.Clock(), c, c)
	}
	host := func(device link.Device, net int) *Host {
		h, err := w.NewHost(Config{Device: device, Addrs: onNetwork(net, 1, is6), Gateways: addresses(onNetwork(net, 8, is6))})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	near, far = host(ends[0], 1), host(ends[5], 3)
	t.Cleanup(func() { w.Close() })
	router(t, near, &honest{Device: ends[1], mtu: uint32(mtu)}, ends[2], 1, 2, is6)
	router(t, far, ends[3], &honest{Device: ends[4], mtu: uint32(mtu)}, 2, 3, is6)
	return w, near, far
}

// router makes a router between two networks, on the clock of a host.
func router(t *testing.T, beside *Host, one, two link.Device, left, right int, is6 bool) {
	s := gstack.New(gstack.Options{
		NetworkProtocols: []gstack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		Clock:            &worldClock{beside}, RandSource: rand.NewSource(1),
	})
	t.Cleanup(s.Destroy)
	var routes []tcpip.Route
	route := func(p netip.Prefix, to tcpip.NICID, gate netip.Addr) {
		r := tcpip.Route{Destination: tcpip.AddressWithPrefix{Address: address(p.Masked().Addr()), PrefixLen: p.Bits()}.Subnet(), NIC: to}
		if gate.IsValid() {
			r.Gateway = address(gate)
		}
		routes = append(routes, r)
	}
	for i, device := range []link.Device{one, two} {
		id, net := tcpip.NICID(i+1), []int{left, right}[i]
		if err := s.CreateNIC(id, endpoint.New(device, beside.clk, endpoint.Config{})); err != nil {
			t.Fatal(err)
		}
		self := 8
		if i == 0 && net == 2 { // the second router on the network between them
			self = 9
		}
		for _, a := range onNetwork(net, self, is6) {
			addr := tcpip.ProtocolAddress{Protocol: protocolOf(a.Addr()),
				AddressWithPrefix: tcpip.AddressWithPrefix{Address: address(a.Addr()), PrefixLen: a.Bits()}}
			if err := s.AddProtocolAddress(id, addr, gstack.AddressProperties{}); err != nil {
				t.Fatal(err)
			}
			route(a, id, netip.Addr{})
		}
	}
	beyond, to, self := 3, tcpip.NICID(2), 9
	if left == 2 {
		beyond, to, self = 1, 1, 8
	}
	for i, p := range onNetwork(beyond, 0, is6) {
		route(p, to, onNetwork(2, self, is6)[i].Addr())
	}
	s.SetRouteTable(routes)
	for _, p := range []tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber} {
		if err := s.SetForwardingDefaultAndAllNICs(p, true); err != nil {
			t.Fatal(err)
		}
	}
}

// honest says the MTU in "packet too big", where netstack's router leaves 0.
type honest struct {
	link.Device
	mtu uint32
}

func (h *honest) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		if b := f.Bytes(); len(b) > 48 && b[0]>>4 == 6 && b[6] == 58 && b[40] == 2 {
			binary.BigEndian.PutUint32(b[44:], h.mtu)
			sum := uint64(^binary.BigEndian.Uint16(b[42:])) + uint64(h.mtu)
			binary.BigEndian.PutUint16(b[42:], ^link.Fold(sum))
		}
	}
	return h.Device.Transmit(frames)
}

// TestPathMTUDiscovery has a path that carries less than the links at its ends: TCP goes on
// with smaller segments, and UDP's writer is told.
func TestPathMTUDiscovery(t *testing.T) {
	needsLayout(t)
	for _, test := range []struct {
		remote  string
		mtu     int
		headers int
	}{
		{"10.0.3.1:80", 1280, 28}, {"10.0.3.1:80", 1492, 28}, {"10.0.3.1:80", 576, 28},
		{"[fd00:3::1]:80", 1300, 48}, {"[fd00:3::1]:80", 1280, 48},
	} {
		w, near, far := routed(t, 1, test.mtu, test.headers == 48)
		got := sink(t, w, far)
		err := w.Run(func() {
			c, err := near.Dial("tcp", test.remote)
			if err != nil {
				t.Error(err)
				return
			}
			start := near.Now()
			c.Write(make([]byte, 1<<20))
			for *got < 1<<20 && near.Now().Sub(start) < 10*time.Second {
				w.Sleep(10 * time.Millisecond)
			}
			if *got != 1<<20 || near.Now().Sub(start) > 2*time.Second {
				t.Errorf("%v: %d bytes arrived within %v", test, *got, near.Now().Sub(start))
			}
			if mss, want := c.(*TCPConn).Feedback().MSS, int64(test.mtu-test.headers-24); mss != want { // TCP's is longer than UDP's
				t.Errorf("%v: the MSS is %d, want %d", test, mss, want)
			}
			c.Close()
			u, err := near.Dial("udp", test.remote)
			if err != nil {
				t.Error(err)
				return
			}
			before := *got
			if _, err := u.Write(make([]byte, 1500-test.headers)); err != nil {
				t.Errorf("%v: the first datagram: %v", test, err)
			}
			w.Sleep(10 * time.Millisecond)
			if _, err := u.Write(make([]byte, test.mtu-test.headers+1)); !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("%v: the next one: %v", test, err)
			}
			u.Write(make([]byte, test.mtu-test.headers))
			w.Sleep(10 * time.Millisecond)
			if n := *got - before; n != int64(test.mtu-test.headers) {
				t.Errorf("%v: %d bytes of UDP arrived", test, n)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestPathMTUOfFragments has the first datagram sent in fragments that do not fit the path.
// What a router quotes of them is an address and no port, and the writer is told as well.
func TestPathMTUOfFragments(t *testing.T) {
	for _, connected := range []bool{true, false} {
		w, near, far := routed(t, 1, 1280, true)
		got := sink(t, w, far)
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[fd00:3::1]:80"))
		err := w.Run(func() {
			c, err := near.ListenPacket("udp", ":0")
			write := func(n int) error { _, err := c.WriteTo(make([]byte, n), to); return err }
			if connected {
				var u net.Conn
				u, err = near.Dial("udp", to.String())
				write = func(n int) error { _, err := u.Write(make([]byte, n)); return err }
			}
			if err != nil {
				t.Error(err)
				return
			}
			if err := write(6000); err != nil {
				t.Errorf("connected %v: the first datagram: %v", connected, err)
			}
			w.Sleep(10 * time.Millisecond)
			if err := write(6000); !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("connected %v: the next one: %v", connected, err)
			}
			write(1232)
			w.Sleep(10 * time.Millisecond)
			if *got != 1232 {
				t.Errorf("connected %v: %d bytes arrived", connected, *got)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestPathsAreBounded forgets paths for new ones alone: not for what it knows already.
func TestPathsAreBounded(t *testing.T) {
	p := pathMTUs{clk: clock.NewVirtual(), own: 1500}
	to := func(i int) pacer.Flow {
		return pacer.Flow{Dst: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).As16()}
	}
	fits := func(i int) bool { return p.fits(netip.AddrFrom16(to(i).Dst), 1400-28) }
	for i := range mostPaths {
		p.tooBig(to(i), 1400)
		if i%50 == 0 { // somebody writes, now and then
			fits(0)
		}
	}
	p.tooBig(to(7), 1300)
	if fits(7) || !fits(8) || len(p.paths) != mostPaths {
		t.Errorf("after a smaller MTU of a known path %d are known of %d", len(p.paths), mostPaths)
	}
	p.tooBig(to(mostPaths), 1300)
	if fits(mostPaths) || len(p.paths) > mostPaths {
		t.Errorf("%d paths are known, and the newest: %v", len(p.paths), !fits(mostPaths))
	}
	// # nobody writes, and more is told than is kept: the last is
	for i := range 2 * mostMail {
		p.tooBig(to(i), 1200-i)
	}
	if p.fits(netip.AddrFrom16(to(2*mostMail-1).Dst), 1200-2*mostMail+1-27) {
		t.Error("what was told last is not known")
	}
}
