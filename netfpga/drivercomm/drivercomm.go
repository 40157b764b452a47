// Package drivercomm is the language that the driver and the card speak over the PCI
// bus: the messages, the bounds of the memory that they lie in, and the tick that they
// count time in (tech doc sections 3 and 5; the original's drivercomm.h).
//
// A Message has what the native generator needs, and for a program, which reads them, its
// bytes. All fields are big-endian, as the card is.
//
// The port is our extension. In the original is_absolute is an s16 that is 0 or 1, and
// there is one port, so that its upper byte is always 0: an original message is one for
// port 0, and a message for port 0 is an original one, byte for byte.
//
//	driver to card, at most MaxDMA bytes
//	  int32 type         33 reset (ResetLen bytes in all), 42 packets
//	  then for each packet, at the next 8-byte boundary
//	  u16 len            bytes carried, which follow the header
//	  u16 wire_len       bytes on the wire without FCS, 60 to 1514 beside VLAN tags
//	  u32 clock_hi, u32 clock_lo
//	                     departure, in ticks
//	  u8  port           Ethernet port that the packet leaves by, 0 to 3
//	  u8  is_absolute    0: relative to the last transmission
//	  u16 next_pkt       from this header to the next one, in bytes; 0 in the last
//
//	card to driver, ReplyLen bytes
//	  int32 type         88 reset done, 100 quota
//	  int32 pkt_quota    how many messages may be sent: after a reset, or more than before
//	  u32 time_hi, u32 time_lo
//	                     the card's time, in ticks
//	  int32 filler[8]
package drivercomm

import "encoding/binary"

// Type is the first field of a message.
type Type int32

// The messages.
const (
	Reset     Type = 33  // driver to card: forget everything, and answer
	Packets   Type = 42  // driver to card: packets to be sent
	ResetDone Type = 88  // card to driver: the answer
	Quota     Type = 100 // card to driver: room for more messages
)

// The card's memory and what lies in it; lengths in bytes.
const (
	Slots     = 10               // of the card's input memory, and of its output memory
	Slot      = 1600             // one of them
	IOQHeader = 8                // what the hardware puts before a packet in a slot
	MaxDMA    = Slot - IOQHeader // the longest message

	ResetLen  = 60
	ReplyLen  = 48
	HeaderLen = 16 // packet_hdr

	MinWire = 60   // the shortest frame on the wire, without FCS
	MaxWire = 1522 // the longest: 1514, and two VLAN tags
)

// StartQuota is what the generator's answer to a reset grants, and QuotaStep how many input
// slots it frees before it says so (tech doc section 3.4).
const (
	StartQuota = 8
	QuotaStep  = 4
)

// PutReset writes a reset message, ResetLen bytes, into p and returns it.
func PutReset(p []byte) []byte {
	p = p[:ResetLen]
	clear(p)
	binary.BigEndian.PutUint32(p, uint32(Reset))
	return p
}

// Reply is a message from the card to the driver.
type Reply struct {
	Type  Type
	Quota int32  // messages
	Time  uint64 // ticks
}

// Put writes r, ReplyLen bytes, into p and returns it.
func (r Reply) Put(p []byte) []byte {
	p = p[:ReplyLen]
	binary.BigEndian.PutUint32(p, uint32(r.Type))
	binary.BigEndian.PutUint32(p[4:], uint32(r.Quota))
	binary.BigEndian.PutUint64(p[8:], r.Time)
	clear(p[16:])
	return p
}

// ParseReply reads a message from the card. It reports false if the message is too short.
func ParseReply(p []byte) (Reply, bool) {
	if len(p) < ReplyLen {
		return Reply{}, false
	}
	return Reply{
		Type:  Type(binary.BigEndian.Uint32(p)),
		Quota: int32(binary.BigEndian.Uint32(p[4:])),
		Time:  binary.BigEndian.Uint64(p[8:]),
	}, true
}
