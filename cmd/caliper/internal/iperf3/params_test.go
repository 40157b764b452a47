package iperf3

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What iperf3 3.12 sends for these options.
var wireParams = []struct {
	wire   string
	params Params
}{
	{
		`{"tcp":true,"omit":0,"time":2,"num":0,"blockcount":0,"parallel":1,"len":131072,"pacing_timer":1000,"client_version":"3.12"}`,
		Params{Duration: 2 * time.Second},
	},
	{
		`{"udp":true,"omit":0,"time":10,"num":0,"blockcount":0,"nodelay":true,"parallel":1,"reverse":true,"len":32768,"bandwidth":10000000,"pacing_timer":1000,"udp_counters_64bit":1,"repeating_payload":1,"client_version":"3.12"}`,
		Params{UDP: true, Bitrate: 10e6, Length: 32768, Reverse: true, NoDelay: true, UDPCounters64: true, RepeatingPayload: true},
	},
	{
		`{"tcp":true,"omit":2,"time":0,"num":10485760,"blockcount":0,"parallel":3,"bidirectional":true,"len":131072,"pacing_timer":1000,"title":"x","extra_data":"y","get_server_output":1,"client_version":"3.12"}`,
		Params{Bytes: 10 << 20, Omit: 2 * time.Second, Streams: 3, Bidir: true, Title: "x", ExtraData: "y", GetServerOutput: true},
	},
	{
		`{"tcp":true,"omit":0,"time":0,"num":0,"blockcount":100,"parallel":1,"len":1000,"bandwidth":1000000,"pacing_timer":1000,"client_version":"3.12"}`,
		Params{Blocks: 100, Length: 1000, Bitrate: 1e6},
	},
}

func TestParamsOnTheWire(t *testing.T) {
	for _, test := range wireParams {
		want := test.params.complete(false)
		got, err := parseParams([]byte(test.wire))
		if err != nil {
			t.Errorf("%s: %v", test.wire, err)
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", test.wire, got, want)
		}

		// The same keys and values, in whatever order.
		sent, _ := json.Marshal(want.message())
		var have, should map[string]any
		json.Unmarshal(sent, &have)
		json.Unmarshal([]byte(test.wire), &should)
		a, _ := json.Marshal(have)
		b, _ := json.Marshal(should)
		if string(a) != string(b) {
			t.Errorf("sent %s\nwant %s", a, b)
		}
	}
}

func TestParamsOfOthers(t *testing.T) {
	for wire, want := range map[string]string{
		``:     "JSON",
		`[]`:   "array",
		`{}`:   "either TCP or UDP",
		`null`: "either TCP or UDP",
		`{"tcp":true,"udp":true,"len":1000,"parallel":1}`:                    "either TCP or UDP",
		`{"tcp":"yes","len":1000,"parallel":1}`:                              "neither true nor false",
		`{"tcp":true,"parallel":1}`:                                          "blocks of 0 bytes",
		`{"tcp":true,"len":1000}`:                                            "0 streams",
		`{"tcp":true,"len":-5,"parallel":1}`:                                 "blocks of -5 bytes",
		`{"tcp":true,"len":1073741824,"parallel":1}`:                         "blocks of 1073741824 bytes",
		`{"tcp":true,"len":1e300,"parallel":1}`:                              "not a whole number",
		`{"tcp":true,"len":"1000","parallel":1}`:                             "not a whole number",
		`{"tcp":true,"len":1000.5,"parallel":1}`:                             "not a whole number",
		`{"tcp":true,"len":1000,"parallel":1000000000}`:                      "1000000000 streams",
		`{"tcp":true,"len":1000,"parallel":1,"time":9223372036854775807}`:    "a time of",
		`{"tcp":true,"len":1000,"parallel":1,"time":-1}`:                     "a time of",
		`{"tcp":true,"len":1000,"parallel":1,"omit":601}`:                    "601 s omitted",
		`{"tcp":true,"len":1000,"parallel":1,"bandwidth":-2}`:                "-2 bit/s",
		`{"udp":true,"len":15,"parallel":1}`:                                 "length (-l) of 15 bytes",
		`{"udp":true,"len":65508,"parallel":1}`:                              "length (-l) of 65508 bytes",
		`{"tcp":true,"len":9,"parallel":1,"reverse":1,"bidirectional":true}`: "exclude each other",
	} {
		if p, err := parseParams([]byte(wire)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v; want an error with %q", wire, p, err, want)
		}
	}
	// Unknown keys are nothing to complain of, nor is a flag written as a number, nor a
	// number with an exponent.
	p, err := parseParams([]byte(`{"tcp":1,"len":1e3,"parallel":1.0,"time":5,"burst":10,"MSS":1000,"a":{"b":[1]}}`))
	if err != nil || p.Length != 1000 || p.Duration != 5*time.Second || p.Bitrate != Unlimited {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestParamsValidate(t *testing.T) {
	for want, p := range map[string]Params{
		"give only one of them":      {Duration: time.Second, Bytes: 1},
		"must be positive":           {Bytes: -1},
		"time (-t) of 1.5s":          {Duration: 1500 * time.Millisecond},
		"at most 24h0m0s":            {Duration: 25 * time.Hour},
		"omitted time (-O) of 11m0s": {Omit: 11 * time.Minute},
		"129 streams":                {Streams: 129},
		"length (-l) of 1048577":     {Length: 1<<20 + 1},
		"length (-l) of 70000":       {UDP: true, Length: 70000},
		"rate (-b) of -2 bit/s":      {Bitrate: -2},
		"exclude each other":         {Reverse: true, Bidir: true},
		"add -u":                     {UDPCounters64: true},
		"bytes of parameters":        {Title: strings.Repeat("x", 9000)},
		"at most 1125899906842624":   {Blocks: 1<<50 + 1},
	} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", p, err, want)
		}
	}
	for _, p := range []Params{{}, {UDP: true, Bitrate: Unlimited}, {Duration: 24 * time.Hour, Streams: 128}} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
