package pcap

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/link/pcap/pcaptest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// check compares a packet with one of pcaptest.Flow with a payload of 1000 bytes, raw and whole.
func check(t *testing.T, what string, got []Packet, i int, at clock.Time, d Direction) {
	t.Helper()
	if i >= len(got) {
		t.Errorf("%s: %d packets", what, len(got))
		return
	}
	p := got[i]
	f, s, ok := p.Measure()
	if p.Time != at || !p.Timed || p.Direction != d || p.Length != 1028 || p.Captured != 1028 || !bytes.Equal(p.Bytes, pcaptest.UDP4(1000)) ||
		f != pcaptest.Flow || s.Payload != 1000 || !ok {
		t.Errorf("%s: %+v, %v, %+v", what, p, f, s)
	}
}

// TestPcap reads the classic format with both kinds of stamps, in both byte orders.
func TestPcap(t *testing.T) {
	for _, order := range []func() *pcaptest.File{pcaptest.Little, pcaptest.Big} {
		for magic, unit := range map[int]clock.Time{0xa1b2c3d4: 1000, 0xa1b23c4d: 1} {
			f := order()
			f.U32(magic)
			f.U16(2, 4)
			f.U32(0, 0, 1<<16, int(Raw))
			for i := range 3 {
				f.U32(1+i, 7, 1028, 1028)
				f.Write(pcaptest.UDP4(1000))
			}
			got, r, err := readAll(f.Bytes())
			if err != nil {
				t.Error(err)
			}
			check(t, fmt.Sprintf("%x", magic), got, 2, 3e9+7*unit, Unknown)
			if r.Format() != "pcap" || r.Interfaces[0].Resolution != time.Duration(unit) || r.Offset() != int64(f.Len()) {
				t.Errorf("%s, %+v, %d bytes", r.Format(), r.Interfaces, r.Offset())
			}
		}
	}
}

// classicOf is a file of one packet, of a version and with a link type, its time and its
// lengths as the header has them.
func classicOf(minor, network, fraction, first, second int, data []byte) []byte {
	f := pcaptest.Little()
	f.U32(0xa1b2c3d4)
	f.U16(2, minor)
	f.U32(0, 0, 1<<16, network, 1, fraction, first, second)
	f.Write(data)
	return f.Bytes()
}

// TestVersions has the lengths in both orders, and more captured than there was.
func TestVersions(t *testing.T) {
	data := make([]byte, 40)
	for _, test := range []struct {
		minor, first, second int
		captured, length     int
	}{
		{4, 40, 100, 40, 100},
		{4, 40, 30, 40, 40},
		{3, 40, 100, 40, 100},
		{3, 100, 40, 40, 100},
		{2, 100, 40, 40, 100},
		{1, 100, 40, 40, 100},
		{0, 40, 40, 40, 40},
	} {
		got, _, err := readAll(classicOf(test.minor, int(Raw), 0, test.first, test.second, data))
		if err != nil || len(got) != 1 || got[0].Captured != test.captured || got[0].Length != test.length || len(got[0].Bytes) != test.captured {
			t.Errorf("2.%d, %d and %d: %+v, %v", test.minor, test.first, test.second, got, err)
		}
	}
}

// TestFraction has fractions of a second that are more than one.
func TestFraction(t *testing.T) {
	for fraction, want := range map[int]clock.Time{999_999: 1_999_999_000, 1_000_000: 2e9, 1_500_000: 2_500_000_000, 1<<32 - 1: 1e9 + (1<<32-1)*1000} {
		got, _, err := readAll(classicOf(4, int(Raw), fraction, 1028, 1028, pcaptest.UDP4(1000)))
		if err != nil {
			t.Error(err)
		}
		check(t, fmt.Sprint(fraction), got, 0, want, Unknown)
	}
}

// TestFCS takes frame check sequences off, wherever the file tells of them.
func TestFCS(t *testing.T) {
	frame := append(ethernet(pcaptest.UDP4(1000)), 0xde, 0xad, 0xbe, 0xef)
	const n = 1042
	ng := func(link LinkType, fcslen, flags int, captured int) []byte {
		f := pcaptest.Big()
		f.Section()
		f.Block(blockInterface, func(f *pcaptest.File) {
			f.U16(int(link), 0)
			f.U32(0)
			if fcslen > 0 {
				f.Option(optionFCS, []byte{byte(fcslen)})
			}
		})
		f.Packet(0, 1, flags, frame[:captured], len(frame))
		return f.Bytes()
	}
	for _, test := range []struct {
		name                  string
		file                  []byte
		fcs, length, captured int
	}{
		{"F bit", classicOf(4, 0x24000001, 0, len(frame), len(frame), frame), 4, n, n},
		{"F bit, cut", classicOf(4, 0x24000001, 0, 100, len(frame), frame[:100]), 4, n, 100},
		{"F bit, cut within it", classicOf(4, 0x24000001, 0, n+2, len(frame), frame[:n+2]), 4, n, n},
		{"two bytes", classicOf(4, 0x14000001, 0, len(frame), len(frame), frame), 2, n + 2, n + 2},
		{"no F bit", classicOf(4, 0x20000001, 0, len(frame), len(frame), frame), 0, n + 4, n + 4},
		{"F bit of raw IP", classicOf(4, 0x24000000|int(Raw), 0, 1028, 1028, pcaptest.UDP4(1000)), 0, 1028, 1028},
		{"F bit of three bytes", classicOf(4, 0x24000001, 0, 3, 3, frame[:3]), 0, 3, 3},
		{"if_fcslen in bits", ng(Ethernet, 32, 0, n+4), 4, n, n},
		{"if_fcslen in bytes", ng(Ethernet, 4, 0, n+4), 4, n, n},
		{"flags", ng(Ethernet, 0, 4<<5|1, n+4), 4, n, n},
		{"flags before if_fcslen", ng(Ethernet, 32, 2<<5, n+4), 2, n + 2, n + 2},
		{"none", ng(Ethernet, 0, 1, n+4), 0, n + 4, n + 4},
	} {
		got, _, err := readAll(test.file)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", test.name, got, err)
			continue
		}
		if p := got[0]; p.FCS != test.fcs || p.Length != test.length || p.Captured != test.captured || len(p.Bytes) != test.captured {
			t.Errorf("%s: %d bytes of FCS, %d of %d", test.name, p.FCS, p.Captured, p.Length)
		}
	}
}

// TestInterfaces reads two sections, as of two files one behind the other, in different
// byte orders. Interfaces with the same description are the same.
func TestInterfaces(t *testing.T) {
	a, b := pcaptest.Little(), pcaptest.Big()
	a.Section()
	a.Interface(int(Raw), "near", 9)
	a.Interface(int(Raw), "far", 9)
	a.Packet(1, 10, 1, pcaptest.UDP4(1000), 1028)
	b.Section()
	b.Block(0x80000bad, func(f *pcaptest.File) { f.Write(make([]byte, 40)) }) // of someone else
	b.Interface(int(Raw), "far", 9)
	b.Interface(int(Raw), "far", 9)
	b.Block(blockInterface, func(f *pcaptest.File) {
		f.U16(int(Raw), 0)
		f.U32(1000)
		f.Option(1, make([]byte, 65535)) // a comment
		f.Option(optionName, bytes.Repeat([]byte("x"), 300))
		f.Option(optionSpeed, f.Order.AppendUint64(nil, 10e9))
		f.Option(optionResolution, []byte{9})
		f.Option(optionOffset, f.Order.AppendUint64(nil, 2))
	})
	b.Packet(0, 20, 2, pcaptest.UDP4(1000), 1028)
	b.Packet(1, 30, 2, pcaptest.UDP4(1000), 1028)
	b.Packet(2, 40, 2, pcaptest.UDP4(1000), 1028)
	b.Block(blockOldPacket, func(f *pcaptest.File) {
		f.U16(1, 9) // interface and drops
		f.U32(0, 50, 1028, 1028)
		f.Write(pcaptest.UDP4(1000))
	})
	b.Block(blockSimple, func(f *pcaptest.File) {
		f.U32(1028)
		f.Write(pcaptest.UDP4(1000))
	})
	got, r, err := readAll(append(a.Bytes(), b.Bytes()...))
	if err != nil {
		t.Fatal(err)
	}
	line := ""
	for _, p := range got {
		line += fmt.Sprintf("%d %s %d ns; ", p.Interface, p.Direction, int64(p.Time))
		if !bytes.Equal(p.Bytes, pcaptest.UDP4(1000)) || p.Link != Raw {
			t.Errorf("%+v", p)
		}
	}
	if line != "1 received 10 ns; 1 sent 20 ns; 2 sent 30 ns; 3 sent 2000000040 ns; 2  50 ns; 1  0 ns; " || got[5].Timed || !got[4].Timed {
		t.Error(line)
	}
	if len(r.Interfaces) != 4 || r.Interfaces[3].Speed != 10e9 || len(r.Interfaces[3].Name) != 255 {
		t.Errorf("%+v", r.Interfaces)
	}
}

// TestSimple has simple packets, which are as long as the first interface captures.
func TestSimple(t *testing.T) {
	f := pcaptest.Little()
	f.Section()
	f.Block(blockInterface, func(f *pcaptest.File) { f.U16(int(Raw), 0); f.U32(60) })
	f.Interface(int(Ethernet), "other")
	for _, n := range []int{28, 60, 1028} {
		f.Block(blockSimple, func(f *pcaptest.File) { f.U32(n); f.Write(pcaptest.UDP4(n - 28)[:min(n, 60)]) })
	}
	got, _, err := readAll(f.Bytes())
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	for i, want := range []int{28, 60, 1028} {
		if p := got[i]; p.Length != want || p.Captured != min(want, 60) || p.Timed || p.Link != Raw {
			t.Errorf("%+v", p)
		}
	}
}

// TestManyInterfaces has as many as there may be, and one more.
func TestManyInterfaces(t *testing.T) {
	f := pcaptest.Little()
	f.Section()
	for i := range MaxInterfaces {
		f.Interface(int(Raw), fmt.Sprint("eth", i), 9)
	}
	f.Packet(MaxInterfaces-1, 7, 2, pcaptest.UDP4(1000), 1028)
	got, r, err := readAll(f.Bytes())
	if err != nil || len(r.Interfaces) != MaxInterfaces || r.Interfaces[got[0].Interface].Name != "eth65535" {
		t.Errorf("%v, %d interfaces", err, len(r.Interfaces))
	}
	f.Interface(int(Raw), "one more")
	if _, _, err = readAll(f.Bytes()); err == nil || !strings.Contains(err.Error(), "more than 65536 interfaces") {
		t.Error(err)
	}
}

// TestKeep keeps the beginning of packets.
func TestKeep(t *testing.T) {
	f := pcaptest.Little()
	f.Section()
	f.Interface(int(Raw), "near", 9)
	f.Packet(0, 1, 0, pcaptest.UDP4(1000), 1028)
	f.Packet(0, 2, 0, pcaptest.UDP4(0), 28)
	for keep, want := range map[int]int{0: 0, 100: 100, 1028: 1028, 5000: 1028, 1 << 30: 1028} {
		r, err := NewReader(bytes.NewReader(f.Bytes()), keep)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Next()
		if err != nil || len(p.Bytes) != want || p.Captured != 1028 || p.Length != 1028 {
			t.Errorf("%d: %+v, %v", keep, p, err)
		}
		if p, err = r.Next(); err != nil || p.Length != 28 || p.Time != 2 {
			t.Errorf("%d: %+v, %v", keep, p, err)
		}
	}
}

// TestLongComments passes over comments of many kinds and lengths.
func TestLongComments(t *testing.T) {
	f := pcaptest.Big()
	f.Section()
	f.Interface(int(Raw), "near", 9)
	for i := range 3 {
		f.Block(blockPacket, func(f *pcaptest.File) {
			f.U32(0, 0, i, 1028, 1028)
			f.Write(pcaptest.UDP4(1000))
			for range 20 {
				f.Option(1, bytes.Repeat([]byte("long "), 13000))
			}
			f.Option(optionFlags, f.Order.AppendUint32(nil, 2))
		})
	}
	got, _, err := readAll(f.Bytes())
	if err != nil {
		t.Error(err)
	}
	check(t, "behind comments", got, 2, 2, Sent)
}

// TestAgainstGopacket reads what another program writes, and reads what we write with it.
func TestAgainstGopacket(t *testing.T) {
	var ng, classic bytes.Buffer
	w, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeRaw)
	if err != nil {
		t.Fatal(err)
	}
	c := pcapgo.NewWriterNanos(&classic)
	if err := c.WriteFileHeader(1500, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(1, int64(i)), CaptureLength: 1028, Length: 1028}
		if err := w.WritePacket(info, pcaptest.UDP4(1000)); err != nil {
			t.Fatal(err)
		}
		if err := c.WritePacket(info, pcaptest.UDP4(1000)); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	for _, b := range [][]byte{ng.Bytes(), classic.Bytes()} {
		got, _, err := readAll(b)
		if err != nil || len(got) != 10 {
			t.Errorf("%v, %v", got, err)
		}
		check(t, "of gopacket", got, 9, 1e9+9, Unknown)
	}

	b := AppendInterface(AppendSection(nil), Interface{Name: "near", Link: Raw, Speed: 10e9})
	for i := range clock.Time(10) {
		b = AppendPacket(b, 0, 1e18+i, Direction(i%3), pcaptest.UDP4(1000))
	}
	got, _, err := readAll(b)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i := range clock.Time(10) {
		data, info, err := r.ReadPacketData()
		if err != nil || info.Timestamp.UnixNano() != int64(1e18+i) || !bytes.Equal(data, pcaptest.UDP4(1000)) {
			t.Fatalf("gopacket reads %v at %v, %v", data, info.Timestamp, err)
		}
		check(t, "of ours", got, int(i), 1e18+i, Direction(i%3))
	}
}

// cases are the files that other readers have stumbled over.
func cases(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.pcap*")
	if err != nil || len(names) < 13 {
		t.Fatal(names, err)
	}
	return names
}

// one returns a reader of the same packet for ever.
func one(b testing.TB) *Reader {
	f := pcaptest.Little()
	f.Section()
	f.Interface(int(Ethernet), "near", 9)
	head := bytes.Clone(f.Bytes())
	f.Packet(0, 1, 2, ethernet(pcaptest.UDP4(1472)), 1514)
	r, err := NewReader(&pcaptest.Endless{Head: head, Body: f.Bytes()[len(head):]}, MaxKept)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// BenchmarkRead reads packets of full size: a packet an iteration.
func BenchmarkRead(b *testing.B) {
	r := one(b)
	b.ReportAllocs()
	for b.Loop() {
		p, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		p.Measure()
	}
}

// TestAllocations reads without memory for each packet.
func TestAllocations(t *testing.T) {
	r := one(t)
	n := testing.AllocsPerRun(1000, func() {
		if p, err := r.Next(); err != nil || p.Length != 1514 {
			t.Fatal(p, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
