package endpoint

import (
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// claim returns which address the station that sent an Ethernet frame says that it has: the
// sender of an ARP packet (RFC 5227, 2.4), or the target of a neighbor advertisement (RFC
// 4861, 7.2.5).
func claim(b []byte) (a netip.Addr, by net.HardwareAddr, ok bool) {
	eth, rest := header.Ethernet(b), b[header.EthernetMinimumSize:]
	switch eth.Type() {
	case header.ARPProtocolNumber:
		arp := header.ARP(rest)
		if len(rest) < header.ARPSize || !arp.IsValid() {
			return a, nil, false
		}
		a, _ = netip.AddrFromSlice(arp.ProtocolAddressSender())
		by = arp.HardwareAddressSender()
	case header.IPv6ProtocolNumber:
		ip := header.IPv6(rest)
		if len(rest) < header.IPv6MinimumSize+header.ICMPv6NeighborAdvertMinimumSize ||
			ip.NextHeader() != uint8(header.ICMPv6ProtocolNumber) || ip.HopLimit() != header.NDPHopLimit {
			return a, nil, false
		}
		icmp := header.ICMPv6(rest[header.IPv6MinimumSize:])
		if icmp.Type() != header.ICMPv6NeighborAdvert {
			return a, nil, false
		}
		target := header.NDPNeighborAdvert(icmp.MessageBody()).TargetAddress()
		a, _ = netip.AddrFromSlice(target.AsSlice())
		by = net.HardwareAddr(eth.SourceAddress())
	}
	return a, by, a.IsValid() && !a.IsUnspecified()
}
