package gaps

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// want is what udp4(1000) is, seen at a time.
func want(at clock.Time, d Direction) Packet {
	return Packet{Time: at, Direction: d, Flow: ipFlow, Size: pacer.Size{Wire: 1066, IP: 1028, Payload: 1000}}
}

// TestLinkTypes reads the same packet behind each link header, whole and cut off behind
// the UDP header.
func TestLinkTypes(t *testing.T) {
	ip := udp4(1000)
	cooked := append([]byte{0, 4, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00}, ip...)
	cooked2 := append([]byte{0x08, 0x00, 0, 0, 0, 0, 0, 7, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0}, ip...)
	for _, test := range []struct {
		name     string
		linkType int
		data     []byte
		change   func(*Packet)
	}{
		{"Ethernet", linkEthernet, ethernet(ip), nil},
		{"VLAN", linkEthernet, ethernet(ip, 0x8100), func(p *Packet) { p.Size.Wire += 4 }},
		{"two VLANs", linkEthernet, ethernet(ip, 0x88a8, 0x8100), func(p *Packet) { p.Size.Wire += 8 }},
		{"raw", linkRaw, ip, nil},
		{"raw, as BSD has it", linkRawBSD, ip, nil},
		{"IPv4", linkIPv4, ip, nil},
		{"cooked", linkCooked, cooked, func(p *Packet) { p.Direction = Sent }},
		{"cooked 2", linkCooked2, cooked2, func(p *Packet) { p.Direction, p.Index = Received, 7 }},
		{"ARP", linkEthernet, append(make([]byte, 12), 0x08, 0x06, 0, 1), func(p *Packet) {
			p.Flow, p.Size = pacer.Flow{}, pacer.Size{Wire: 84}
		}},
	} {
		for _, captured := range []int{len(test.data), len(test.data) - 1000} {
			if captured < 0 {
				continue
			}
			f := big()
			f.section()
			f.iface(test.linkType, "eth0")
			f.packet(0, 5, 0, test.data[:captured], len(test.data))
			got, _, err := readAll(f.Bytes())
			expected := want(5000, Unknown)
			if test.change != nil {
				test.change(&expected)
			}
			if err != nil || len(got) != 1 || got[0] != expected {
				t.Errorf("%s, %d bytes: got %+v, %v, want %+v", test.name, captured, got, err, expected)
			}
		}
	}
}

// TestPcap reads the classic format with both kinds of stamps, in both byte orders.
func TestPcap(t *testing.T) {
	for _, order := range []func() *file{little, big} {
		for magic, unit := range map[int]clock.Time{0xa1b2c3d4: 1000, 0xa1b23c4d: 1} {
			f := order()
			f.u32(magic)
			f.u16(2, 4)
			f.u32(0, 0, 1<<16, 0x1400_0000|linkRaw) // with frame check sequences, it says
			for i := range 3 {
				f.u32(1+i, 7, 1028, 1028)
				f.Write(udp4(1000))
			}
			got, r, err := readAll(f.Bytes())
			if err != nil || len(got) != 3 || got[2] != want(3e9+7*unit, Unknown) {
				t.Errorf("%x: got %+v, %v", magic, got, err)
			}
			if r.Format() != "pcap" || r.Interfaces[0].Resolution != time.Duration(unit) || r.Offset() != int64(f.Len()) {
				t.Errorf("%s, %+v, %d bytes", r.Format(), r.Interfaces, r.Offset())
			}
		}
	}
}

// TestResolutions has the same instant, 1.5 s, in all kinds of units.
func TestResolutions(t *testing.T) {
	for resolution, stamp := range map[byte]uint64{
		3: 1500, 6: 1_500_000, 9: 1_500_000_000, 12: 1_500_000_000_000, 18: 1_500_000_000_000_000_000,
		0x80 | 1: 3, 0x80 | 20: 3 << 19, 0x80 | 32: 3 << 31, 0x80 | 62: 3 << 61,
	} {
		f := little()
		f.section()
		f.iface(linkRaw, "", resolution)
		f.packet(0, stamp, 1, udp4(1000), 1028)
		got, _, err := readAll(f.Bytes())
		if err != nil || len(got) != 1 || got[0] != want(1_500_000_000, Received) {
			t.Errorf("resolution %#x: %+v, %v", resolution, got, err)
		}
	}
}

// TestInterfaces reads two sections, as of two files one behind the other, in different
// byte orders. Interfaces with the same description are the same.
func TestInterfaces(t *testing.T) {
	a, b := little(), big()
	a.section()
	a.iface(linkRaw, "near", 9)
	a.iface(linkRaw, "far", 9)
	a.packet(1, 10, 1, udp4(1000), 1028)
	b.section()
	b.block(0x80000bad, func(f *file) { f.Write(make([]byte, 40)) }) // of someone else
	b.iface(linkRaw, "far", 9)
	b.iface(linkRaw, "far", 9)
	b.block(blockInterface, func(f *file) {
		f.u16(linkRaw, 0)
		f.u32(0)
		f.option(optionName, bytes.Repeat([]byte("x"), 300))
		f.option(optionSpeed, f.order.AppendUint64(nil, 10e9))
		f.option(optionResolution, []byte{9})
		f.option(optionOffset, f.order.AppendUint64(nil, 2))
	})
	b.packet(0, 20, 2, udp4(1000), 1028)
	b.packet(1, 30, 2, udp4(1000), 1028)
	b.packet(2, 40, 2, udp4(1000), 1028)
	b.block(blockOldPacket, func(f *file) {
		f.u16(1, 9) // interface and drops
		f.u32(0, 50, 1028, 1028)
		f.Write(udp4(1000))
	})
	b.block(blockSimple, func(f *file) {
		f.u32(1028)
		f.Write(udp4(1000))
	})
	got, r, err := readAll(append(a.Bytes(), b.Bytes()...))
	if err != nil {
		t.Fatal(err)
	}
	line := ""
	for _, p := range got {
		line += fmt.Sprintf("%d %s %d ns; ", p.Interface, p.Direction, int64(p.Time))
	}
	if line != "1 received 10 ns; 1 sent 20 ns; 2 sent 30 ns; 3 sent 2000000040 ns; 2  50 ns; " {
		t.Error(line)
	}
	if len(r.Interfaces) != 4 || r.Interfaces[3].Speed != 10e9 || len(r.Interfaces[3].Name) != 256 {
		t.Errorf("%+v", r.Interfaces)
	}
	if r.Skipped != (Skipped{Untimed: 1}) {
		t.Errorf("skipped %+v", r.Skipped)
	}
}

// TestUnknownLink counts what cannot be read.
func TestUnknownLink(t *testing.T) {
	f := little()
	f.section()
	f.iface(105, "wlan0")
	f.packet(0, 1, 0, make([]byte, 100), 100)
	got, r, err := readAll(f.Bytes())
	if err != nil || len(got) != 0 || r.Skipped != (Skipped{LinkType: 1}) {
		t.Errorf("%v, %+v, %v", got, r.Skipped, err)
	}
}

// TestCutShort cuts files at every byte: what is whole is read, and the rest is an error
// that says where the file ends, unless that is between two packets.
func TestCutShort(t *testing.T) {
	classic := little()
	classic.u32(0xa1b23c4d)
	classic.u16(2, 4)
	classic.u32(0, 0, 1<<16, linkRaw)
	for i := range 3 {
		classic.u32(1, i, 53, 53)
		classic.Write(udp4(25))
	}
	modern := little()
	modern.section()
	modern.iface(linkRaw, "near", 9)
	for i := range 3 {
		modern.packet(0, uint64(i), 2, udp4(25), 53)
	}
	for _, f := range []*file{classic, modern} {
		whole, _, err := readAll(f.Bytes())
		if err != nil || len(whole) != 3 {
			t.Fatal(whole, err)
		}
		clean := 0
		for n := range f.Bytes() {
			got, r, err := readAll(f.Bytes()[:n])
			for i, p := range got {
				if p != whole[i] {
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
	start := func() *file {
		f := little()
		f.section() // 28 bytes
		f.iface(linkRaw, "near")
		return f
	}
	packet := func(id, high, captured int) func(*file) {
		return func(f *file) { f.u32(id, high, 0, captured, captured); f.Write(make([]byte, 32)) }
	}
	for want, b := range map[string][]byte{
		"it is empty":                           nil,
		"it is neither pcapng nor pcap":         []byte("From: nobody\n\n"),
		"unpack it with gzip":                   {0x1f, 0x8b, 8, 0},
		"pcap of version 3":                     append([]byte{0xa1, 0xb2, 0xc3, 0xd4, 0, 3}, make([]byte, 18)...),
		"its header is cut short":               {0xa1, 0xb2, 0xc3, 0xd4, 0, 2},
		"the byte-order magic 01 02 03 04":      {10, 13, 13, 10, 28, 0, 0, 0, 1, 2, 3, 4},
		"a section of version 7":                {10, 13, 13, 10, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"byte 0: a block of 12 bytes":           {10, 13, 13, 10, 12, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a},
		"a block is shorter than":               {10, 13, 13, 10, 16, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a packet of interface 0, and the sect": bytesOf(func(f *file) { f.section(); f.block(blockPacket, packet(0, 0, 32)) }),
		"byte 60: a packet of interface 1":      bytesOf(func(f *file) { *f = *start(); f.block(blockPacket, packet(1, 0, 32)) }),
		"a packet of 40 bytes in a block of 64": bytesOf(func(f *file) { *f = *start(); f.block(blockPacket, packet(0, 0, 40)) }),
		"a packet of 4294967295 bytes":          bytesOf(func(f *file) { *f = *start(); f.block(blockPacket, packet(0, 0, -1)) }),
		"between the years 1970 and 2116":       bytesOf(func(f *file) { *f = *start(); f.block(blockPacket, packet(0, -1, 32)) }),
		"as the length behind it":               bytesOf(func(f *file) { *f = *start(); f.u32(5, 16, 0, 20) }),
		"a block of 17 bytes is not possible":   bytesOf(func(f *file) { *f = *start(); f.u32(5, 17, 0, 17) }),
		"a block of 4 bytes is not possible":    bytesOf(func(f *file) { *f = *start(); f.u32(5, 4) }),
		"of 10 to the minus 20 seconds":         bytesOf(func(f *file) { f.section(); f.iface(linkRaw, "", 20) }),
		"of 2 to the minus 64 seconds":          bytesOf(func(f *file) { f.section(); f.iface(linkRaw, "", 0x80|64) }),
		"more than 1024 interfaces": bytesOf(func(f *file) {
			f.section()
			for i := range 1025 {
				f.iface(linkRaw, fmt.Sprint("eth", i))
			}
		}),
		"a packet of 300000 bytes, where at most 262144": bytesOf(func(f *file) {
			f.u32(0xa1b2c3d4)
			f.u16(2, 4)
			f.u32(0, 0, 96, linkRaw, 0, 0, 300000, 300000)
		}),
		"has 1000000 parts of a second": bytesOf(func(f *file) {
			f.u32(0xa1b2c3d4)
			f.u16(2, 4)
			f.u32(0, 0, 96, linkRaw, 0, 1e6, 1, 1)
		}),
	} {
		if _, _, err := readAll(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func bytesOf(write func(*file)) []byte {
	f := little()
	write(f)
	return f.Bytes()
}

// TestAgainstGopacket reads what another program writes, and reads our test files with it.
func TestAgainstGopacket(t *testing.T) {
	var ng, classic bytes.Buffer
	w, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	c := pcapgo.NewWriterNanos(&classic)
	if err := c.WriteFileHeader(1500, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	frame := ethernet(udp4(1000))
	for i := range 10 {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(1, int64(i)), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
		if err := c.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	for _, b := range [][]byte{ng.Bytes(), classic.Bytes()} {
		got, _, err := readAll(b)
		if err != nil || len(got) != 10 || got[9] != want(1e9+9, Unknown) {
			t.Errorf("%v, %v", got, err)
		}
	}
	times := every(10, 5, 1000)
	r, err := pcapgo.NewNgReader(bytes.NewReader(capture(times...)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range times {
		data, info, err := r.ReadPacketData()
		if err != nil || info.Timestamp.UnixNano() != int64(at) || !bytes.Equal(data, udp4(1000)) {
			t.Fatalf("gopacket read %v at %v, %v", data, info.Timestamp, err)
		}
	}
}

// FuzzReader checks what must hold of any bytes: reading ends, with stamps that can be
// counted with, and no more packets than there are bytes for.
func FuzzReader(f *testing.F) {
	f.Add(capture(1, 2, 3))
	f.Add(bytesOf(func(f *file) {
		f.u32(0xa1b2c3d4)
		f.u16(2, 4)
		f.u32(0, 0, 96, linkEthernet, 1, 2, 42, 42)
		f.Write(ethernet(udp4(0), 0x8100))
	}))
	b := big()
	b.section()
	b.iface(linkCooked2, "any", 0x80|40)
	b.packet(0, 1<<40, 1, append(make([]byte, 20), udp4(10)...), 5000)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		a := NewAnalysis(r, Config{Asked: &Schedule{Rate: 1e6, Unit: pacer.IP}, Pause: time.Second})
		for n := 0; ; n++ {
			p, err := r.Next()
			if err != nil {
				break
			}
			if n*16 > len(b) || p.Time < 0 || p.Time > latest || p.Interface >= len(r.Interfaces) || p.Size.Wire < 84 {
				t.Fatalf("packet %d: %+v", n, p)
			}
			a.Add(&p)
		}
		report := a.Report()
		if err := report.WriteText(io.Discard, 10); err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Flows {
			if f.Gaps == 0 {
				continue
			}
			for _, log := range []bool{false, true} {
				var picture bytes.Buffer
				if err := f.Draw(&picture, SVG, log); err != nil || bytes.Contains(picture.Bytes(), []byte("NaN")) {
					t.Fatalf("%v\n%s", err, picture.Bytes())
				}
			}
			return
		}
	})
}

// The bytes of a capture, to read as often as it takes.
type endless struct {
	head, body []byte
	i          int
}

func (e *endless) Read(b []byte) (int, error) {
	if len(e.head) > 0 {
		n := copy(b, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	n := copy(b, e.body[e.i:])
	if e.i += n; e.i == len(e.body) {
		e.i = 0
	}
	return n, nil
}

// BenchmarkRead reads and analyses packets of full size: a packet an iteration.
func BenchmarkRead(b *testing.B) {
	f := little()
	f.section()
	f.iface(linkEthernet, "near", 9)
	head := bytes.Clone(f.Bytes())
	f.packet(0, 1, 2, ethernet(udp4(1472)), 1514)
	r, err := NewReader(&endless{head: head, body: f.Bytes()[len(head):]})
	if err != nil {
		b.Fatal(err)
	}
	a := NewAnalysis(r, Config{Asked: &Schedule{Rate: 500e6}, Pause: time.Second})
	b.SetBytes(int64(f.Len() - len(head)))
	b.ReportAllocs()
	for i := clock.Time(0); b.Loop(); i++ {
		p, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		p.Time = i * 24608
		a.Add(&p)
	}
}

// TestAllocations reads and analyses without memory for each packet.
func TestAllocations(t *testing.T) {
	b := capture(every(3000, 0, 24608)...)
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	a := NewAnalysis(r, Config{Asked: &Schedule{Rate: 500e6}})
	step := func() {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		a.Add(&p)
	}
	for range 1500 { // the trail is full-grown then
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
