package link

import "encoding/binary"

// The blocks of a capture file and their options, from the pcapng specification
// (draft-ietf-opsawg-pcapng). All is little-endian, and everything is padded to four bytes.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 6 // the enhanced one

	byteOrderMagic = 0x1A2B3C4D

	optionEnd         = 0
	optionApplication = 4 // of a section
	optionName        = 2 // of an interface
	optionSpeed       = 8 // of an interface, in bit/s
	optionResolution  = 9 // of an interface's time stamps: 10 to the minus so many seconds
	optionFlags       = 2 // of a packet

	linktypeEthernet = 1   // LINKTYPE_ETHERNET
	linktypeRaw      = 101 // LINKTYPE_RAW: IPv4 or IPv6, as its first byte says

	flagInbound  = 1 // bits 0 and 1 of a packet's flags
	flagOutbound = 2
)

func appendSection(b []byte) []byte {
	b, begin := beginBlock(b, blockSection)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = binary.LittleEndian.AppendUint16(b, 1) // version 1.0
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint64(b, 1<<64-1) // length unknown
	b = appendOption(b, optionApplication, "caliper")
	return endBlock(b, begin)
}

func appendInterface(b []byte, info Info) []byte {
	linkType := uint16(linktypeRaw)
	if info.Address != nil {
		linkType = linktypeEthernet
	}
	b, begin := beginBlock(b, blockInterface)
	b = binary.LittleEndian.AppendUint16(b, linkType)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 0) // frames are kept whole
	b = appendOption(b, optionName, info.Name[:min(len(info.Name), 255)])
	if info.Speed > 0 {
		b = appendOption(b, optionSpeed, string(binary.LittleEndian.AppendUint64(nil, uint64(info.Speed))))
	}
	b = appendOption(b, optionResolution, "\x09")
	return endBlock(b, begin)
}

func appendPacket(b []byte, id uint32, stamp uint64, flags uint32, frame []byte) []byte {
	b, begin := beginBlock(b, blockPacket)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(stamp>>32))
	b = binary.LittleEndian.AppendUint32(b, uint32(stamp))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frame))) // in the file
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frame))) // on the wire
	b = pad(append(b, frame...))
	b = binary.LittleEndian.AppendUint16(b, optionFlags)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint32(b, flags)
	return endBlock(b, begin)
}

func appendOption(b []byte, code uint16, value string) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// beginBlock leaves the block's length open; endBlock ends its options and writes the
// length in both places.
func beginBlock(b []byte, kind uint32) (block []byte, begin int) {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, kind), 0), len(b)
}

func endBlock(b []byte, begin int) []byte {
	b = binary.LittleEndian.AppendUint32(b, optionEnd)
	length := uint32(len(b) + 4 - begin)
	binary.LittleEndian.PutUint32(b[begin+4:], length)
	return binary.LittleEndian.AppendUint32(b, length)
}

// pad fills up to four bytes. What is before b's blocks has whole words already.
func pad(b []byte) []byte {
	return append(b, 0, 0, 0)[:(len(b)+3)&^3]
}
