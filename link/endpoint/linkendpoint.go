package endpoint

import (
	"sync"

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

// settings is what netstack has said to the endpoint, from any goroutine.
type settings struct {
	mu      sync.Mutex
	mtu     uint32
	address tcpip.LinkAddress
	up      gstack.NetworkDispatcher
	onClose func()
}

// upper returns to whom packets are given, and what address they have to have.
func (s *settings) upper() (gstack.NetworkDispatcher, tcpip.LinkAddress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up, s.address
}

// MTU implements LinkEndpoint: the largest IP packet in bytes.
func (e *Endpoint) MTU() uint32 {
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	return e.settings.mtu
}

// SetMTU implements LinkEndpoint. It cannot make the MTU larger than the device's.
func (e *Endpoint) SetMTU(mtu uint32) {
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	e.settings.mtu = min(mtu, uint32(e.info.MTU))
}

// MaxHeaderLength implements LinkEndpoint.
func (e *Endpoint) MaxHeaderLength() uint16 { return uint16(e.info.Header()) }

// LinkAddress implements LinkEndpoint.
func (e *Endpoint) LinkAddress() tcpip.LinkAddress {
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	return e.settings.address
}

// SetLinkAddress implements LinkEndpoint.
func (e *Endpoint) SetLinkAddress(a tcpip.LinkAddress) {
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	e.settings.address = a
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
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	e.settings.up = up
}

// IsAttached implements LinkEndpoint.
func (e *Endpoint) IsAttached() bool {
	up, _ := e.settings.upper()
	return up != nil
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
	e.settings.mu.Lock()
	defer e.settings.mu.Unlock()
	e.settings.onClose = f
}

// Close implements LinkEndpoint. The stack calls it when it is closed; the device below
// is closed by who made it.
func (e *Endpoint) Close() {
	e.door.close()
	e.settings.mu.Lock()
	onClose := e.settings.onClose
	e.settings.onClose = nil
	e.settings.mu.Unlock()
	if onClose != nil {
		onClose()
	}
}
