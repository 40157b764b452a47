package pcap

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/pcap/pcaptest"
)

// TestCutShort cuts files at every byte: what is whole is read, and the rest is an error
// that says where the file ends, unless that is between two packets.
func TestCutShort(t *testing.T) {
	classic := pcaptest.Little()
	classic.U32(0xa1b23c4d)
	classic.U16(2, 4)
	classic.U32(0, 0, 1<<16, int(Raw))
	for i := range 3 {
		classic.U32(1, i, 53, 53)
		classic.Write(pcaptest.UDP4(25))
	}
	modern := pcaptest.Little()
	modern.Section()
	modern.Interface(int(Raw), "near", 9)
	for i := range 3 {
		modern.Packet(0, uint64(i), 2, pcaptest.UDP4(25), 53)
	}
	for _, f := range []*pcaptest.File{classic, modern} {
		whole, _, err := readAll(f.Bytes())
		if err != nil || len(whole) != 3 {
			t.Fatal(whole, err)
		}
		clean := 0
		for n := range f.Bytes() {
			got, r, err := readAll(f.Bytes()[:n])
			for i, p := range got {
				if fmt.Sprint(p) != fmt.Sprint(whole[i]) {
					t.Errorf("%d bytes, packet %d: %+v, want %+v", n, i, p, whole[i])
				}
			}
			if err == nil {
				clean++
			} else if r != nil && len(got) > 0 && err.Error() != fmt.Sprintf("it is cut short at byte %d", n) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		if clean < 3 || clean > 5 {
			t.Errorf("%d cuts were not noticed", clean)
		}
	}
}

// TestMalformed has what no file may have.
func TestMalformed(t *testing.T) {
	start := func() *pcaptest.File {
		f := pcaptest.Little()
		f.Section() // 28 bytes
		f.Interface(int(Raw), "near")
		return f
	}
	packet := func(id, high, captured int) func(*pcaptest.File) {
		return func(f *pcaptest.File) { f.U32(id, high, 0, captured, captured); f.Write(make([]byte, 32)) }
	}
	for want, b := range map[string][]byte{
		"it is empty":                           nil,
		"it is neither pcapng nor pcap":         []byte("From: nobody\n\n"),
		"unpack it with gzip":                   {0x1f, 0x8b, 8, 0},
		"unpack it with zstd":                   {0x28, 0xb5, 0x2f, 0xfd, 0},
		"modified pcap":                         {0xa1, 0xb2, 0xcd, 0x34, 0, 2},
		"pcap of version 3.0":                   append([]byte{0xa1, 0xb2, 0xc3, 0xd4, 0, 3}, make([]byte, 18)...),
		"pcap of version 2.5":                   append([]byte{0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 5}, make([]byte, 16)...),
		"its header is cut short":               {0xa1, 0xb2, 0xc3, 0xd4, 0, 2},
		"the byte-order magic 01 02 03 04":      {10, 13, 13, 10, 28, 0, 0, 0, 1, 2, 3, 4},
		"a section of version 7.0":              {10, 13, 13, 10, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"byte 0: a block of 12 bytes":           {10, 13, 13, 10, 12, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a},
		"a block is shorter than":               {10, 13, 13, 10, 16, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a packet of interface 0, and the sect": bytesOf(func(f *pcaptest.File) { f.Section(); f.Block(blockPacket, packet(0, 0, 32)) }),
		"byte 60: a packet of interface 1":      bytesOf(func(f *pcaptest.File) { *f = *start(); f.Block(blockPacket, packet(1, 0, 32)) }),
		"section of version 1.1":                {10, 13, 13, 10, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"byte 28: a packet of interface 0, and": bytesOf(func(f *pcaptest.File) { f.Section(); f.Block(blockSimple, func(f *pcaptest.File) { f.U32(4, 0) }) }),
		"8 bytes, and its block has 4 for it":   bytesOf(func(f *pcaptest.File) { *f = *start(); f.Block(blockSimple, func(f *pcaptest.File) { f.U32(8, 0) }) }),
		"packet of 40 bytes, and its block has": bytesOf(func(f *pcaptest.File) { *f = *start(); f.Block(blockPacket, packet(0, 0, 40)) }),
		"a packet of 4294967295 bytes":          bytesOf(func(f *pcaptest.File) { *f = *start(); f.Block(blockPacket, packet(0, 0, -1)) }),
		"between the years 1970 and 2116":       bytesOf(func(f *pcaptest.File) { *f = *start(); f.Block(blockPacket, packet(0, -1, 32)) }),
		"as the length behind it":               bytesOf(func(f *pcaptest.File) { *f = *start(); f.U32(5, 16, 0, 20) }),
		"a block of 17 bytes is not possible":   bytesOf(func(f *pcaptest.File) { *f = *start(); f.U32(5, 17, 0, 17) }),
		"a block of 4 bytes is not possible":    bytesOf(func(f *pcaptest.File) { *f = *start(); f.U32(5, 4) }),
		"a packet of 300000 bytes, where at most 262144": bytesOf(func(f *pcaptest.File) {
			f.U32(0xa1b2c3d4)
			f.U16(2, 4)
			f.U32(0, 0, 96, int(Raw), 0, 0, 300000, 300000)
		}),
	} {
		if _, _, err := readAll(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func bytesOf(write func(*pcaptest.File)) []byte {
	f := pcaptest.Little()
	write(f)
	return f.Bytes()
}

// TestHostile has files that promise more than they have: reading them ends, and takes no
// memory for what is not there.
func TestHostile(t *testing.T) {
	start := func() *pcaptest.File {
		f := pcaptest.Little()
		f.Section()
		f.Interface(int(Raw), "near")
		return f
	}
	for name, b := range map[string][]byte{
		"a block of 4 GiB":     bytesOf(func(f *pcaptest.File) { *f = *start(); f.U32(0xbad, 0xfffffffc); f.Write(make([]byte, 100)) }),
		"a packet of 16 MiB":   bytesOf(func(f *pcaptest.File) { *f = *start(); f.U32(6, 1<<24+32, 0, 0, 0, 1<<24, 1<<24) }),
		"a packet of 4 GiB":    bytesOf(func(f *pcaptest.File) { *f = *start(); f.U32(6, 0xfffffffc, 0, 0, 0, 0xffffff00, 0xffffff00) }),
		"a snap length of all": classicOf(4, int(Raw), 0, 1<<24, 1<<24, nil),
		"options without end": bytesOf(func(f *pcaptest.File) {
			f.Section()
			f.U32(1, 0x7ffffffc, int(Raw), 0)
			f.U16(2, 65535)
			f.Write(make([]byte, 1<<16))
		}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := readAll(b)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s takes %d bytes", name, took)
		}
	}
}

// FuzzReader checks what must hold of any bytes: reading ends, with stamps that can be
// counted with, and no more packets than there are bytes for.
func FuzzReader(f *testing.F) {
	for _, name := range cases(f) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 4000)])
	}
	f.Add(classicOf(4, int(Ethernet), 2, 42, 42, ethernet(pcaptest.UDP4(0), 0x8100)[:42]))
	b := pcaptest.Big()
	b.Section()
	b.Interface(int(Cooked2), "any", 0x80|40)
	b.Packet(0, 1<<40, 1, append(make([]byte, 20), pcaptest.UDP4(10)...), 5000)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b), Headers)
		if err != nil {
			return
		}
		var line Timeline
		last := time.Duration(0)
		for n := 0; ; n++ {
			p, err := r.Next()
			if err != nil {
				break
			}
			flow, size, known := p.Measure()
			at := line.At(p.Time)
			switch {
			case n*16 > len(b), p.Time < 0 || p.Time > latest, p.Interface >= len(r.Interfaces), p.Link != r.Interfaces[p.Interface].Link,
				p.Captured > p.Length, p.Captured > len(b), len(p.Bytes) != min(p.Captured, Headers), p.Length > maxPacket,
				size.IP > p.Length, known && size.Wire < 84, at < last:
				t.Fatalf("packet %d: %+v, %v, %+v", n, p, flow, size)
			}
			last = at
		}
	})
}
