package gaps

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// The link types that are known (https://www.tcpdump.org/linktypes.html).
const (
	linkEthernet = 1
	linkRaw      = 101
	linkRawBSD   = 12
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked   = 113 // LINKTYPE_LINUX_SLL
	linkCooked2  = 276 // LINKTYPE_LINUX_SLL2
)

// outgoing is the packet type in a cooked header of what this machine sent.
const outgoing = 4

// measure reads the flow and the size out of the headers. It reports whether the link
// type is known.
func (r *Reader) measure(p *Packet, rec record) bool {
	header, proto := 0, 0 // length of the link header; where in it the EtherType is
	switch r.Interfaces[rec.iface].LinkType {
	case linkEthernet:
		header, proto = 14, 12
	case linkCooked:
		header, proto = 16, 14
		r.cooked(p, rec, binary.BigEndian.Uint16(r.data[0:]))
	case linkCooked2:
		header, proto = 20, 0
		p.Index = binary.BigEndian.Uint32(r.data[4:])
		r.cooked(p, rec, uint16(r.data[10]))
	case linkRaw, linkRawBSD, linkIPv4, linkIPv6:
	default:
		return false
	}
	wire := link.WireBytes(max(0, rec.length-header) + link.EthernetHeader)
	ip := header
	if header > 0 {
		kind := binary.BigEndian.Uint16(r.data[proto:])
		for tags := 0; tags < 2 && (kind == 0x8100 || kind == 0x88a8); tags++ { // VLAN tags
			kind = binary.BigEndian.Uint16(r.data[ip+2:])
			ip += 4
		}
		if kind != 0x0800 && kind != 0x86dd {
			p.Size.Wire = wire
			return true
		}
	}
	// The packet may be cut short in the file. What is read are its headers; zeros stand
	// for the rest.
	if end := min(rec.length, len(r.data)); ip < end {
		p.Flow, p.Size = pacer.Parse(r.data[ip:end])
	}
	p.Size.Wire = wire
	return true
}

// cooked takes the direction from the packet type of a cooked header, where the file did
// not tell it.
func (r *Reader) cooked(p *Packet, rec record, kind uint16) {
	switch {
	case p.Direction != Unknown || rec.captured < 16:
	case kind == outgoing:
		p.Direction = Sent
	default:
		p.Direction = Received
	}
}
