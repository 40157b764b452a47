package nl

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Lengths of bodies, in bytes, and bounds of what is in them.
const (
	fieldsLen      = 44 // of struct pkt_descr, and all of it on i386
	descriptionLen = 48 // with the padding behind it that other machines have
	timespecLen    = 16 // struct timespec
	timespec32Len  = 8  // the same on i386
	delayLen       = 8

	maxPayload = 65507 // of a UDP packet (RFC 768)

	mostPayload = 1472 // in a frame of 1514 bytes
	cutPayload  = 2000 // up to which the original cuts it to that

	maxPorts   = 16 // Ethernet ports of a card that a message can name
	portShift  = 12 // where the port is in Header.Flags
	maxSeconds = math.MaxInt64/int64(time.Second) - 1
)

// AppendPacket writes a PKT message behind b. The departure of d, if it is absolute, is a
// date in ns since 1970, or since what the last SIM_START says. It returns b unchanged and
// an error if the message has no place for such a packet.
func AppendPacket(b []byte, h Header, d *netfpga.Description) ([]byte, error) {
	src, dst := d.Src.Addr().Unmap(), d.Dst.Addr().Unmap()
	switch {
	case !src.Is4() || !dst.Is4():
		return b, fmt.Errorf("nl: from %v to %v: packets over netlink are IPv4", d.Src, d.Dst)
	case d.Departure < 0:
		return b, fmt.Errorf("nl: a departure of %d ns: it cannot be negative", int64(d.Departure))
	case d.Payload < 0 || d.Payload > maxPayload || len(d.Data) > d.Payload:
		return b, fmt.Errorf("nl: a payload of %d bytes that begins with %d bytes of data: use from 0 to %d bytes, and no more data than that",
			d.Payload, len(d.Data), maxPayload)
	case d.Port < 0 || d.Port >= maxPorts:
		return b, fmt.Errorf("nl: Ethernet port %d: a message can name the ports 0 to %d", d.Port, maxPorts-1)
	}
	absolute := uint32(0)
	if d.Absolute {
		absolute = 1
	}
	h.Type = Packet
	h.Flags |= uint16(d.Port) << portShift
	b, start := begin(b, h)
	b = native.AppendUint32(b, ipNumber(src))
	b = native.AppendUint32(b, ipNumber(dst))
	b = native.AppendUint16(b, d.Src.Port())
	b = native.AppendUint16(b, d.Dst.Port())
	b = append(b, d.SrcMAC[:]...)
	b = append(b, d.DstMAC[:]...)
	b = native.AppendUint64(b, uint64(d.Departure))
	b = native.AppendUint32(b, absolute)
	b = native.AppendUint32(b, uint32(d.Payload))
	b = native.AppendUint32(b, uint32(len(d.Data)))
	b = native.AppendUint32(b, 0)
	b = append(b, d.Data...)
	return end(b, start), nil
}

// ParsePacket reads the body of a PKT message into d, whose Data is the body's own memory
// then. It returns an *Error, and leaves d as it is, if the body contradicts itself.
func ParsePacket(h Header, body []byte, d *netfpga.Description) error {
	return parsePacket(h, body, d, false)
}

// parsePacket does, and cuts what is too long if it is to do as the original.
func parsePacket(h Header, body []byte, d *netfpga.Description, original bool) error {
	if len(body) < fieldsLen {
		return invalid("a packet description of %d bytes, less than %d", len(body), fieldsLen)
	}
	departure := native.Uint64(body[24:])
	payload := int32(native.Uint32(body[36:]))
	custom := int32(native.Uint32(body[40:]))
	// Behind the fields are the custom bytes and less than alignment of padding: whatever is
	// more than that is padding in front of them.
	data := body[fieldsLen:]
	if n := len(data) - (descriptionLen - fieldsLen); n >= 0 && int(custom) <= n {
		data = body[descriptionLen:]
	}
	switch {
	case departure > math.MaxInt64:
		return invalid("a departure of %d ns is beyond the end of time", departure)
	case payload < 0 || payload > maxPayload:
		return invalid("a payload of %d bytes", payload)
	case custom < 0 || custom > payload && !original:
		return invalid("a payload of %d bytes that begins with %d bytes", payload, custom)
	case int(custom) > len(data):
		return invalid("%d custom bytes in a message that has %d", custom, len(data))
	}
	if original {
		if payload > mostPayload && payload <= cutPayload {
			payload = mostPayload
		}
		custom = min(custom, payload)
	}
	d.Src = netip.AddrPortFrom(ipAddr(native.Uint32(body)), native.Uint16(body[8:]))
	d.Dst = netip.AddrPortFrom(ipAddr(native.Uint32(body[4:])), native.Uint16(body[10:]))
	copy(d.SrcMAC[:], body[12:])
	copy(d.DstMAC[:], body[18:])
	d.Port = int(h.Flags >> portShift)
	if original {
		d.Port = 0
	}
	d.Departure = clock.Time(departure)
	d.Absolute = native.Uint32(body[32:]) != 0
	d.Payload = int(payload)
	d.Data = data[:custom]
	return nil
}

// ipNumber returns an IPv4 address as the host's number.
func ipNumber(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func ipAddr(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// AppendSimStart writes a SIM_START message behind b.
func AppendSimStart(b []byte, h Header, start time.Time) []byte {
	h.Type = SimStart
	b, at := begin(b, h)
	b = native.AppendUint64(b, uint64(start.Unix()))
	b = native.AppendUint64(b, uint64(start.Nanosecond()))
	return end(b, at)
}

// ParseSimStart reads the body of a SIM_START message. It returns an *Error if that is not
// a date from 1970 on whose nanoseconds 63 bits can count.
func ParseSimStart(body []byte) (time.Time, error) {
	var s, ns int64
	switch n := len(body); {
	case n >= timespecLen:
		s, ns = int64(native.Uint64(body)), int64(native.Uint64(body[8:]))
	case n >= timespec32Len && n < timespec32Len+alignment:
		s, ns = int64(int32(native.Uint32(body))), int64(int32(native.Uint32(body[4:])))
	default:
		return time.Time{}, invalid("a timespec of %d bytes, and not of %d or %d", n, timespec32Len, timespecLen)
	}
	if s < 0 || s > maxSeconds || ns < 0 || ns >= int64(time.Second) {
		return time.Time{}, invalid("a date of %d s and %d ns", s, ns)
	}
	return time.Unix(s, ns), nil
}

// AppendDelays writes a DELAYS message behind b. The delays must not be negative.
func AppendDelays(b []byte, h Header, delays []time.Duration) []byte {
	h.Type = Delays
	b, start := begin(b, h)
	for _, d := range delays {
		b = native.AppendUint64(b, uint64(d))
	}
	return end(b, start)
}

// ParseDelays reads the body of a DELAYS message. It returns an *Error if that is not a
// list of times of up to 63 bits.
func ParseDelays(body []byte) ([]time.Duration, error) {
	if len(body)%delayLen != 0 {
		return nil, invalid("a list of delays of %d bytes, which are no 64-bit numbers", len(body))
	}
	delays := make([]time.Duration, 0, len(body)/delayLen)
	for ; len(body) > 0; body = body[delayLen:] {
		d := native.Uint64(body)
		if d > math.MaxInt64 {
			return nil, invalid("a delay of %d ns is beyond the end of time", d)
		}
		delays = append(delays, time.Duration(d))
	}
	return delays, nil
}
