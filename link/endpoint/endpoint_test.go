package endpoint_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

var (
	src = netip.MustParseAddrPort("10.0.0.1:1000")
	dst = netip.MustParseAddrPort("10.0.0.2:2000")
	mac = net.HardwareAddr{2, 0, 0, 0, 0, 1}
)

// packet is what a stack would write: a UDP packet with the IP header parsed.
func packet(payload int) *gstack.PacketBuffer {
	b := linktest.UDP(src, dst, make([]byte, payload))
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{
		ReserveHeaderBytes: header.EthernetMinimumSize + header.IPv4MinimumSize,
		Payload:            buffer.MakeWithData(b[20:]),
	})
	copy(pkt.NetworkHeader().Push(20), b[:20])
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	return pkt
}

func write(e *endpoint.Endpoint, pkts ...*gstack.PacketBuffer) {
	var list gstack.PacketBufferList
	for _, p := range pkts {
		list.PushBack(p)
	}
	e.WritePackets(list)
}

func TestFramesCarryTheBytes(t *testing.T) {
	for _, address := range []net.HardwareAddr{nil, mac} {
		clk := clock.NewVirtual()
		sink := linktest.NewSink(clk, link.Info{MTU: 1500, Address: address})
		e := endpoint.New(sink, clk, endpoint.Config{})
		p := packet(1000)
		e.AddHeader(p)
		write(e, p)
		if len(sink.Records) != 0 {
			t.Fatal("a frame left on the writer's goroutine")
		}
		clk.Step()
		if len(sink.Records) != 1 {
			t.Fatalf("%d frames left", len(sink.Records))
		}
		got := sink.Records[0].Bytes
		if want := linktest.UDP(src, dst, make([]byte, 1000)); !bytes.Equal(got[len(got)-len(want):], want) {
			t.Errorf("got % x", got)
		}
		p.DecRef()
	}
}

func TestPacketIsHeldUntilDeparture(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500})
	h := hold.New(sink, clk, nil)
	e := endpoint.New(h, clk, endpoint.Config{})
	// # 1028 bytes of IP at 8.224 Mbit/s: one packet each 1 ms
	p, err := pacer.NewRate(8_224_000, pacer.IP)
	if err != nil {
		t.Fatal(err)
	}
	h.Do(pacer.Pace(pacer.FlowOf(pacer.ProtoUDP, src, dst), p))
	released := 0
	for range 3 {
		pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{
			Payload:   buffer.MakeWithData(linktest.UDP(src, dst, make([]byte, 1000))),
			OnRelease: func() { released++ },
		})
		write(e, pkt)
		pkt.DecRef()
	}
	for i, at := range []clock.Time{0, 1e6, 2e6} {
		clk.RunUntil(at)
		if released != i+1 {
			t.Errorf("at %v %d packets were released, want %d", at, released, i+1)
		}
		if got := sink.Records[i].At; got != at {
			t.Errorf("packet %d left at %v, want %v", i, got, at)
		}
	}
}

func TestFlowLimit(t *testing.T) {
	clk := clock.NewVirtual()
	h := hold.New(linktest.NewSink(clk, link.Info{MTU: 1500}), clk, &hold.Config{FlowBytes: 5000})
	e := endpoint.New(h, clk, endpoint.Config{})
	p, _ := pacer.NewRate(1000, pacer.Wire)
	h.Do(pacer.Pace(pacer.FlowOf(pacer.ProtoUDP, src, dst), p))
	for range 10 {
		pkt := packet(972)
		write(e, pkt)
		pkt.DecRef()
	}
	clk.Step()
	// # ten times 1000 bytes at one instant: five fit, of which the first leaves at once
	if got := h.Counters().Sent.Drops[link.FlowFull]; got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
	h.Close()
	e.Drain()
	if got := h.Counters().Sent.Drops[link.Closed]; got != 4 {
		t.Errorf("%d dropped by closing, want 4", got)
	}
}

func TestFramesForOthersAreNotDelivered(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500, Address: mac})
	e := endpoint.New(sink, clk, endpoint.Config{})
	s := newStack(t, e)
	defer s.Destroy()
	frame := append([]byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 2, 8, 0}, linktest.UDP(dst, src, nil)...)
	sink.Arrive(frame)
	if got := e.Counters().Received.Drops[link.OtherHost]; got != 1 {
		t.Errorf("%d frames for others", got)
	}
	copy(frame, mac)
	sink.Arrive(frame)
	if got := s.Stats().UDP.UnknownPortErrors.Value(); got != 1 {
		t.Errorf("%d datagrams arrived", got)
	}
}

func newStack(t testing.TB, e *endpoint.Endpoint) *gstack.Stack {
	s := gstack.New(gstack.Options{
		NetworkProtocols:   []gstack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []gstack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	if err := s.CreateNIC(1, e); err != nil {
		t.Fatal(err)
	}
	addr := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(src.Addr().As4()).WithPrefix()}
	if err := s.AddProtocolAddress(1, addr, gstack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	return s
}

// FuzzReceive gives frames of any content to the endpoint of a whole stack, with and
// without Ethernet.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte{0x45}, uint8(0))
	f.Add(linktest.UDP(dst, src, []byte("hello")), uint8(0))
	f.Add(append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, linktest.UDP(dst, src, []byte("hello"))...), uint8(1))
	f.Add(append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 6}, make([]byte, 28)...), uint8(1))
	f.Add(make([]byte, 3000), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		if len(b) > link.MaxFrame-link.HeadRoom {
			return
		}
		clk := clock.NewVirtual()
		info := link.Info{MTU: 1500}
		if kind&1 != 0 {
			info.Address = mac
		}
		sink := linktest.NewSink(clk, info)
		e := endpoint.New(sink, clk, endpoint.Config{})
		s := newStack(t, e)
		sink.Arrive(b)
		clk.RunUntil(1e9)
		s.Destroy()
		counted := e.Counters().Received.Frames + e.Counters().Received.Drops.Total()
		if counted != 1 {
			t.Errorf("%d frames counted, want 1", counted)
		}
	})
}

// What is longer than the MTU by a byte neither leaves nor arrives.
func TestMTUIsKept(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500})
	e := endpoint.New(sink, clk, endpoint.Config{})
	e.Attach(nobody{})
	for _, over := range []int{0, 1} {
		pkt := packet(1472 + over)
		write(e, pkt)
		e.Flush()
		if n := pkt.ReadRefs(); n != 1 || len(sink.Records) != 1 || e.Counters().Sent.Drops[link.TooLong] != uint64(over) {
			t.Errorf("%d over: %d references, %d left, %v", over, n, len(sink.Records), e.Counters().Sent.Drops)
		}
		pkt.DecRef()
		sink.Arrive(linktest.UDP(dst, src, make([]byte, 1472+over)))
		if e.Counters().Received.Frames != 1 || e.Counters().Received.Drops[link.TooLong] != uint64(over) {
			t.Errorf("%d over: %d arrived, %v", over, e.Counters().Received.Frames, e.Counters().Received.Drops)
		}
	}
}
