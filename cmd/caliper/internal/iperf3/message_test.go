package iperf3

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for in, want := range map[string]number{
		"0": 0, "-1": -1, "1448": 1448, "18446744073709551615": -1, "1.8446744073709552e+19": -1,
		"9223372036854775807": 1<<63 - 1, "1e3": 1000, "5.0": 5,
	} {
		var n number
		if err := json.Unmarshal([]byte(in), &n); err != nil || n != want {
			t.Errorf("%s: got %d, %v; want %d", in, n, err, want)
		}
	}
	for _, in := range []string{`1.5`, `1e300`, `"1"`, `true`, `[]`, `1e999`} {
		var n number
		if err := json.Unmarshal([]byte(in), &n); err == nil {
			t.Errorf("%s: got %d, want an error", in, n)
		}
	}
}

func twoStreams() []*stream {
	return []*stream{newStream(0, true, nil, nil), newStream(1, false, nil, nil)}
}

func TestParseResults(t *testing.T) {
	// Of iperf3 3.12.
	const server = `{"cpu_util_total":10.040045602168977,"cpu_util_user":0,"cpu_util_system":10.039853996416973,"sender_has_retransmits":18446744073709551615,"congestion_used":"bbr","streams":[{"id":1,"bytes":313393152,"retransmits":18446744073709551615,"jitter":0,"errors":0,"packets":0,"start_time":0,"end_time":1.043776}]}`
	r, err := parseResults([]byte(server), twoStreams()[:1])
	if err != nil {
		t.Fatal(err)
	}
	s, ok := r.stream(1)
	if !ok || s.Bytes != 313393152 || s.Retransmits != -1 || s.EndTime != 1.043776 || r.HasRetransmits != -1 || r.CongestionUsed != "bbr" {
		t.Errorf("got %+v", r)
	}
	if _, ok := r.stream(3); ok {
		t.Error("a stream that is not in the results was found")
	}

	const head = `"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":0,`
	const stream = `{"id":%d,"bytes":%s,"retransmits":0,"jitter":0,"errors":0,"packets":%d}`
	ok1 := fmt.Sprintf(stream, 1, "1", 1)
	for in, want := range map[string]string{
		``:                                   "JSON",
		`{}`:                                 `"cpu_util_total" is missing`,
		`{` + head + `"streams":1}`:          "unmarshal",
		`{` + head + `"streams":[1]}`:        "unmarshal",
		`{` + head + `"streams":[{"id":1}]}`: `"bytes" is missing`,
		`{` + head + `"streams":[null]}`:     `"id" is missing`,
		`{` + head + `"a":1}`:                `"streams" is missing`,
		`{` + head + `"streams":[` + ok1 + `,` + ok1 + `]}`:                     "comes twice",
		`{` + head + `"streams":[` + fmt.Sprintf(stream, 2, "1", 1) + `]}`:      "no stream with id 2",
		`{` + head + `"streams":[` + fmt.Sprintf(stream, 1, "-1", 1) + `]}`:     "negative",
		`{` + head + `"streams":[` + fmt.Sprintf(stream, 1, `"many"`, 1) + `]}`: "not a whole number",
		`{` + head + `"streams":[` + fmt.Sprintf(stream, 1, "1", -1) + `]}`:     "negative",
	} {
		if r, err := parseResults([]byte(in), twoStreams()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v; want an error with %q", in, r, err, want)
		}
	}
}
