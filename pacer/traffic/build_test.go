package traffic

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/pcap/pcaptest"
)

const (
	blockSimple = 3

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

// Parts of a pcapng file, in the byte order of the machine that wrote it.

func block(order pcaptest.Order, kind int, body ...byte) []byte {
	return pcaptest.Part(order, func(f *pcaptest.File) {
		f.Block(kind, func(f *pcaptest.File) { f.Write(body) })
	})
}

func section(order pcaptest.Order) []byte {
	return pcaptest.Part(order, (*pcaptest.File).Section)
}

// face describes an interface of nanosecond stamps.
func face(order pcaptest.Order, linkType pcap.LinkType) []byte {
	return pcaptest.Part(order, func(f *pcaptest.File) { f.Interface(int(linkType), "", 9) })
}

// packet is an enhanced packet of n of length bytes, with options behind it.
func packet(order pcaptest.Order, id, at uint32, n, length int) []byte {
	return pcaptest.Part(order, func(f *pcaptest.File) { f.Packet(int(id), uint64(at), 0, make([]byte, n), length) })
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
