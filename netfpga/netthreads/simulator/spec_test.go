package simulator

import (
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	for s, want := range map[string]Spec{
		"0=pcap:in.pcap":      {In: "in.pcap"},
		"3=pcap:a:b=c,d,e":    {Number: 3, In: "a:b=c", Out: "d,e"},
		"1=pcap:,out.pcapng":  {Number: 1, Out: "out.pcapng"},
		"2=tap:cal0":          {Number: 2, Tap: "cal0"},
		"0=none":              {},
		"0=pcap:in,/dev/null": {In: "in", Out: "/dev/null"},
	} {
		for _, host := range []bool{false, true} {
			want.Host = host
			if got, err := ParseSpec(host, s); err != nil || got != want {
				t.Errorf("%s: %+v, %v", s, got, err)
			}
		}
	}
	for s, want := range map[string]string{
		"":                       "not of the form N=SPEC",
		"pcap:in":                "not of the form N=SPEC",
		"4=none":                 `"4" is not a port from 0 to 3`,
		"-1=none":                "is not a port",
		"x=none":                 "is not a port",
		"0=":                     `not to ""`,
		"0=wire":                 `not to "wire"`,
		"0=pcap":                 "needs a file",
		"0=pcap:,":               "needs a file",
		"0=none:x":               "none takes nothing",
		"0=tap":                  "cannot be the name",
		"0=tap:sixteen-letters-": "cannot be the name",
		"0=tap:a/b":              "cannot be the name",
		"0=tap:cal%d":            "cannot be the name",
	} {
		if _, err := ParseSpec(false, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", s, want, err)
		}
	}
	if got := (Spec{Host: true, Number: 1}).Name() + (Spec{Number: 3}).Name(); got != "host 1mac 3" {
		t.Error(got)
	}
}

// FuzzSpec reads what a port is connected to: what is taken is a port of the card's, and an
// interface that Linux can have.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{"0=pcap:in.pcap,out.pcapng", "3=tap:cal0", "1=none", "=", "0=pcap:,", "255=tap:x", "0=tap:\xff"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, host bool) {
		p, err := ParseSpec(host, s)
		if err != nil {
			return
		}
		if p.Host != host || p.Number < 0 || p.Number > 3 || p.port() > 7 || p.Name() == "" {
			t.Errorf("%q is %+v", s, p)
		}
		if p.Tap != "" && (p.In != "" || p.Out != "" || len(p.Tap) > 15 || strings.ContainsAny(p.Tap, "/: \x00%")) {
			t.Errorf("%q is %+v", s, p)
		}
	})
}
