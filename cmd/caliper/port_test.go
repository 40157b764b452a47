package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/stack/testbed"
)

func TestParsePort(t *testing.T) {
	wire := portSpec{kind: "wire", Direction: testbed.Direction{Rate: 1e9, Delay: 200 * time.Microsecond, Queue: 1000}}
	with := func(change func(*portSpec)) portSpec {
		p := wire
		change(&p)
		return p
	}
	for _, c := range []struct {
		given, reported string
		want            portSpec
	}{
		{"wire", "wire:rate=1G,delay=200us,queue=1000", wire},
		{"wire:", "wire:rate=1G,delay=200us,queue=1000", wire},
		{"wire:rate=1.5M,delay=20ms,queue=5", "wire:rate=1.5M,delay=20ms,queue=5", with(func(p *portSpec) {
			p.Rate, p.Delay, p.Queue = 1.5e6, 20*time.Millisecond, 5
		})},
		{"wire:line=1G,rate=100M", "wire:rate=100M,delay=200us,queue=1000,line=1G", with(func(p *portSpec) {
			p.Rate, p.Line = 1e8, 1e9
		})},
		{"wire:rate=100M,step=5s:50M,step=90s:200M", "wire:rate=100M,delay=200us,queue=1000,step=5s:50M,step=1m30s:200M",
			with(func(p *portSpec) {
				p.Rate, p.Steps = 1e8, []testbed.RateStep{{At: 5 * time.Second, Rate: 5e7}, {At: 90 * time.Second, Rate: 2e8}}
			})},
		{"wire:step=1us:1234567", "wire:rate=1G,delay=200us,queue=1000,step=1us:1.234567M", with(func(p *portSpec) {
			p.Steps = []testbed.RateStep{{At: time.Microsecond, Rate: 1234567}}
		})},
		{"tun:cal0", "tun:cal0", portSpec{kind: "tun", name: "cal0"}},
		{"tap:cal0", "tap:cal0", portSpec{kind: "tap", name: "cal0"}},
		{"packet:eth0", "packet:eth0", portSpec{kind: "packet", name: "eth0"}},
		{"packet:eth0:1", "packet:eth0:1", portSpec{kind: "packet", name: "eth0:1"}},
	} {
		p, err := parsePort(c.given, iperf3Ports...)
		if err != nil || !reflect.DeepEqual(p, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.given, p, err, c.want)
		}
		if p.String() != c.reported {
			t.Errorf("%s is reported as %s, want %s", c.given, p, c.reported)
		}
		if again, err := parsePort(p.String(), iperf3Ports...); err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s, read again: %+v, %v", p, again, err)
		}
		if p.real() == (p.kind == "wire") {
			t.Errorf("%s: real() = %v", c.given, p.real())
		}
	}
}

func TestParsePortBad(t *testing.T) {
	for given, want := range map[string]string{
		"packet":                                "needs a name",
		"packet:":                               "--port packet:eth0",
		"tun:":                                  "needs a name",
		"tap":                                   "needs a name",
		"Packet:eth0":                           `no port "Packet"`,
		"wire:line=0":                           "a rate of 0",
		"wire:line=2T":                          "a rate of 2T",
		"wire:step=5s":                          "not of the form 5s:50M",
		"wire:step=50M:5s":                      "not of the form 5s:50M",
		"wire:step=5s:":                         `""`,
		"wire:step=5s:0":                        "a rate of 0",
		"wire:step=0s:1M":                       "not after the start",
		"wire:step=-1s:1M":                      "not of the form 5s:50M",
		"wire:step=25h:1M":                      "within 24h",
		"wire:step=5s:1M,step=5s:2M":            "not after the one before it",
		"wire:step=5s:1M,step=4999ms:2":         "not after the one before it",
		"wire:loss=1":                           "rate, line, delay, queue and step",
		"wire:" + manySteps(testbed.MaxSteps+1): "more than 1000 steps",
	} {
		_, err := parsePort(given, iperf3Ports...)
		if err == nil {
			t.Errorf("%.60s: no error", given)
			continue
		}
		if said := orHelp(err, "iperf3"); !strings.Contains(said.Error()+said.(*problem).todo, want) {
			t.Errorf("%.60s: %v, want %q", given, said, want)
		}
	}
	if p, err := parsePort("wire:"+manySteps(testbed.MaxSteps), iperf3Ports...); err != nil || len(p.Steps) != testbed.MaxSteps {
		t.Errorf("%d steps: %v", len(p.Steps), err)
	}
}

func manySteps(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("step=" + (time.Duration(i+1) * time.Millisecond).String() + ":1M,")
	}
	return b.String()
}

// FuzzPort tests that what is read can be reported and read again.
func FuzzPort(f *testing.F) {
	for _, s := range []string{"wire", "tun:cal0", "packet:eth0", "wire:rate=100M,line=1G,step=5s:50M,step=10s:0.2G", "wire:,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePort(s, iperf3Ports...)
		if err != nil {
			return
		}
		again, err := parsePort(p.String(), iperf3Ports...)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%q is %+v, reported as %q, read again %+v, %v", s, p, p, again, err)
		}
	})
}
