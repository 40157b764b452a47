package stack

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// DuplicateError says that another station on the link has an address of the host's.
type DuplicateError struct {
	Addr   netip.Addr
	Holder net.HardwareAddr // nil where it does not say
}

func (e *DuplicateError) Error() string {
	who := "another station"
	if e.Holder != nil {
		who += ", " + e.Holder.String() + ","
	}
	return fmt.Sprintf("%s has the address %v already", who, e.Addr)
}

// Probes for an address. RFC 5227 has as many, 1 to 2 s apart, for stations that wake up
// together behind a switch that takes its time; a command is not to wait for seconds.
const (
	probes     = 3
	probeEvery = 100 * time.Millisecond
)

// defendInterval is how often one address's conflicts are told (RFC 5227, DEFEND_INTERVAL).
const defendInterval = 10 * time.Second

// probe asks whether another station has one of the addresses, before they are the host's:
// by ARP (RFC 5227, 2.1), and by neighbor solicitations for IPv6 (RFC 4862, 5.4).
func (h *Host) probe(addrs []netip.Prefix) error {
	set := func(c gstack.DADConfigurations) error {
		for _, proto := range []tcpip.NetworkProtocolNumber{arp.ProtocolNumber, ipv6.ProtocolNumber} {
			ep, err := h.stack.GetNetworkEndpoint(nic, proto)
			if err != nil {
				return fmt.Errorf("probe for addresses: %v", err)
			}
			d, ok := ep.(gstack.DuplicateAddressDetector)
			if !ok {
				return fmt.Errorf("probe for addresses: %T cannot", ep)
			}
			d.SetDADConfigurations(c)
		}
		return nil
	}
	if err := set(gstack.DADConfigurations{DupAddrDetectTransmits: probes, RetransmitTimer: probeEvery}); err != nil {
		return err
	}
	type answer struct {
		a netip.Addr
		r gstack.DADResult
	}
	answers := make(chan answer, len(addrs))
	waiting := 0
	for _, p := range addrs {
		a := p.Addr()
		handler := func(r gstack.DADResult) { answers <- answer{a, r} }
		switch started, err := h.stack.CheckDuplicateAddress(nic, protocolOf(a), address(a), handler); {
		case err != nil:
			return fmt.Errorf("probe for %v: %v", a, err)
		case started == gstack.DADStarting, started == gstack.DADAlreadyRunning:
			waiting++
		}
	}
	var found error
	for range waiting {
		n := <-answers // it comes when the last probe has had its time
		switch r := n.r.(type) {
		case *gstack.DADDupAddrDetected:
			found = &DuplicateError{Addr: n.a, Holder: net.HardwareAddr(r.HolderLinkAddress)}
		case *gstack.DADError:
			if found == nil {
				found = fmt.Errorf("probe for %v: %v", n.a, r.Err)
			}
		}
	}
	if found != nil {
		return found
	}
	// What is added from now on is not probed again.
	return set(gstack.DADConfigurations{RetransmitTimer: probeEvery})
}

// announce tells the link of the host's IPv4 addresses (RFC 5227, 2.3), so that a station
// that has one of them, or has another's in its cache, hears of it.
func (h *Host) announce() {
	self := h.ep.LinkAddress()
	for _, p := range h.addrs {
		if !p.Addr().Is4() {
			continue
		}
		a := header.ARP(make([]byte, header.ARPSize))
		a.SetIPv4OverEthernet()
		a.SetOp(header.ARPRequest)
		copy(a.HardwareAddressSender(), self)
		copy(a.ProtocolAddressSender(), p.Addr().AsSlice())
		copy(a.ProtocolAddressTarget(), p.Addr().AsSlice())
		// It is as good as any other frame, and may be lost like one.
		_ = h.stack.WritePacketToRemote(nic, header.EthernetBroadcastAddress, arp.ProtocolNumber, buffer.MakeWithData(a))
	}
}

// claimed hears that a station says that it has an address.
func (h *Host) claimed(a netip.Addr, by net.HardwareAddr, tell func(netip.Addr, net.HardwareAddr)) {
	if h.conflicts == nil || !h.owns(a) || slices.Equal(by, h.below.Info().Address) {
		return
	}
	now := h.clk.Now()
	if last, ok := h.conflicts[a]; ok && now.Sub(last) < defendInterval {
		return
	}
	h.conflicts[a] = now
	tell(a, slices.Clone(by))
}
