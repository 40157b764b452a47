package pcap

import (
	"encoding/binary"

	"github.com/netcaliper/caliper/pacer/clock"
)

// AppendSection begins a file, or a part of one: it appends the block of a section in which
// interfaces are numbered from 0 in their order. All that is appended is little-endian, and
// has whole words of four bytes.
func AppendSection(b []byte) []byte {
	b, begin := beginBlock(b, blockSection)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = binary.LittleEndian.AppendUint16(b, 1) // version 1.0
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint64(b, 1<<64-1) // length unknown
	b = appendOption(b, optionApplication, "caliper")
	return endBlock(b, begin)
}

// AppendInterface appends an interface with its name, link type and speed. Its time stamps
// are in ns, and its frames without FCS.
func AppendInterface(b []byte, face Interface) []byte {
	b, begin := beginBlock(b, blockInterface)
	b = binary.LittleEndian.AppendUint16(b, uint16(face.Link))
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 0) // frames are kept whole
	b = appendOption(b, optionName, face.Name[:min(len(face.Name), 255)])
	if face.Speed > 0 {
		b = appendOption(b, optionSpeed, string(binary.LittleEndian.AppendUint64(nil, uint64(face.Speed))))
	}
	b = appendOption(b, optionResolution, "\x09")
	return endBlock(b, begin)
}

// AppendPacket appends a whole packet of an interface of the section, at a time in ns since
// 1970.
func AppendPacket(b []byte, id uint32, at clock.Time, direction Direction, packet []byte) []byte {
	b, begin := beginBlock(b, blockPacket)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(at>>32))
	b = binary.LittleEndian.AppendUint32(b, uint32(at))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(packet))) // in the file
	b = binary.LittleEndian.AppendUint32(b, uint32(len(packet))) // on the wire
	b = pad(append(b, packet...))
	if direction != Unknown {
		b = binary.LittleEndian.AppendUint16(b, optionFlags)
		b = binary.LittleEndian.AppendUint16(b, 4)
		b = binary.LittleEndian.AppendUint32(b, uint32(direction))
	}
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
