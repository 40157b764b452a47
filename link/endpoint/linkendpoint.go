package endpoint

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
)

// What netstack asks of a LinkEndpoint besides sending and receiving.

var (
	_ gstack.LinkEndpoint = (*Endpoint)(nil)
	_ link.Handler        = (*Endpoint)(nil)
	_ link.Origin         = (*Endpoint)(nil)
)

// settings is what netstack has said to the endpoint, from any goroutine. There is no lock, as
// the clock's goroutine reads it for each frame.
type settings struct {
	mtu     atomic.Uint32
	address atomic.Pointer[tcpip.LinkAddress]
	up      atomic.Pointer[gstack.NetworkDispatcher]
	onClose atomic.Pointer[func()]
}

// upper returns to whom packets are given; nil for nobody.
func (s *settings) upper() gstack.NetworkDispatcher {
	if up := s.up.Load(); up != nil {
		return *up
	}
	return nil
}

// MTU implements LinkEndpoint: the largest IP packet in bytes.
func (e *Endpoint) MTU() uint32 { return e.settings.mtu.Load() }

// SetMTU implements LinkEndpoint. It cannot make the MTU larger than the device's.
func (e *Endpoint) SetMTU(mtu uint32) { e.settings.mtu.Store(min(mtu, uint32(e.info.MTU))) }

// MaxHeaderLength implements LinkEndpoint.
func (e *Endpoint) MaxHeaderLength() uint16 { return uint16(e.info.Header()) }

// LinkAddress implements LinkEndpoint.
func (e *Endpoint) LinkAddress() tcpip.LinkAddress { return *e.settings.address.Load() }

// SetLinkAddress implements LinkEndpoint.
func (e *Endpoint) SetLinkAddress(a tcpip.LinkAddress) { e.settings.address.Store(&a) }

// Capabilities implements LinkEndpoint.
func (e *Endpoint) Capabilities() gstack.LinkEndpointCapabilities {
	if e.info.Address != nil {
		return gstack.CapabilityResolutionRequired
	}
	return 0
}

// Attach implements LinkEndpoint.
func (e *Endpoint) Attach(up gstack.NetworkDispatcher) {
	if up == nil {
		e.settings.up.Store(nil)
		return
	}
	e.settings.up.Store(&up)
}

// IsAttached implements LinkEndpoint.
func (e *Endpoint) IsAttached() bool { return e.settings.upper() != nil }

// Wait implements LinkEndpoint: the endpoint has no goroutines.
func (*Endpoint) Wait() {}

// ARPHardwareType implements LinkEndpoint.
func (e *Endpoint) ARPHardwareType() header.ARPHardwareType {
	if e.info.Address != nil {
		return header.ARPHardwareEther
	}
	return header.ARPHardwareNone
}

// AddHeader implements LinkEndpoint.
func (e *Endpoint) AddHeader(pkt *gstack.PacketBuffer) {
	if e.info.Address == nil {
		return
	}
	header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		SrcAddr: pkt.EgressRoute.LocalLinkAddress,
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// ParseHeader implements LinkEndpoint.
func (e *Endpoint) ParseHeader(pkt *gstack.PacketBuffer) bool {
	if e.info.Address == nil {
		return true
	}
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

// SetOnCloseAction implements LinkEndpoint.
func (e *Endpoint) SetOnCloseAction(f func()) { e.settings.onClose.Store(&f) }

// Close implements LinkEndpoint. The stack calls it when it is closed. It does not close the
// device below.
func (e *Endpoint) Close() {
	e.door.close()
	if f := e.settings.onClose.Swap(nil); f != nil && *f != nil {
		(*f)()
	}
}
