package pacer_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

func parseRule(t testing.TB, s string) pacer.Rule {
	t.Helper()
	r, err := pacer.ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func flowOf(proto uint8, src, dst string) pacer.Flow {
	return pacer.FlowOf(proto, netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst))
}

func TestRuleMatches(t *testing.T) {
	tcp4 := flowOf(pacer.ProtoTCP, "10.1.2.3:4000", "10.0.0.2:5201")
	udp6 := flowOf(pacer.ProtoUDP, "[2001:db8::1]:4000", "[2001:db8:0:1::2]:53")
	icmp := flowOf(1, "10.1.2.3:0", "10.0.0.2:0")
	arp := pacer.Flow{}
	plain := pacer.Tag{}
	marked := pacer.Tag{Mark: 0x1234, Owner: 1000, DSCP: 46, Label: 0x12345}
	for _, test := range []struct {
		rule string
		flow pacer.Flow
		tag  pacer.Tag
		want bool
	}{
		{"any", tcp4, plain, true},
		{"any", arp, plain, true},
		{"proto=tcp", tcp4, plain, true},
		{"proto=tcp", udp6, plain, false},
		{"proto=17", udp6, plain, true},
		{"proto=icmp", icmp, plain, true},

		{"src=10.0.0.0/8", tcp4, plain, true},
		{"src=10.1.2.3", tcp4, plain, true},
		{"src=10.1.2.4", tcp4, plain, false},
		{"src=10.1.0.0/16,dst=10.1.0.0/16", tcp4, plain, false},
		{"dst=0.0.0.0/0", tcp4, plain, true},
		{"dst=0.0.0.0/0", udp6, plain, false},
		{"dst=::/0", udp6, plain, true},
		{"dst=::/0", tcp4, plain, false},
		{"dst=::/0", arp, plain, false},
		{"dst=2001:db8:0:1::/64", udp6, plain, true},
		{"src=2001:db8:0:1::/64", udp6, plain, false},
		{"src=2001:db8::1/128", udp6, plain, true},

		{"dport=5201", tcp4, plain, true},
		{"dport=5000-6000", tcp4, plain, true},
		{"dport=5202-6000", tcp4, plain, false},
		{"dport=5000-5200", tcp4, plain, false},
		{"sport=5201", tcp4, plain, false},
		{"sport=4000,dport=1-65535", tcp4, plain, true},
		{"dport=1-65535", icmp, plain, false},

		{"dscp=46", tcp4, marked, true},
		{"dscp=46", tcp4, plain, false},
		{"dscp=0", tcp4, plain, true},
		{"dscp=0", tcp4, marked, false},
		{"dscp=0x28/0x38", tcp4, marked, true},
		{"mark=0x34/0xff", tcp4, marked, true},
		{"mark=0x34", tcp4, marked, false},
		{"mark=4660", tcp4, marked, true},
		{"owner=1000", tcp4, marked, true},
		{"owner=1001", tcp4, marked, false},
		{"label=0x12345", udp6, marked, true},
		{"label=0x12344", udp6, marked, false},
		{"proto=tcp,dst=10.0.0.0/8,dport=5000-6000,dscp=46,mark=0x30/0xf0,owner=1000,label=0x12345", tcp4, marked, true},
	} {
		r := parseRule(t, test.rule)
		if got := r.Matches(&test.flow, &test.tag); got != test.want {
			t.Errorf("%q of %v with %+v: %v, want %v", test.rule, test.flow, test.tag, got, test.want)
		}
	}
}

func TestRulesFirstMatchCounts(t *testing.T) {
	rules := pacer.Rules{
		parseRule(t, "dst=10.0.0.2,dport=5201"),
		parseRule(t, "proto=tcp"),
		parseRule(t, "dst=10.0.0.0/8"),
	}
	for _, test := range []struct {
		flow pacer.Flow
		want int
	}{
		{flowOf(pacer.ProtoTCP, "10.0.0.1:9", "10.0.0.2:5201"), 0},
		{flowOf(pacer.ProtoTCP, "10.0.0.1:9", "10.0.0.2:5202"), 1},
		{flowOf(pacer.ProtoUDP, "10.0.0.1:9", "10.0.0.2:5201"), 0},
		{flowOf(pacer.ProtoUDP, "10.0.0.1:9", "10.0.0.3:5201"), 2},
		{flowOf(pacer.ProtoUDP, "10.0.0.1:9", "11.0.0.3:5201"), -1},
	} {
		if got := rules.Match(&test.flow, &pacer.Tag{}); got != test.want {
			t.Errorf("%v: rule %d, want %d", test.flow, got, test.want)
		}
	}
	if got := (pacer.Rules)(nil).Match(&pacer.Flow{}, &pacer.Tag{}); got != -1 {
		t.Errorf("no rules: rule %d", got)
	}
}

func TestRuleString(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"any", "any"},
		{"label=0x12345,owner=1000,mark=0x10/0xff,dscp=46,dport=5000-6000,sport=53-53,dst=10.0.0.0/8,src=2001:db8::1,proto=6",
			"proto=tcp,src=2001:db8::1/128,dst=10.0.0.0/8,sport=53,dport=5000-6000,dscp=46,mark=0x10/0xff,owner=1000,label=0x12345"},
		{"dscp=0x2e,owner=0,mark=16/0xffffffff", "dscp=46,mark=0x10,owner=0"},
		{"proto=47", "proto=47"},
	} {
		if got := parseRule(t, test.text).String(); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestParseRuleErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "is not one of proto, src, dst"},
		{"port=80", `"port=80" is not one of proto, src, dst`},
		{"any,proto=tcp", "is not one of proto, src, dst"},
		{"proto=tcp,", "is not one of proto, src, dst"},
		{"proto=tcp,proto=udp", "proto is given twice"},
		{"proto=sctp", `proto: "sctp" is not tcp, udp`},
		{"proto=0", "a number from 1 to 255"},
		{"proto", "is not tcp, udp"},
		{"src=10.0.0.0/33", "is not a prefix or address"},
		{"dst=fe80::1%eth0", "is not a prefix or address"},
		{"dst=10.1.2.3/8", "write 10.0.0.0/8"},
		{"dst=::ffff:10.0.0.1", "write it as IPv4"},
		{"dport=0", "a port from 1 to 65535"},
		{"dport=6000-5000", "a port from 1 to 65535"},
		{"dport=65536", "a port from 1 to 65535"},
		{"dport=1-2-3", "a port from 1 to 65535"},
		{"dscp=64", "is not a number up to 63"},
		{"label=0x100000", "is not a number up to 1048575"},
		{"owner=-1", "is not a number up to 4294967295"},
		{"owner=1_000", "is not a number"},
		{"mark=0x100/0xff", "bits outside of its mask"},
		{"mark=0/0", "a mask of 0 asks for nothing"},
		{strings.Repeat("x", 1e6), "xxx..."},
	} {
		_, err := pacer.ParseRule(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 300 {
			t.Errorf("%.30q: error %v, want one with %q", test.text, err, test.want)
		}
	}
}

// FuzzParseRule holds that what is read is written so that it is read the same, and that no
// packet makes a rule panic.
func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"any", "proto=tcp,src=10.0.0.0/8,dst=::/0,sport=1,dport=5000-6000,dscp=46,mark=0x10/0xff,owner=1000,label=0x12345",
		"proto=58", "dscp=0/1", "mark=0x0", "dst=1.2.3.4", "src=::ffff:1.2.3.4/99", "mark=+1", "dport=080", "dst=fe80::%1/64"} {
		f.Add(s, []byte("0123456789abcdefghijklmnopqrstuvwxyz"), uint32(0x10), uint32(1000), uint32(0x12345), uint8(46))
	}
	f.Fuzz(func(t *testing.T, text string, packet []byte, mark, owner, label uint32, dscp uint8) {
		var flow pacer.Flow
		copy(flow.Src[:], packet)
		copy(flow.Dst[:], packet[min(16, len(packet)):])
		if len(packet) > 32 {
			flow.Proto, flow.DstPort = packet[32], uint16(packet[32])*256
		}
		tag := pacer.Tag{Mark: mark, Owner: owner, Label: label, DSCP: dscp}
		r, err := pacer.ParseRule(text)
		if err != nil {
			if r != (pacer.Rule{}) {
				t.Errorf("%q is refused and a rule: %v", text, r)
			}
			return
		}
		again, err := pacer.ParseRule(r.String())
		if err != nil || again != r {
			t.Errorf("%q is written as %q, which is %v, %v", text, r, again, err)
		}
		if r.Matches(&flow, &tag) != again.Matches(&flow, &tag) {
			t.Errorf("%q matches and does not", text)
		}
	})
}

// Rules at random agree with a search bit for bit.
func TestRulePrefixBitForBit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		var a, b [16]byte
		for i := range a {
			a[i] = byte(rng.Uint32())
		}
		b = a
		if bit := rng.IntN(160); bit < 128 {
			b[bit/8] ^= 0x80 >> (bit % 8)
		}
		length := rng.IntN(129)
		prefix, err := netip.AddrFrom16(a).Prefix(length)
		if err != nil {
			t.Fatal(err)
		}
		want := true
		for i := range length {
			want = want && (a[i/8]^b[i/8])&(0x80>>(i%8)) == 0
		}
		r := pacer.Rule{Src: prefix}
		if got := r.Matches(&pacer.Flow{Src: b}, &pacer.Tag{}); got != want {
			t.Fatalf("%v holds %v: %v, want %v", prefix, netip.AddrFrom16(b), got, want)
		}
	}
}

func TestRuleDoesNotAllocate(t *testing.T) {
	rules := pacer.Rules{parseRule(t, "dst=2001:db8::/32,dport=1-100,mark=1"), parseRule(t, "proto=tcp,dst=10.0.0.0/8,dport=5000-6000")}
	flow, tag := flowOf(pacer.ProtoTCP, "10.1.2.3:4000", "10.0.0.2:5201"), pacer.Tag{}
	if allocs := testing.AllocsPerRun(100, func() { rules.Match(&flow, &tag) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// The first rule that means a packet counts.
func ExampleRules() {
	var rules pacer.Rules
	for _, s := range []string{"proto=tcp,dst=10.0.0.0/8,dport=5000-6000", "dscp=46", "any"} {
		r, err := pacer.ParseRule(s)
		if err != nil {
			fmt.Println(err)
			return
		}
		rules = append(rules, r)
	}
	flow := pacer.FlowOf(pacer.ProtoUDP, netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:5201"))
	i := rules.Match(&flow, &pacer.Tag{DSCP: 46})
	fmt.Printf("%v: rule %d, %v\n", flow, i, rules[i])

	// Output:
	// udp 10.0.0.1:4000 > 10.0.0.2:5201: rule 1, dscp=46
}

func BenchmarkRule(b *testing.B) {
	flow, tag := flowOf(pacer.ProtoTCP, "10.1.2.3:4000", "10.0.0.2:5201"), pacer.Tag{}
	for _, s := range []string{"any", "dport=80", "src=10.0.0.0/8,dst=10.0.0.0/8,dport=5000-6000"} {
		b.Run(s, func(b *testing.B) {
			r := parseRule(b, s)
			b.ReportAllocs()
			for b.Loop() {
				r.Matches(&flow, &tag)
			}
		})
	}
	b.Run("100 rules", func(b *testing.B) {
		var rules pacer.Rules
		for i := range 99 {
			rules = append(rules, parseRule(b, fmt.Sprintf("dst=10.%d.0.0/16", i+1)))
		}
		rules = append(rules, pacer.Rule{})
		b.ReportAllocs()
		for b.Loop() {
			rules.Match(&flow, &tag)
		}
	})
}
