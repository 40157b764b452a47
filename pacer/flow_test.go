package pacer_test

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

// packet joins lines of hex digits and adds n zero bytes.
func packet(n int, lines ...string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(lines, ""), " ", ""))
	if err != nil {
		panic(err)
	}
	return append(b, make([]byte, n)...)
}

const (
	ip4TCP  = "45000064 00014000 40060000 0a000001 0a000002"    // total length 100
	ip4UDP  = "45000064 00014000 40110000 0a000001 0a000002"    //
	ip4Frag = "45000064 00012000 40110000 0a000001 0a000002"    // more fragments
	ip4Tail = "45000064 00010010 40110000 0a000001 0a000002"    // offset 128
	ip4Opt  = "46000064 00014000 40110000 0a000001 0a000002 01" // 24-byte header, its options begin
	ip4ICMP = "45000064 00014000 40010000 0a000001 0a000002"
	addrs6  = "fd000000000000000000000000000001 fd000000000000000000000000000002"
	ip6TCP  = "60000000 003c0640" + addrs6 // payload length 60
	ip6UDP  = "60000000 003c1140" + addrs6
	ip6Frag = "60000000 003c2c40" + addrs6
	tcp20   = "0fa01451 00000001 00000002 50100000 00000000" // ports 4000 and 5201
	tcp32   = "0fa01451 00000001 00000002 80100000 00000000"
	tcp16   = "0fa01451 00000001 00000002 40100000 00000000" // an offset that cannot be
	udp     = "0fa01451 00500000"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name        string
		packet      []byte
		flow        string
		ip, payload int
	}{
		{"tcp", packet(60, ip4TCP, tcp20), "tcp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 60},
		{"tcp with options", packet(60, ip4TCP, tcp32), "tcp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 48},
		{"Ethernet padding is not counted", packet(90, ip4TCP, tcp20), "tcp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 60},
		{"udp", packet(72, ip4UDP, udp), "udp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 72},
		{"udp behind IP options", packet(68, ip4Opt, "010101", udp), "udp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 68},
		{"first fragment", packet(72, ip4Frag, udp), "udp 10.0.0.1:0 > 10.0.0.2:0", 100, 80},
		{"later fragment", packet(80, ip4Tail), "udp 10.0.0.1:0 > 10.0.0.2:0", 100, 80},
		{"icmp", packet(80, ip4ICMP), "icmp 10.0.0.1:0 > 10.0.0.2:0", 100, 0},
		{"tcp, offset too small", packet(60, ip4TCP, tcp16), "tcp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 0},
		{"tcp over IPv6", packet(40, ip6TCP, tcp20), "tcp [fd00::1]:4000 > [fd00::2]:5201", 100, 40},
		{"udp over IPv6", packet(52, ip6UDP, udp), "udp [fd00::1]:4000 > [fd00::2]:5201", 100, 52},
		{"IPv6 fragment", packet(52, ip6Frag, "1100000100000001"), "udp [fd00::1]:0 > [fd00::2]:0", 100, 52},
		{"IPv6 fragment that is whole", packet(44, ip6Frag, "1100000000000001", udp), "udp [fd00::1]:4000 > [fd00::2]:5201", 100, 44},
		{"behind hop-by-hop options", packet(44, "60000000 003c0040", addrs6, "1100050200000100", udp), "udp [fd00::1]:4000 > [fd00::2]:5201", 100, 44},
		{"behind three extension headers", packet(4, "60000000 003c2b40", addrs6, "3c00000000000000", "3301000000000000 0000000000000000",
			"0602000000000000 0000000000000000", tcp20), "tcp [fd00::1]:4000 > [fd00::2]:5201", 100, 0},
		{"behind an extension header that is cut short", packet(0, "60000000 00083c40", addrs6, "1101050200000100"), "ip-60 [fd00::1]:0 > [fd00::2]:0", 48, 0},
		{"behind too many extension headers", packet(0, "60000000 00483c40", addrs6, strings.Repeat("3c00000000000000", 9)), "ip-60 [fd00::1]:0 > [fd00::2]:0", 112, 0},
		{"nothing behind IPv6", packet(20, "60000000 00003b40", addrs6), "ip-59 [fd00::1]:0 > [fd00::2]:0", 40, 0},
		{"IPv4 length 0", packet(60, "45000000", ip4TCP[8:], tcp20), "tcp 10.0.0.1:4000 > 10.0.0.2:5201", 100, 60},
		{"IPv6 length 0", packet(40, "60000000 00000640", addrs6, tcp20), "tcp [fd00::1]:4000 > [fd00::2]:5201", 100, 40},

		{"nothing", nil, "not IP", 0, 0},
		{"ARP", packet(20, "00010800 06040001"), "not IP", 0, 0},
		{"IPv4 cut short", packet(59, ip4TCP, tcp20), "not IP", 0, 0},
		{"IPv4 header of 16 bytes", packet(80, "44", ip4TCP[2:]), "not IP", 0, 0},
		{"IPv4 total below the header", packet(80, "4500000f", ip4TCP[8:]), "not IP", 0, 0},
		{"IPv6 cut short", packet(39, ip6TCP, tcp20), "not IP", 0, 0},
		{"IPv6 header cut short", packet(0, ip6TCP)[:39], "not IP", 0, 0},
		{"tcp header cut short", packet(19, "45000027 00014000 40060000 0a000001 0a000002"), "tcp 10.0.0.1:0 > 10.0.0.2:0", 39, 0},
		{"udp header cut short", packet(7, "4500001b 00014000 40110000 0a000001 0a000002"), "udp 10.0.0.1:0 > 10.0.0.2:0", 27, 0},
	} {
		f, n := pacer.Parse(test.packet)
		want := pacer.Size{IP: test.ip, Payload: test.payload}
		if f.String() != test.flow || n != want {
			t.Errorf("%s: got %v, %+v, want %v, %+v", test.name, f, n, test.flow, want)
		}
	}
}

func TestFlowOf(t *testing.T) {
	for _, test := range []struct{ src, dst, want string }{
		{"10.0.0.1:4000", "10.0.0.2:5201", "tcp 10.0.0.1:4000 > 10.0.0.2:5201"},
		{"[fd00::1]:4000", "[fd00::2]:5201", "tcp [fd00::1]:4000 > [fd00::2]:5201"},
	} {
		src, dst := netip.MustParseAddrPort(test.src), netip.MustParseAddrPort(test.dst)
		f := pacer.FlowOf(pacer.ProtoTCP, src, dst)
		if f.String() != test.want {
			t.Errorf("got %v, want %v", f, test.want)
		}
		if f.Reverse() != pacer.FlowOf(pacer.ProtoTCP, dst, src) || f.Reverse().Reverse() != f {
			t.Errorf("the reverse of %v is %v", f, f.Reverse())
		}
	}

	// The same IPv4 addresses give the same flow, in whatever form they come.
	plain := netip.MustParseAddrPort("10.0.0.1:1")
	mapped := netip.MustParseAddrPort("[::ffff:10.0.0.1]:1")
	if pacer.FlowOf(6, plain, plain) != pacer.FlowOf(6, mapped, mapped) {
		t.Error("an IPv4 address and its mapped form are different flows")
	}
	if f, _ := pacer.Parse(packet(60, ip4TCP, tcp20)); f != pacer.FlowOf(6,
		netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:5201")) {
		t.Errorf("the packet's flow %v is not the one of its addresses", f)
	}
}

// FuzzParse checks what must hold of any bytes: sizes within the packet, ports from where
// the packet has them, and the same answer whatever follows the packet.
func FuzzParse(f *testing.F) {
	for _, p := range [][]byte{
		packet(60, ip4TCP, tcp32), packet(72, ip4UDP, udp), packet(80, ip4Tail), packet(68, ip4Opt, "010101", udp),
		packet(40, ip6TCP, tcp20), packet(52, ip6Frag, "1100000100000001"), packet(3, "45000003"), nil,
	} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		flow, n := pacer.Parse(p)
		if n.Payload < 0 || n.Payload > n.IP || n.IP > len(p) || n.Wire != 0 {
			t.Errorf("%v: sizes %+v of %d bytes", flow, n, len(p))
		}
		if n.IP == 0 && flow != (pacer.Flow{}) {
			t.Errorf("%v has no bytes", flow)
		}
		if again, m := pacer.Parse(p[:n.IP]); n.IP > 0 && (again != flow || m != n) {
			t.Errorf("without what is behind it %v, %+v is %v, %+v", flow, n, again, m)
		}
		for cut := range p[:min(len(p), 200)] {
			part, m := pacer.ParseCut(p[:cut], len(p))
			if m.IP != 0 && m.IP != n.IP || m.Payload < 0 || m.Payload > m.IP || part.SrcPort != 0 && part.SrcPort != flow.SrcPort {
				t.Errorf("%v, %+v is %v, %+v where %d bytes of it are there", flow, n, part, m, cut)
			}
		}
		if flow.SrcPort == 0 && flow.DstPort == 0 || p[0]>>4 == 6 && p[6] != flow.Proto { // behind extension headers
			return
		}
		header := 40
		if p[0]>>4 == 4 {
			header = int(p[0]&15) * 4
		}
		if binary.BigEndian.Uint16(p[header:]) != flow.SrcPort || binary.BigEndian.Uint16(p[header+2:]) != flow.DstPort {
			t.Errorf("%v does not have the ports of the packet", flow)
		}
	})
}

// TestParseCut has headers and no payload, as captures do.
func TestParseCut(t *testing.T) {
	for _, whole := range [][]byte{
		packet(60, ip4TCP, tcp32), packet(72, ip4UDP, udp), packet(68, ip4Opt, "010101", udp), packet(80, ip4Tail),
		packet(40, ip6TCP, tcp20), packet(44, "60000000 003c0040", addrs6, "1100050200000100", udp),
		packet(1<<17, "45000000", ip4TCP[8:], tcp20), // longer than IP can say
	} {
		f, n := pacer.Parse(whole)
		if g, m := pacer.ParseCut(whole[:len(whole)-n.Payload], len(whole)); g != f || m != n {
			t.Errorf("%v, %+v without its payload is %v, %+v", f, n, g, m)
		}
	}
	if f, n := pacer.ParseCut(packet(0, ip4TCP, "0fa01451"), 100); f.DstPort != 5201 || n.IP != 100 || n.Payload != 0 {
		t.Errorf("cut behind the ports: %v, %+v", f, n)
	}
	if f, n := pacer.ParseCut(packet(0, ip4TCP), 100); f.Proto != 6 || f.DstPort != 0 || n.IP != 100 {
		t.Errorf("cut behind IP: %v, %+v", f, n)
	}
}

func BenchmarkParse(b *testing.B) {
	p := packet(60, ip4TCP, tcp20)
	b.ReportAllocs()
	for b.Loop() {
		pacer.Parse(p)
	}
}
