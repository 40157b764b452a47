package endpoint

import (
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

// MTU implements LinkEndpoint: the largest IP packet in bytes.
func (e *Endpoint) MTU() uint32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mtu
}

// SetMTU implements LinkEndpoint. It cannot make the MTU larger than the device's.
func (e *Endpoint) SetMTU(mtu uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mtu = min(mtu, uint32(e.info.MTU))
}

// MaxHeaderLength implements LinkEndpoint.
func (e *Endpoint) MaxHeaderLength() uint16 { return uint16(e.info.Header()) }

// LinkAddress implements LinkEndpoint.
func (e *Endpoint) LinkAddress() tcpip.LinkAddress {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.address
}

// SetLinkAddress implements LinkEndpoint.
func (e *Endpoint) SetLinkAddress(a tcpip.LinkAddress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.address = a
}

// Capabilities implements LinkEndpoint.
func (e *Endpoint) Capabilities() gstack.LinkEndpointCapabilities {
	if e.info.Address != nil {
		return gstack.CapabilityResolutionRequired
	}
	return 0
}

// Attach implements LinkEndpoint.
func (e *Endpoint) Attach(up gstack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.up = up
}

// IsAttached implements LinkEndpoint.
func (e *Endpoint) IsAttached() bool {
	up, _ := e.upper()
	return up != nil
}

func (e *Endpoint) upper() (gstack.NetworkDispatcher, tcpip.LinkAddress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.up, e.address
}

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
func (e *Endpoint) SetOnCloseAction(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onClose = f
}

// Close implements LinkEndpoint. The stack calls it when it is closed; the device below
// is closed by who made it.
func (e *Endpoint) Close() {
	e.mu.Lock()
	e.detached = true
	onClose := e.onClose
	e.onClose = nil
	e.mu.Unlock()
	if onClose != nil {
		onClose()
	}
}
