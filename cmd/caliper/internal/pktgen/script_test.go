package pktgen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/netcaliper/caliper/link/linktest"
)

// frames replays a file and returns what a frame is: "100ns 60 bytes of udp ...".
func frames(t *testing.T, content []byte, replay Replay) (list []string, done Replayed, err error) {
	t.Helper()
	c, err := OpenCapture(file(t, content))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if replay.Speed == 0 {
		replay.Speed = Recorded
	}
	if replay.MTU == 0 {
		replay.MTU = 1500
	}
	s := script{capture: c, replay: replay}
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
		{"twice as fast", at(1000, 1007, 2000), Replay{Passes: 1, Speed: 2e6}, "0s:60 3ns:60 500ns:60"},
		{"a third faster", at(0, 3, 300), Replay{Passes: 1, Speed: 1.5e6}, "0s:60 2ns:60 200ns:60"},
		{"slower", at(1000, 1007, 2000), Replay{Passes: 1, Speed: 1e3}, "0s:60 7µs:60 1ms:60"},
		{"passes follow by the mean gap", at(5, 15, 105), Replay{Passes: 3}, "0s:60 10ns:60 100ns:60 150ns:60 160ns:60 250ns:60 300ns:60 310ns:60 400ns:60"},
		{"a pass of one packet", at(5), Replay{Passes: 2}, "0s:60 0s:60"},
		{"no end", at(0, 10), Replay{Packets: 5}, "0s:60 10ns:60 20ns:60 30ns:60 40ns:60"},
		{"-n", at(0, 10, 20), Replay{Passes: 1, Packets: 2}, "0s:60 10ns:60"},
		{"-t", at(0, 10, 20), Replay{Passes: 1, Duration: 20}, "0s:60 10ns:60"},
		{"out of order", at(100, 90, 110, 105, 120), Replay{Passes: 1}, "0s:60 0s:60 10ns:60 10ns:60 20ns:60"},
		{"the end of time", at(0, 1<<32-1), Replay{Passes: 0, Speed: 1e3, Packets: 3}, "0s:60 1h11m34.967295s:60 2h23m9.93459s:60"},
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
	content := join(section(le), face(le, 1), face(le, layers.LinkTypeRaw), face(le, layers.LinkTypeLoop),
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
	if want := (Replayed{Passes: 1, Packets: 3, CutShort: 1, Disordered: 1, TooLong: 2, NoPlace: 3}); done != want {
		t.Errorf("on Ethernet: %+v, want %+v", done, want)
	}
	got, done, err = frames(t, content, Replay{Passes: 1})
	if s := strings.Join(got, " "); err != nil || s != "0s:128" {
		t.Errorf("on a tun: %s, %v", s, err)
	}
	if want := (Replayed{Passes: 1, Packets: 1, NoPlace: 7}); done != want {
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
		for link, header := range map[layers.LinkType][]byte{
			layers.LinkTypeEthernet:  join(addresses, kind),
			layers.LinkTypeRaw:       {},
			layers.LinkTypeLinuxSLL:  join(make([]byte, 14), kind),
			layers.LinkTypeLinuxSLL2: join(kind, make([]byte, 18)),
		} {
			whole := join(header, ip)
			content := join(section(le), face(le, link), withBytes(packet(le, 0, 1, len(whole), len(whole)), whole))
			for _, ethernet := range []bool{true, false} {
				c, err := OpenCapture(file(t, content))
				if err != nil {
					t.Fatal(err)
				}
				s := script{capture: c, replay: Replay{Speed: Recorded, Passes: 1, MTU: 1500, Ethernet: ethernet,
					Dst: [6]byte(addresses[:6]), Src: [6]byte(addresses[6:])}}
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

func TestReplayNothing(t *testing.T) {
	le := binary.LittleEndian
	for _, content := range [][]byte{at(), join(section(le), face(le, 147), packet(le, 0, 1, 60, 60))} {
		if got, _, err := frames(t, content, Replay{Ethernet: true}); err == nil || !strings.Contains(err.Error(), "no packet") {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestParseSpeed(t *testing.T) {
	for s, want := range map[string]Speed{"1": 1e6, "0.5": 5e5, "2.25": 2.25e6, "0.001": 1e3, "1000000": 1e12, "1.000001": 1000001, "10.": 1e7} {
		if v, err := ParseSpeed(s); err != nil || v != want {
			t.Errorf("%s is %d, %v", s, v, err)
		}
	}
	if s := Speed(2_250_000).String(); s != "2.25" {
		t.Errorf("2.25 is written %s", s)
	}
	for _, s := range []string{"", "0", "-1", "x", ".5", "0.0001", "1000000.1", "1.0000001", "1e3", "99999999999999999999", "NaN"} {
		if v, err := ParseSpeed(s); err == nil {
			t.Errorf("%s is %d", s, v)
		}
	}
}
