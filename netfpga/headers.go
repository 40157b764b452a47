package netfpga

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/netcaliper/caliper/link"
)

// Lengths of headers, in bytes.
const (
	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
)

// datagram is where the parts of an injected packet lie. Its frame is the link header, if
// the interface has one, the IP and UDP headers, and the payload.
type datagram struct {
	link    int // of the link header
	header  int // of the IP header
	ip      int // of the IP packet
	wire    int // of the frame on the wire, without FCS
	carried int // of the frame up to the end of Data: what goes over the bus
}

// layOut says how a described packet is laid out, or what is wrong with it.
func layOut(d *Description, info *link.Info) (datagram, error) {
	u := datagram{link: info.Header(), header: ipv4Header}
	src, dst := d.Src.Addr(), d.Dst.Addr()
	if !src.IsValid() || !dst.IsValid() {
		return u, errors.New("netfpga: a packet needs a source and a destination address")
	}
	if v4 := src.Unmap().Is4(); v4 != dst.Unmap().Is4() {
		return u, fmt.Errorf("netfpga: %v cannot send to %v: one is IPv4 and the other IPv6", src, dst)
	} else if !v4 {
		u.header = ipv6Header
	}
	if d.Payload < 0 || len(d.Data) > d.Payload {
		return u, fmt.Errorf("netfpga: a payload of %d bytes cannot begin with %d bytes of data", d.Payload, len(d.Data))
	}
	if most := info.MTU - u.header - udpHeader; d.Payload > most {
		return u, fmt.Errorf("netfpga: a payload of %d bytes does not fit the MTU of %d: at most %d do", d.Payload, info.MTU, most)
	}
	u.ip = u.header + udpHeader + d.Payload
	u.wire = link.EthernetHeader + u.ip
	u.carried = u.link + u.header + udpHeader + len(d.Data)
	return u, nil
}

// len returns the length of the frame.
func (u *datagram) len() int { return u.link + u.ip }

// put writes the headers and Data into b, which has the length of the frame. What is
// behind Data is left as it is, and counts as zeros. The address is the interface's.
func (u *datagram) put(b []byte, d *Description, address []byte) {
	if u.link > 0 {
		copy(b, d.DstMAC[:])
		copy(b[6:], d.SrcMAC[:])
		if d.SrcMAC == [6]byte{} {
			copy(b[6:], address)
		}
		etherType := uint16(0x0800)
		if u.header == ipv6Header {
			etherType = 0x86dd
		}
		binary.BigEndian.PutUint16(b[12:], etherType)
		b = b[u.link:]
	}
	src, dst := d.Src.Addr().Unmap(), d.Dst.Addr().Unmap()
	if u.header == ipv4Header {
		putIPv4(b, u.ip, src, dst)
	} else {
		putIPv6(b, u.ip-ipv6Header, src, dst)
	}
	udp := b[u.header:]
	length := udpHeader + d.Payload
	binary.BigEndian.PutUint16(udp, d.Src.Port())
	binary.BigEndian.PutUint16(udp[2:], d.Dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	binary.BigEndian.PutUint16(udp[6:], 0)
	copy(udp[udpHeader:], d.Data)

	// The pseudo header (RFC 768, RFC 8200 section 8.1) has the addresses, which are the
	// last of the IP header, the protocol and the length.
	addresses := 8
	if u.header == ipv6Header {
		addresses = 32
	}
	s := link.Sum(uint64(protoUDP+length), b[u.header-addresses:u.header])
	s = link.Sum(s, udp[:udpHeader+len(d.Data)])
	check := ^link.Fold(s)
	if check == 0 { // which would say that there is none
		check = 0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], check)
}

// original turns what put wrote into what the original's driver made of the same.
func (u *datagram) original(b []byte, d *Description, id uint16) {
	if u.link > 0 {
		copy(b[6:], d.SrcMAC[:])
		b = b[u.link:]
	}
	if u.header != ipv4Header { // which the original did not know
		return
	}
	h := b[:ipv4Header]
	binary.BigEndian.PutUint16(h[4:], id)
	binary.BigEndian.PutUint16(h[6:], 0)
	binary.BigEndian.PutUint16(h[10:], 0)
	binary.BigEndian.PutUint16(h[10:], ^link.Fold(link.Sum(0, h)))
	binary.BigEndian.PutUint16(b[u.header+6:], 0)
}

const (
	protoUDP = 17
	hopLimit = 64
)

// putIPv4 writes a header without options (RFC 791). Packets are not fragmented, so that
// the identification means nothing and is zero (RFC 6864).
func putIPv4(b []byte, total int, src, dst netip.Addr) {
	h := b[:ipv4Header]
	const versionAndLength, dontFragment = 0x45, 0x4000
	binary.BigEndian.PutUint16(h, versionAndLength<<8)
	binary.BigEndian.PutUint16(h[2:], uint16(total))
	binary.BigEndian.PutUint32(h[4:], dontFragment)
	h[8], h[9] = hopLimit, protoUDP
	binary.BigEndian.PutUint16(h[10:], 0)
	from, to := src.As4(), dst.As4()
	copy(h[12:], from[:])
	copy(h[16:], to[:])
	binary.BigEndian.PutUint16(h[10:], ^link.Fold(link.Sum(0, h)))
}

// putIPv6 writes a header (RFC 8200 section 3) in front of a payload of so many bytes.
func putIPv6(b []byte, payload int, src, dst netip.Addr) {
	h := b[:ipv6Header]
	const version = 6 << 28
	binary.BigEndian.PutUint32(h, version)
	binary.BigEndian.PutUint16(h[4:], uint16(payload))
	h[6], h[7] = protoUDP, hopLimit
	from, to := src.As16(), dst.As16()
	copy(h[8:], from[:])
	copy(h[24:], to[:])
}
