package endpoint

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Receive implements link.Handler.
func (e *Endpoint) Receive(frames []*link.Frame) {
	up, address := e.settings.upper(), e.LinkAddress()
	for _, f := range frames {
		if up == nil {
			e.received.Drop(f, link.Closed)
			continue
		}
		e.deliver(up, address, f)
	}
}

// deliver checks one frame and gives a copy of its bytes to the stack, whose memory is its
// own.
func (e *Endpoint) deliver(up gstack.NetworkDispatcher, address tcpip.LinkAddress, f *link.Frame) {
	if !e.info.Fits(f.Bytes()) {
		e.received.Drop(f, link.TooLong)
		return
	}
	if f.Len() <= e.info.Header() {
		e.received.Drop(f, link.Malformed)
		return
	}
	proto, kind := e.classify(f.Bytes(), address)
	if proto == 0 {
		e.received.Drop(f, link.Malformed)
		return
	}
	if kind == tcpip.PacketOtherHost {
		e.received.Drop(f, link.OtherHost)
		return
	}
	// Parsed once, by the bytes that are there: what the frame says of itself may be another
	// host's view.
	var key pacer.Flow
	var size pacer.Size
	var upper []byte
	if proto == header.IPv4ProtocolNumber || proto == header.IPv6ProtocolNumber {
		ip := f.Bytes()[e.info.Header():]
		key, size, upper = pacer.ParseUpper(ip, len(ip))
		if !e.believable(header.IPVersion(ip), key.Proto, upper) {
			e.received.Drop(f, link.Forged)
			return
		}
	}
	if e.config.Claimed != nil && e.info.Address != nil {
		if a, by, ok := claim(f.Bytes()); ok {
			e.config.Claimed(a, by)
		}
	}
	e.received.Frames++
	e.received.Bytes += uint64(f.Len())
	e.enter() // before the Loop hears of it, as it is to know what came of the frame before
	if e.flows.heard > 0 && kind == tcpip.PacketHost && key.Proto == pacer.ProtoTCP {
		e.listen(key, size, upper)
	}
	if f.Arrived.IsSet() && e.config.Arrived != nil {
		e.config.Arrived(f.Arrived)
		defer e.config.Arrived(clock.Optional{})
	}
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(f.Bytes())})
	f.Free()
	pkt.PktType = kind
	if e.info.Address != nil {
		pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	}
	if kind != tcpip.PacketHost || e.config.Direct == nil || !e.config.Direct(proto, pkt) {
		up.DeliverNetworkPacket(proto, pkt)
	}
	pkt.DecRef()
}

// classify tells what a frame carries, 0 for nothing that could be delivered, and to
// whom it is addressed.
func (e *Endpoint) classify(b []byte, address tcpip.LinkAddress) (tcpip.NetworkProtocolNumber, tcpip.PacketType) {
	if e.info.Address == nil {
		switch header.IPVersion(b) {
		case header.IPv4Version:
			return header.IPv4ProtocolNumber, tcpip.PacketHost
		case header.IPv6Version:
			return header.IPv6ProtocolNumber, tcpip.PacketHost
		}
		return 0, tcpip.PacketHost
	}
	eth := header.Ethernet(b)
	switch dst := eth.DestinationAddress(); {
	case dst == address:
		return eth.Type(), tcpip.PacketHost
	case dst == header.EthernetBroadcastAddress:
		return eth.Type(), tcpip.PacketBroadcast
	case header.IsMulticastEthernetAddress(dst):
		return eth.Type(), tcpip.PacketMulticast
	}
	return eth.Type(), tcpip.PacketOtherHost
}
