package pktgen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// file writes a file of the test.
func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// all reads a file to its end: "2.5us Ethernet 60/64" for 60 of 64 bytes.
func all(t testing.TB, name string) (packets []string, err error) {
	t.Helper()
	c, err := OpenCapture(name)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for {
		r, err := c.Next()
		if err == io.EOF {
			return packets, nil
		}
		if err != nil {
			return packets, err
		}
		packets = append(packets, fmt.Sprintf("%v %v %d/%d", time.Duration(r.Time.UnixNano()), r.Link, len(r.Bytes), r.Length))
	}
}

func check(t *testing.T, got []string, want string) {
	t.Helper()
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("read %s\nwant %s", s, want)
	}
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
	order.PutUint32(body, byteOrderMagic)
	order.PutUint16(body[4:], 1)
	copy(body[8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	return block(order, blockSection, body...)
}

// face describes an interface of nanosecond stamps.
func face(order binary.ByteOrder, linkType layers.LinkType) []byte {
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

func TestPcapng(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		simple := block(order, blockSimple, make([]byte, 64)...)
		names := block(order, 4, make([]byte, 4000)...)
		content := join(section(order), names, face(order, 1), packet(order, 0, 1000, 60, 60),
			simple, face(order, 101), packet(order, 1, 2500, 33, 1500), block(order, 0xbad, make([]byte, 100)...),
			section(order), face(order, 113), packet(order, 0, 4000, 20, 20))
		name := file(t, content)
		got, err := all(t, name)
		if err != nil {
			t.Fatal(err)
		}
		check(t, got, "1µs Ethernet 60/60, 2.5µs Raw 33/1500, 4µs Linux SLL 20/20")

		c, err := OpenCapture(name)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 {
			for {
				if _, err := c.Next(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Rewind(); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.Untimed(); n != 2 {
			t.Errorf("%d packets without a time in two readings, want 2", n)
		}
	}
}

func TestPcap(t *testing.T) {
	for _, nanoseconds := range []bool{false, true} {
		var b bytes.Buffer
		w := pcapgo.NewWriter(&b)
		if nanoseconds {
			w = pcapgo.NewWriterNanos(&b)
		}
		if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			info := gopacket.CaptureInfo{Timestamp: time.Unix(1, int64(i)*1500), CaptureLength: 60, Length: 60 + i}
			if err := w.WritePacket(info, make([]byte, 60)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := all(t, file(t, b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if nanoseconds {
			check(t, got, "1s Ethernet 60/60, 1.0000015s Ethernet 60/61, 1.000003s Ethernet 60/62")
		} else {
			check(t, got, "1s Ethernet 60/60, 1.000001s Ethernet 60/61, 1.000003s Ethernet 60/62")
		}
	}
}

// Wherever a file is cut, the packets that are whole are read, and the rest is told of.
func TestCutShort(t *testing.T) {
	le := binary.LittleEndian
	one := packet(le, 0, 1, 60, 60)
	ng := [][]byte{section(le), face(le, 1), one, one}
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	w.WriteFileHeader(100, layers.LinkTypeEthernet)
	for range 2 {
		w.WritePacket(gopacket.CaptureInfo{CaptureLength: 60, Length: 60}, make([]byte, 60))
	}
	pcap := [][]byte{b.Bytes()[:24], b.Bytes()[24:100], b.Bytes()[100:]}
	for _, parts := range [][][]byte{ng, pcap} {
		content, ends, packets := join(parts...), make(map[int]bool), 0
		for n, i := 1, 0; n < len(content); n++ {
			if n-len(join(parts[:i]...)) == len(parts[i]) {
				i++
				ends[n] = true
				if i > len(parts)-2 {
					packets++
				}
			}
			got, err := all(t, file(t, content[:n]))
			if len(got) != packets || (err == nil) != ends[n] {
				t.Errorf("cut at %d of %d: %v, %v", n, len(content), got, err)
			}
		}
	}
}

// hostile are files that promise more than they have, and what is said of them.
func hostile() map[string][]byte {
	le := binary.LittleEndian
	begin := join(section(le), face(le, 1))
	long := func(b []byte, at int, v uint32) []byte {
		b = bytes.Clone(b)
		le.PutUint32(b[at:], v)
		return b
	}
	many := bytes.Clone(begin)
	for range maxInterfaces {
		many = append(many, face(le, 1)...)
	}
	pcap := make([]byte, 24+16+8)
	le.PutUint32(pcap, 0xa1b2c3d4)
	le.PutUint16(pcap[4:], 2)
	le.PutUint16(pcap[6:], 4)
	le.PutUint32(pcap[16:], 1<<32-1) // snap length
	le.PutUint32(pcap[20:], 1)
	le.PutUint32(pcap[32:], 1<<31-1)
	le.PutUint32(pcap[36:], 1<<31-1)
	return map[string][]byte{
		"too short":                     nil,
		"neither a pcap nor":            []byte("GIF89a, or so"),
		"it is compressed":              {0x1f, 0x8b, 8, 0, 0, 0},
		"no byte order":                 long(begin, 8, 7),
		"cannot have 7 bytes":           join(begin, long(packet(le, 0, 1, 60, 60), 4, 7)),
		"more than 128 interfaces":      many,
		"in 4294967292 bytes, which is": long(begin, 4, 1<<32-4),
		"cannot have 4294967295 bytes":  join(begin, long(packet(le, 0, 1, 60, 60), 20, 1<<32-1)),
		"a packet cannot have 262145":   join(begin, long(packet(le, 0, 1, 60, 60), 20, 262145)),
		"does not fit its block":        join(begin, long(packet(le, 0, 1, 60, 60), 20, 100)),
		"cut short":                     join(begin, long(packet(le, 0, 1, 60, 60), 4, 1<<32-4)),
		"Interface id 5":                join(begin, packet(le, 5, 1, 60, 60)),
		"exceeds snap length":           pcap,
	}
}

func TestHostile(t *testing.T) {
	for want, content := range hostile() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := all(t, file(t, content))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%q took %d bytes", want, took)
		}
	}
	if _, err := OpenCapture("/nowhere/at.all"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzCapture(f *testing.F) {
	le, be := binary.LittleEndian, binary.BigEndian
	f.Add(join(section(le), face(le, 1), packet(le, 0, 1, 60, 60), packet(le, 0, 2, 60, 1500)))
	f.Add(join(section(be), face(be, 101), packet(be, 0, 1, 60, 60)))
	for _, content := range hostile() {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := OpenCapture(file(t, content))
		if err != nil {
			return
		}
		defer c.Close()
		s := script{capture: c, replay: Replay{Speed: Recorded, Passes: 2, MTU: 1500, Ethernet: true}}
		last := int64(0)
		for range 1000 {
			f, err := s.next()
			if err != nil {
				return
			}
			if f.Len() > 1514 || int64(f.Depart) < last {
				t.Errorf("a frame of %d bytes at %v, after %d", f.Len(), f.Depart, last)
			}
			last = int64(f.Depart)
			f.Free()
		}
	})
}
