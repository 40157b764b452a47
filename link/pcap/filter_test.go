package pcap

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer"
)

func flow(proto uint8, src, dst string) pacer.Flow {
	return pacer.FlowOf(proto, netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst))
}

func TestFilter(t *testing.T) {
	flows := map[string]pacer.Flow{
		"a": flow(6, "10.0.0.1:4000", "10.0.0.2:5201"),
		"b": flow(6, "10.0.0.2:5201", "10.0.0.1:4000"),
		"c": flow(17, "10.0.0.1:4000", "10.0.0.2:5201"),
		"d": flow(6, "[fd00::1]:4000", "[fd00::2]:5201"),
		"e": flow(1, "10.0.0.1:0", "10.0.0.2:0"),
		"f": flow(58, "[fd00::1]:0", "[fd00::2]:0"),
		"g": flow(47, "10.0.0.1:0", "10.0.0.2:0"),
		"h": {},
	}
	for _, test := range []struct{ filter, want string }{
		{"", "abcdefgh"},
		{"tcp 10.0.0.1:4000 > 10.0.0.2:5201", "a"},
		{" tcp   10.0.0.1:4000>10.0.0.2:5201 ", "a"},
		{"10.0.0.1:4000 > 10.0.0.2:5201", "ac"},
		{"tcp", "abd"},
		{"tcp >", "abd"},
		{">", "abcdefgh"},
		{"udp", "c"},
		{"icmp", "ef"},
		{"ip-47", "g"},
		{"ip-58", "f"},
		{"not IP", "h"},
		{"> :5201", "acd"},
		{"tcp :5201 >", "b"},
		{"10.0.0.1 >", "aceg"},
		{"> 10.0.0.1", "b"},
		{"::ffff:10.0.0.1 >", "aceg"},
		{"fd00::1 >", "df"},
		{"[fd00::1] >", "df"},
		{"tcp [fd00::1]:4000 > fd00::2", "d"},
		{"icmp [fd00::1]:0 > [fd00::2]:0", "f"},
		{"10.0.0.3 >", ""},
		{"sent", "abcdefgh"},
		{"received", ""},
		{"at near", "abcdefgh"},
		{"sent at near", "abcdefgh"},
		{"sent at near, interface 7", "abcdefgh"},
		{"interface 7", "abcdefgh"},
		{"interface 8", ""},
		{"at far", ""},
		{"at near, interface 7, interface 8", ""},
		{"tcp 10.0.0.1:4000 > 10.0.0.2:5201, sent at near, interface 7", "a"},
		{"udp sent", "c"},
		{"udp, received", ""},
		{"not IP, sent at near", "h"},
		{"> :5201 at near", "acd"},
	} {
		p, err := ParseFilter(test.filter)
		if err != nil {
			t.Errorf("%q: %v", test.filter, err)
			continue
		}
		got := ""
		for _, name := range "abcdefgh" {
			if p.Match(flows[string(name)], Sent, "near", 7) {
				got += string(name)
			}
		}
		if got != test.want {
			t.Errorf("%q: matches %q, want %q", test.filter, got, test.want)
		}
	}
	for _, f := range flows {
		p, err := ParseFilter(f.String())
		if err != nil || !p.Match(f, Unknown, "", 0) {
			t.Errorf("%v does not match what it is written as: %v", f, err)
		}
	}
	for filter, want := range map[string]string{
		"sctp":                     `"sctp" is no protocol`,
		"ip-256":                   `"ip-256" is no protocol`,
		"ip-":                      `"ip-" is no protocol`,
		"10.0.0.1":                 "need a >",
		"tcp 10.0.0.1 udp >":       `"udp" is one word too many`,
		"tcp > 10.0.0.1 10.0.0.2":  `"10.0.0.2" is one word too many`,
		"tcp > :http":              `"http" is no port`,
		"> :65536":                 `"65536" is no port`,
		"> far:5201":               `"far" is no IP address`,
		"> [10.0.0.1:80":           `is no IP address`,
		"fe80::1%eth0 >":           `is no IP address`,
		"tcp at":                   `is missing behind "at"`,
		"interface eth0":           `"eth0" is not the number`,
		"udp, interface 0":         `"0" is not the number`,
		"sent received":            `"sent" is no protocol`,
		"tcp 10.0.0.1 > 10.0.0.2>": `"10.0.0.2>" is no IP address`,
	} {
		if _, err := ParseFilter(filter); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", filter, want, err)
		}
	}
}

// FuzzFilter parses anything, and what a flow is written as always.
func FuzzFilter(f *testing.F) {
	f.Add("tcp [fd00::1]:4000 > :5201", uint8(6), []byte("0123456789abcdefghijkl"))
	f.Fuzz(func(t *testing.T, s string, proto uint8, b []byte) {
		p, err := ParseFilter(s)
		if err == nil {
			p.Match(pacer.Flow{}, Unknown, "", 0)
		}
		var x pacer.Flow
		copy(x.Src[:], b)
		copy(x.Dst[:], b[len(b)/2:])
		x.Proto, x.SrcPort, x.DstPort = proto, uint16(len(b)), uint16(len(s))
		if p, err = ParseFilter(x.String()); err != nil || !p.Match(x, Received, "eth0", 1) {
			t.Errorf("%v: %v", x, err)
		}
	})
}
