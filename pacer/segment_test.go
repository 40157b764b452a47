package pacer_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

const tcp4 = "0fa01451 01020304 05060708"

func TestParseSegment(t *testing.T) {
	type blocks = []pacer.SACKBlock
	one, two := "00000001 00000002", "00000003 00000004"
	for _, test := range []struct {
		name    string
		packet  []byte
		payload int
		sacks   blocks
	}{
		{"plain", packet(60, ip4TCP, tcp4, "50110203 00000000"), 60, nil},
		{"with padding behind", packet(90, ip4TCP, tcp4, "50110203 00000000"), 60, nil},
		{"over IPv6", packet(40, ip6TCP, tcp4, "50110203 00000000"), 40, nil},
		{"behind hop-by-hop options", packet(32, "60000000 003c0040", addrs6, "0600050200000100", tcp4, "50110203 00000000"), 32, nil},
		{"of a total length 0", packet(60, "45000000", ip4TCP[8:], tcp4, "50110203 00000000"), 60, nil},
		{"timestamps", packet(48, ip4TCP, tcp4, "80110203 00000000 0101080a", one), 48, nil},
		{"a block", packet(48, ip4TCP, tcp4, "80110203 00000000 0101050a", one), 48, blocks{{Start: 1, End: 2}}},
		{"a block over IPv6", packet(28, ip6TCP, tcp4, "80110203 00000000 0101050a", one), 28, blocks{{Start: 1, End: 2}}},
		{"timestamps and three blocks", packet(20, ip4TCP, tcp4, "f0110203 00000000 0101080a", one, "0101051a", one, two, one), 20,
			blocks{{Start: 1, End: 2}, {Start: 3, End: 4}, {Start: 1, End: 2}}},
		{"four blocks", packet(24, ip4TCP, tcp4, "e0110203 00000000 01010522", one, two, one, two), 24,
			blocks{{Start: 1, End: 2}, {Start: 3, End: 4}, {Start: 1, End: 2}, {Start: 3, End: 4}}},
		{"two options of blocks", packet(36, ip4TCP, tcp4, "b0110203 00000000 050a", one, "050a", one, "01010101"), 36,
			blocks{{Start: 1, End: 2}, {Start: 1, End: 2}}},
		{"behind the end of options", packet(48, ip4TCP, tcp4, "80110203 00000000 0100050a", one), 48, nil},
		{"half a block", packet(52, ip4TCP, tcp4, "70110203 00000000 01010506 00000001"), 52, nil},
		{"no block", packet(56, ip4TCP, tcp4, "60110203 00000000 01010502"), 56, nil},
		{"an option longer than the header", packet(48, ip4TCP, tcp4, "80110203 00000000 0101050b", one), 48, nil},
		{"an option without length", packet(56, ip4TCP, tcp4, "60110203 00000000 01010105"), 56, nil},
		{"an option of length 0", packet(48, ip4TCP, tcp4, "80110203 00000000 0800050a", one), 48, nil},
	} {
		s, ok := pacer.ParseSegment(test.packet)
		if !ok || s.Seq != 0x01020304 || s.Ack != 0x05060708 || s.Flags != pacer.FlagACK|pacer.FlagFIN ||
			s.Window != 0x0203 || s.Payload != test.payload || s.End() != s.Seq+pacer.Seq(test.payload) ||
			!slices.Equal(s.SACK(), test.sacks) {
			t.Errorf("%s: %+v, %v, want a payload of %d and %v", test.name, s, ok, test.payload, test.sacks)
		}
	}
	for _, test := range []struct {
		name   string
		packet []byte
	}{
		{"nothing", nil},
		{"UDP", packet(72, ip4UDP, udp)},
		{"first fragment of TCP", packet(60, "45000064 00012000 40060000 0a000001 0a000002", tcp20)},
		{"later fragment of TCP", packet(60, "45000064 00010010 40060000 0a000001 0a000002", tcp20)},
		{"IPv6 fragment", packet(52, ip6Frag, "0600000100000001")},
		{"cut short", packet(59, ip4TCP, tcp20)},
		{"no TCP header", packet(19, "45000027 00014000 40060000 0a000001 0a000002")},
		{"offset too small", packet(60, ip4TCP, tcp16)},
		{"offset too large", packet(0, "45000028 00014000 40060000 0a000001 0a000002", tcp32)},
	} {
		if s, ok := pacer.ParseSegment(test.packet); ok {
			t.Errorf("%s: %+v", test.name, s)
		}
	}
}

// FuzzParseSegment checks that any bytes are read within their bounds, as Parse reads them.
func FuzzParseSegment(f *testing.F) {
	for _, p := range [][]byte{
		packet(60, ip4TCP, tcp32), packet(68, ip4Opt, "010101", tcp20), packet(40, ip6TCP, tcp20), nil,
		packet(20, ip4TCP, tcp4, "f0110203 00000000 0101080a 0102030401020304 0101051a 010203040506070801020304050607080102030405060708"),
	} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		s, ok := pacer.ParseSegment(p)
		flow, size := pacer.Parse(p)
		if !ok {
			if s.Payload != 0 || len(s.SACK()) != 0 {
				t.Errorf("not a segment, and yet %+v", s)
			}
			return
		}
		if flow.Proto != pacer.ProtoTCP || s.Payload != size.Payload || len(s.SACK()) > 4 {
			t.Errorf("%+v of %v, %+v", s, flow, size)
		}
		if again, ok := pacer.ParseSegment(p[:size.IP]); !ok || again != s {
			t.Errorf("without what is behind it %+v is %+v", s, again)
		}
		var head [12]byte
		binary.BigEndian.PutUint16(head[0:], flow.SrcPort)
		binary.BigEndian.PutUint16(head[2:], flow.DstPort)
		binary.BigEndian.PutUint32(head[4:], uint32(s.Seq))
		binary.BigEndian.PutUint32(head[8:], uint32(s.Ack))
		if !bytes.Contains(p, head[:]) {
			t.Errorf("%+v of %v is not in the packet", s, flow)
		}
		for _, b := range s.SACK() {
			var block [8]byte
			binary.BigEndian.PutUint32(block[0:], uint32(b.Start))
			binary.BigEndian.PutUint32(block[4:], uint32(b.End))
			if !bytes.Contains(p, block[:]) {
				t.Errorf("block %v is not in the packet", b)
			}
		}
	})
}

func BenchmarkParseSegment(b *testing.B) {
	p := packet(20, ip4TCP, tcp4, "f0110203 00000000 0101080a 0102030401020304",
		"0101051a 010203040506070801020304050607080102030405060708")
	b.ReportAllocs()
	for b.Loop() {
		pacer.ParseSegment(p)
	}
}
