package traffic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/clock"
)

// frames replays a file and returns what a frame is: "100ns 60 bytes of udp ...".
func frames(t *testing.T, content []byte, replay Replay) (list []string, done Replayed, err error) {
	t.Helper()
	c, err := pcap.Open(file(t, content), pcap.MaxKept)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if replay.Tempo == (Tempo{}) {
		replay.Tempo.Speed = Recorded
	}
	if replay.MTU == 0 {
		replay.MTU = 1500
	}
	s := newScript(c, replay)
	for range 100 {
		f, err := s.next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return list, s.done, err
		}
		if !f.Paced || f.Size.Wire == 0 {
			t.Errorf("frame %d is not paced, or has no size", len(list))
		}
		list = append(list, fmt.Sprintf("%v:%d", time.Duration(f.Depart), f.Len()))
		f.Free()
	}
	return list, s.done, nil
}

// at is a file of Ethernet packets of 60 bytes at the given times in ns.
func at(times ...uint32) []byte {
	le := binary.LittleEndian
	b := join(section(le), face(le, 1))
	for _, t := range times {
		b = append(b, packet(le, 0, t, 60, 60)...)
	}
	return b
}

func TestReplayTimes(t *testing.T) {
	for _, test := range []struct {
		name    string
		content []byte
		replay  Replay
		want    string
	}{
		{"as recorded", at(1000, 1007, 2000), Replay{Passes: 1}, "0s:60 7ns:60 1µs:60"},
		{"twice as fast", at(1000, 1007, 2000), Replay{Passes: 1, Tempo: Tempo{Speed: 2e6}}, "0s:60 3ns:60 500ns:60"},
		{"a third faster", at(0, 3, 300), Replay{Passes: 1, Tempo: Tempo{Speed: 1.5e6}}, "0s:60 2ns:60 200ns:60"},
		{"slower", at(1000, 1007, 2000), Replay{Passes: 1, Tempo: Tempo{Speed: 1e3}}, "0s:60 7µs:60 1ms:60"},
		{"passes follow by the mean gap", at(5, 15, 105), Replay{Passes: 3}, "0s:60 10ns:60 100ns:60 150ns:60 160ns:60 250ns:60 300ns:60 310ns:60 400ns:60"},
		{"a pass of one packet", at(5), Replay{Passes: 2}, "0s:60 0s:60"},
		{"no end", at(0, 10), Replay{Packets: 5}, "0s:60 10ns:60 20ns:60 30ns:60 40ns:60"},
		{"-n", at(0, 10, 20), Replay{Passes: 1, Packets: 2}, "0s:60 10ns:60"},
		{"-t", at(0, 10, 20), Replay{Passes: 1, Duration: 20}, "0s:60 10ns:60"},
		{"out of order", at(100, 90, 110, 105, 120), Replay{Passes: 1}, "0s:60 0s:60 10ns:60 10ns:60 20ns:60"},
		{"a clock set back", at(100, 110, 60, 70, 80, 90, 100, 110, 120), Replay{Passes: 1}, "0s:60 10ns:60 10ns:60 20ns:60 30ns:60 40ns:60 50ns:60 60ns:60 70ns:60"},
		{"--pps", at(5, 5, 1000, 7), Replay{Passes: 1, Tempo: Tempo{PPS: 3e6}}, "0s:60 333.333333ms:60 666.666666ms:60 1s:60"},
		{"--pps less than one, and passes", at(5, 5), Replay{Passes: 2, Tempo: Tempo{PPS: 5e5}}, "0s:60 2s:60 4s:60 6s:60"},
		{"--mbps", at(5, 5, 1000), Replay{Passes: 1, Tempo: Tempo{Mbps: 48e6}}, "0s:60 10µs:60 20µs:60"},
		{"--topspeed", at(5, 5, 1000), Replay{Passes: 1, Tempo: Tempo{Line: 1e9}}, "0s:60 672ns:60 1.344µs:60"},
		{"--topspeed and -t", at(5, 5, 1000), Replay{Passes: 0, Duration: 1000, Tempo: Tempo{Line: 1e9}}, "0s:60 672ns:60"},
		{"the end of time", at(0, 1<<32-1), Replay{Passes: 0, Tempo: Tempo{Speed: 1e3}, Packets: 3}, "0s:60 1h11m34.967295s:60 2h23m9.93459s:60"},
	} {
		test.replay.Ethernet = true
		got, _, err := frames(t, test.content, test.replay)
		if s := strings.Join(got, " "); err != nil || s != test.want {
			t.Errorf("%s: %v\nwant %s\n got %s", test.name, err, test.want, s)
		}
	}
}

func TestReplayCounts(t *testing.T) {
	le := binary.LittleEndian
	udp := linktest.UDP(netip.MustParseAddrPort("10.0.0.1:9"), netip.MustParseAddrPort("10.0.0.2:9"), make([]byte, 100))
	content := join(section(le), face(le, 1), face(le, pcap.Raw), face(le, 147),
		packet(le, 0, 100, 60, 60),
		packet(le, 0, 90, 60, 400),                  // cut short, and out of order
		packet(le, 0, 200, 1515, 1515),              // too long
		packet(le, 0, 200, 60, 9000),                // too long, were it there
		packet(le, 0, 200, 10, 10),                  // no Ethernet
		packet(le, 1, 200, 20, 20),                  // no IP
		packet(le, 2, 200, 60, 60),                  // of a link that is not known
		block(le, blockSimple, make([]byte, 64)...), // without a time
		withBytes(packet(le, 1, 300, len(udp), 128), udp),
	)
	got, done, err := frames(t, content, Replay{Passes: 1, Ethernet: true})
	if s := strings.Join(got, " "); err != nil || s != "0s:60 0s:400 200ns:142" {
		t.Errorf("on Ethernet: %s, %v", s, err)
	}
	if want := (Replayed{Passes: 1, Packets: 3, CutShort: 1, Negative: 1, TooLong: 2, NoPlace: 3, Links: "link type 147", Untimed: 1}); done != want {
		t.Errorf("on Ethernet: %+v, want %+v", done, want)
	}
	got, done, err = frames(t, content, Replay{Passes: 1})
	if s := strings.Join(got, " "); err != nil || s != "0s:128" {
		t.Errorf("on a tun: %s, %v", s, err)
	}
	if want := (Replayed{Passes: 1, Packets: 1, NoPlace: 7, Links: "link type 147", Untimed: 1}); done != want {
		t.Errorf("on a tun: %+v, want %+v", done, want)
	}
}

// withBytes puts bytes into a packet block.
func withBytes(b, bytes []byte) []byte {
	copy(b[packetHeader:], bytes)
	return b
}

// Frames of one port become frames of another: with an Ethernet header, or without.
func TestReplayLinks(t *testing.T) {
	le := binary.LittleEndian
	for name, ends := range map[string][2]netip.AddrPort{
		"IPv4": {netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:2000")},
		"IPv6": {netip.MustParseAddrPort("[fd00::1]:1000"), netip.MustParseAddrPort("[fd00::2]:2000")},
	} {
		ip := linktest.UDP(ends[0], ends[1], []byte("payload"))
		kind := []byte{0x08, 0x00}
		if name == "IPv6" {
			kind = []byte{0x86, 0xdd}
		}
		addresses := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
		for link, header := range map[pcap.LinkType][]byte{
			pcap.Ethernet: join(addresses, kind),
			pcap.Raw:      {},
			pcap.Cooked:   join(make([]byte, 14), kind),
			pcap.Cooked2:  join(kind, make([]byte, 18)),
		} {
			whole := join(header, ip)
			content := join(section(le), face(le, link), withBytes(packet(le, 0, 1, len(whole), len(whole)), whole))
			for _, ethernet := range []bool{true, false} {
				c, err := pcap.Open(file(t, content), pcap.MaxKept)
				if err != nil {
					t.Fatal(err)
				}
				s := newScript(c, Replay{Tempo: Tempo{Speed: Recorded}, Passes: 1, MTU: 1500, Ethernet: ethernet,
					Dst: [6]byte(addresses[:6]), Src: [6]byte(addresses[6:])})
				f, err := s.next()
				c.Close()
				if err != nil {
					t.Fatalf("%s in %v: %v", name, link, err)
				}
				want := ip
				if ethernet {
					want = join(addresses, kind, ip)
				}
				if !bytes.Equal(f.Bytes(), want) {
					t.Errorf("%s in %v is\n%x, want\n%x", name, link, f.Bytes(), want)
				}
				if f.Size.Payload != 7 || f.Flow.DstPort != 2000 || f.Size.IP != len(ip) {
					t.Errorf("%s in %v: %v, %+v", name, link, f.Flow, f.Size)
				}
			}
		}
	}
}

// The cases of other programs, in frames of an MTU of 1500.
func TestReplayCases(t *testing.T) {
	for _, test := range []struct {
		name     string
		packets  uint64
		n        int    // bytes of each frame
		last     string // when the last leaves
		negative uint64
		onTun    int // bytes there
	}{
		{"01-tsresol-2e-32.pcapng", 21, 60, "2.5s", 0, 46},
		{"03-tsresol-2e-20.pcapng", 21, 60, "2.5s", 0, 46},
		{"05-vlan-full-size.pcap", 20, 1518, "19ms", 0, 1500},
		{"06-fcs-full-size.pcap", 20, 1514, "19ms", 0, 1500},
		{"07-fcs-small.pcap", 20, 60, "19ms", 0, 46},
		{"15-clock-set-back.pcap", 400, 60, "398ms", 1, 46},
		{"17-openbsd-raw.pcap", 20, 92, "19ms", 0, 78},
		{"19-tso-total-length-0.pcap", 20, 1442, "19ms", 0, 1428},
		{"20-ipv6-hop-by-hop-udp.pcap", 20, 120, "19ms", 0, 106},
	} {
		for _, ethernet := range []bool{true, false} {
			c, err := pcap.Open(filepath.Join("../../link/pcap/testdata", test.name), pcap.MaxKept)
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(c, Replay{Tempo: Tempo{Speed: Recorded}, Passes: 1, MTU: 1500, Ethernet: ethernet})
			want := test.n
			if !ethernet {
				want = test.onTun
			}
			for {
				f, err := s.next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(test.name, err)
				}
				if f.Len() != want || f.Flow.DstPort != 9 || f.Size.Payload == 0 {
					t.Errorf("%s: a frame of %d bytes, %v, %+v", test.name, f.Len(), f.Flow, f.Size)
				}
				f.Free()
			}
			c.Close()
			if s.done != (Replayed{Passes: 1, Packets: test.packets, Negative: test.negative}) || s.at.String() != test.last {
				t.Errorf("%s: %+v, the last at %v", test.name, s.done, s.at)
			}
		}
	}
}

// A filter takes the packets of a direction out of a file, whose times count from the first
// of them.
func TestReplayFilter(t *testing.T) {
	there := linktest.UDP(netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:2000"), make([]byte, 10))
	back := linktest.UDP(netip.MustParseAddrPort("10.0.0.2:2000"), netip.MustParseAddrPort("10.0.0.1:1000"), make([]byte, 20))
	b := pcap.AppendSection(nil)
	for _, name := range []string{"near", "far"} {
		b = pcap.AppendInterface(b, pcap.Interface{Name: name, Link: pcap.Raw})
	}
	for i := range clock.Time(3) {
		b = pcap.AppendPacket(b, 0, 1000*i, pcap.Received, back)
		b = pcap.AppendPacket(b, 0, 1000*i+300, pcap.Sent, there)
		b = pcap.AppendPacket(b, 1, 1000*i+400, pcap.Sent, back)
	}
	b = pcap.AppendPacket(b, 0, 3000, pcap.Sent, there)
	for text, want := range map[string]string{
		"":            "0s:48 300ns:38 400ns:48 1µs:48 1.3µs:38 1.4µs:48 2µs:48 2.3µs:38 2.4µs:48 3µs:38",
		"10.0.0.1 >":  "0s:38 1µs:38 2µs:38 2.7µs:38",
		"udp > :1000": "0s:48 400ns:48 1µs:48 1.4µs:48 2µs:48 2.4µs:48",
		"received":    "0s:48 1µs:48 2µs:48",
		"sent at far": "0s:48 1µs:48 2µs:48",
		"tcp":         "",
	} {
		filter, err := pcap.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		got, done, err := frames(t, b, Replay{Passes: 1, Filter: filter})
		if s := strings.Join(got, " "); s != want || done.Packets+done.Filtered != 10 || done.Packets != uint64(len(got)) {
			t.Errorf("%q: %s, %+v, want %s", text, s, done, want)
		}
		if want == "" != (err != nil) || err != nil && !strings.Contains(err.Error(), "meant by the filter") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// With a rate, packets need no times.
func TestReplayUntimed(t *testing.T) {
	le := binary.LittleEndian
	simple := make([]byte, 64)
	le.PutUint32(simple, 60)
	content := join(section(le), face(le, 1), block(le, blockSimple, simple...), block(le, blockSimple, simple...))
	got, done, err := frames(t, content, Replay{Passes: 1, Ethernet: true, Tempo: Tempo{PPS: 1e6}})
	if s := strings.Join(got, " "); err != nil || s != "0s:60 1s:60" || done.Untimed != 0 {
		t.Errorf("%s, %+v, %v", s, done, err)
	}
	if _, done, err = frames(t, content, Replay{Passes: 1, Ethernet: true}); err == nil || done.Untimed != 2 {
		t.Errorf("%+v, %v", done, err)
	}
}

// Ethernet's padding is no part of a packet that goes to a port without Ethernet.
func TestReplayPadding(t *testing.T) {
	le := binary.LittleEndian
	ip := linktest.UDP(netip.MustParseAddrPort("10.0.0.1:9"), netip.MustParseAddrPort("10.0.0.2:9"), []byte("short"))
	padded := join(make([]byte, 12), []byte{8, 0}, ip, make([]byte, 60-14-len(ip)))
	content := join(section(le), face(le, 1), withBytes(packet(le, 0, 1, 60, 60), padded), withBytes(packet(le, 0, 1, 40, 60), padded[:40]))
	for ethernet, want := range map[bool]string{true: "0s:60 0s:60", false: "0s:33 0s:33"} {
		got, done, err := frames(t, content, Replay{Passes: 1, Ethernet: ethernet})
		if s := strings.Join(got, " "); err != nil || s != want || done.CutShort != 1 {
			t.Errorf("%s, %+v, %v", s, done, err)
		}
	}
}

// Jumbo frames are sent where the MTU is theirs.
func TestReplayJumbo(t *testing.T) {
	le := binary.LittleEndian
	content := join(section(le), face(le, 1), packet(le, 0, 1, 9014, 9014), packet(le, 0, 2, 9015, 9015), packet(le, 0, 3, 60, 65549))
	for mtu, want := range map[int]string{1500: "", 9000: "0s:9014", 65535: "0s:9014 1ns:9015 2ns:65549"} {
		got, done, _ := frames(t, content, Replay{Passes: 1, Ethernet: true, MTU: mtu})
		if s := strings.Join(got, " "); s != want || int(done.TooLong) != 3-len(got) {
			t.Errorf("MTU %d: %s, %+v", mtu, s, done)
		}
	}
}

func TestReplayNothing(t *testing.T) {
	le := binary.LittleEndian
	for _, content := range [][]byte{at(), join(section(le), face(le, 147), packet(le, 0, 1, 60, 60))} {
		if got, _, err := frames(t, content, Replay{Ethernet: true}); err == nil || !strings.Contains(err.Error(), "no packet") {
			t.Errorf("%v, %v", got, err)
		}
	}
	wlan := join(section(le), face(le, 105), packet(le, 0, 1, 60, 60))
	if _, _, err := frames(t, wlan, Replay{Ethernet: true}); err == nil || !strings.Contains(err.Error(), "some are of IEEE 802.11 (link type 105)") {
		t.Error(err)
	}
}

// FuzzReplay has any file, as any of the replays: what is sent fits, and its times do not
// go back.
func FuzzReplay(f *testing.F) {
	le, be := binary.LittleEndian, binary.BigEndian
	f.Add(join(section(le), face(le, 1), packet(le, 0, 1, 60, 60), packet(le, 0, 2, 60, 1500)), uint8(0))
	f.Add(join(section(be), face(be, 101), packet(be, 0, 1, 60, 60)), uint8(3))
	f.Add(at(100, 90, 110, 20, 30), uint8(1))
	names, err := filepath.Glob("../../link/pcap/testdata/*")
	if err != nil || len(names) < 13 {
		f.Fatal(names, err)
	}
	for i, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 3100)], uint8(i))
	}
	tempos := []Tempo{{Speed: Recorded}, {PPS: 1e9}, {Mbps: 1e8}, {Line: 1e9}, {Speed: slowest}, {Speed: fastest}}
	f.Fuzz(func(t *testing.T, content []byte, kind uint8) {
		c, err := pcap.Open(file(t, content), pcap.MaxKept)
		if err != nil {
			return
		}
		defer c.Close()
		ethernet := kind%2 == 0
		s := newScript(c, Replay{Tempo: tempos[int(kind/2)%len(tempos)], Passes: 2, MTU: 1500, Ethernet: ethernet})
		last, sent := int64(0), uint64(0)
		for range 1000 {
			f, err := s.next()
			if err != nil {
				break
			}
			sent++
			most := 1500
			if ethernet {
				most = 1522
			}
			if f.Len() > most || int64(f.Depart) < last {
				t.Errorf("a frame of %d bytes at %v, after %d", f.Len(), f.Depart, last)
			}
			last = int64(f.Depart)
			f.Free()
		}
		if s.done.Packets != sent || s.done.CutShort > sent || s.done.Negative > sent {
			t.Errorf("%d frames, %+v", sent, s.done)
		}
	})
}
