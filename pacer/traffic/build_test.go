package traffic

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/netcaliper/caliper/link/pcap"
)

const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockSimple    = 3
	blockPacket    = 6

	packetHeader = 28 // of a packet, with the block's own
)

// file writes a file and returns its name.
func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// A block of pcapng, in the byte order of the machine that wrote it.
func block(order binary.ByteOrder, kind uint32, body ...byte) []byte {
	b := make([]byte, 8, 12+len(body))
	order.PutUint32(b, kind)
	order.PutUint32(b[4:], uint32(12+len(body)))
	b = append(b, body...)
	return append(b, b[4:8]...)
}

func section(order binary.ByteOrder) []byte {
	body := make([]byte, 16)
	order.PutUint32(body, 0x1a2b3c4d)
	order.PutUint16(body[4:], 1)
	copy(body[8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	return block(order, blockSection, body...)
}

// face describes an interface of nanosecond stamps.
func face(order binary.ByteOrder, linkType pcap.LinkType) []byte {
	body := make([]byte, 20)
	order.PutUint16(body, uint16(linkType))
	order.PutUint16(body[8:], 9) // if_tsresol
	order.PutUint16(body[10:], 1)
	body[12] = 9
	return block(order, blockInterface, body...)
}

// packet is an enhanced packet of n of length bytes, with options behind it.
func packet(order binary.ByteOrder, id, at uint32, n, length int) []byte {
	body := make([]byte, 20+(n+3)&^3)
	order.PutUint32(body, id)
	order.PutUint32(body[8:], at)
	order.PutUint32(body[12:], uint32(n))
	order.PutUint32(body[16:], uint32(length))
	comment := []byte("\x00\x01\x00\x04text\x00\x00\x00\x00")
	order.PutUint16(comment, 1)
	order.PutUint16(comment[2:], 4)
	return block(order, blockPacket, append(body, comment...)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
