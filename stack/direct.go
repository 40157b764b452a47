package stack

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	headers "gvisor.dev/gvisor/pkg/tcpip/header/parse"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// On their way up netstack looks up for each segment whether its addresses are the host's,
// broadcast or martian, and which connection it is of. For a segment of a connection that
// has had one before, all of that is known.

// known are the connections that segments have come for. Closed ones are forgotten in time.
type known struct {
	connections map[gstack.TransportEndpointID]*tcp.Endpoint
	last        gstack.TransportEndpointID // looked up
	lastIs      *tcp.Endpoint
	sweepAt     int
}

// learn notes that netstack has found the connection of id.
func (k *known) learn(id gstack.TransportEndpointID, e *tcp.Endpoint) {
	if k.connections == nil {
		k.connections, k.sweepAt = make(map[gstack.TransportEndpointID]*tcp.Endpoint), 256
	}
	if len(k.connections) >= k.sweepAt {
		for id, e := range k.connections {
			if !open(e.EndpointState()) {
				delete(k.connections, id)
			}
		}
		k.sweepAt = max(256, 2*len(k.connections))
	}
	k.connections[id] = e
	k.last, k.lastIs = id, e
}

// find returns the open connection of id, nil if it is not known. What is open is registered
// with netstack, and nothing else by that id.
func (k *known) find(id gstack.TransportEndpointID) *tcp.Endpoint {
	if k.lastIs == nil || k.last != id {
		e := k.connections[id]
		if e == nil {
			return nil
		}
		k.last, k.lastIs = id, e
	}
	if !open(k.lastIs.EndpointState()) {
		k.lastIs = nil
		delete(k.connections, id)
		return nil
	}
	return k.lastIs
}

// direct gives the segment of a known connection to it, and counts as netstack does. What is
// not a plain and valid TCP segment in IPv4 it leaves to netstack, and reports false.
func (h *Host) direct(proto tcpip.NetworkProtocolNumber, pkt *gstack.PacketBuffer) bool {
	const least = header.IPv4MinimumSize + header.TCPMinimumSize
	if proto != header.IPv4ProtocolNumber || !h.inline.delivering {
		return false
	}
	b, ok := pkt.Data().PullUp(least)
	if !ok || b[0] != 4<<4|header.IPv4MinimumSize/4 || b[9] != uint8(header.TCPProtocolNumber) {
		return false
	}
	ip, segment := header.IPv4(b), header.TCP(b[header.IPv4MinimumSize:])
	const fragment = 0x3fff // more fragments, or an offset
	if binary.BigEndian.Uint16(b[6:])&fragment != 0 {
		return false
	}
	e := h.inline.known.find(gstack.TransportEndpointID{
		LocalPort: segment.DestinationPort(), LocalAddress: ip.DestinationAddress(),
		RemotePort: segment.SourcePort(), RemoteAddress: ip.SourceAddress(),
	})
	size := pkt.Data().Size()
	if e == nil || !ip.IsValid(size) || !ip.IsChecksumValid() {
		return false
	}
	offset, length := int(segment.DataOffset()), int(ip.PayloadLength())
	if offset < header.TCPMinimumSize || offset > length {
		return false
	}
	if !headers.IPv4(pkt) || !headers.TCP(pkt) {
		return true // never, after these checks
	}
	pkt.TransportProtocolNumber = header.TCPProtocolNumber
	pkt.NICID, pkt.InputNICID = nic, nic
	stats := h.stack.Stats()
	stats.NICs.Rx.Packets.Increment()
	stats.NICs.Rx.Bytes.IncrementBy(uint64(size))
	stats.IP.PacketsReceived.Increment()
	stats.IP.ValidPacketsReceived.Increment()
	stats.IP.PacketsDelivered.Increment()
	h.inline.QueuePacket(e, h.inline.known.last, pkt)
	return true
}
