package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// iperf3Keys are those that scripts read from iperf3 -J; a star stands for the elements
// of an array.
const iperf3Keys = `
	start.connected.*.socket start.connected.*.local_host start.connected.*.local_port
	start.connected.*.remote_host start.connected.*.remote_port
	start.version start.system_info start.timestamp.time start.timestamp.timesecs
	start.connecting_to.host start.connecting_to.port start.cookie
	start.target_bitrate start.sock_bufsize start.sndbuf_actual start.rcvbuf_actual
	start.test_start.protocol start.test_start.num_streams start.test_start.blksize
	start.test_start.omit start.test_start.duration start.test_start.bytes
	start.test_start.blocks start.test_start.reverse start.test_start.tos
	intervals.*.streams.*.socket intervals.*.streams.*.start intervals.*.streams.*.end
	intervals.*.streams.*.seconds intervals.*.streams.*.bytes
	intervals.*.streams.*.bits_per_second intervals.*.streams.*.omitted
	intervals.*.streams.*.sender
	intervals.*.sum.start intervals.*.sum.end intervals.*.sum.seconds intervals.*.sum.bytes
	intervals.*.sum.bits_per_second intervals.*.sum.omitted intervals.*.sum.sender
	end.sum_sent.start end.sum_sent.end end.sum_sent.seconds end.sum_sent.bytes
	end.sum_sent.bits_per_second end.sum_sent.sender
	end.sum_received.start end.sum_received.end end.sum_received.seconds
	end.sum_received.bytes end.sum_received.bits_per_second end.sum_received.sender
	end.cpu_utilization_percent.host_total end.cpu_utilization_percent.host_user
	end.cpu_utilization_percent.host_system end.cpu_utilization_percent.remote_total
	end.cpu_utilization_percent.remote_user end.cpu_utilization_percent.remote_system`

// What is there only with TCP, and only with UDP.
const (
	tcpKeys = `
	start.tcp_mss_default
	intervals.*.streams.*.retransmits intervals.*.streams.*.snd_cwnd intervals.*.streams.*.snd_wnd
	intervals.*.streams.*.rtt intervals.*.streams.*.rttvar intervals.*.streams.*.pmtu
	intervals.*.sum.retransmits
	end.streams.*.sender.bytes end.streams.*.sender.retransmits end.streams.*.sender.max_snd_cwnd
	end.streams.*.sender.max_rtt end.streams.*.sender.min_rtt end.streams.*.sender.mean_rtt
	end.streams.*.receiver.bytes end.sum_sent.retransmits
	end.sender_tcp_congestion end.receiver_tcp_congestion`
	udpKeys = `
	intervals.*.streams.*.packets intervals.*.sum.packets
	end.streams.*.udp.bytes end.streams.*.udp.jitter_ms end.streams.*.udp.lost_packets
	end.streams.*.udp.packets end.streams.*.udp.lost_percent end.streams.*.udp.out_of_order
	end.sum.bytes end.sum.jitter_ms end.sum.lost_packets end.sum.packets end.sum.lost_percent`
)

// ourKeys are what no iperf3 prints.
const ourKeys = `
	caliper.clock caliper.card caliper.port caliper.pacer caliper.seed caliper.trace_hash
	caliper.departures.packets caliper.departures.late caliper.departures.dropped
	caliper.departures.rate_error_ppm
	caliper.departures.gap_error_ns.p50 caliper.departures.gap_error_ns.p95
	caliper.departures.gap_error_ns.p99 caliper.departures.gap_error_ns.p999
	caliper.departures.gap_error_ns.max
	caliper.departures.lateness_ns.p50 caliper.departures.lateness_ns.p95
	caliper.departures.lateness_ns.p99 caliper.departures.lateness_ns.p999
	caliper.departures.lateness_ns.max`

// paths adds all paths to values of v that are neither objects nor arrays.
func paths(v any, path string, to map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			paths(value, strings.TrimPrefix(path+"."+key, "."), to)
		}
	case []any:
		for _, value := range v {
			paths(value, path+".*", to)
		}
	default:
		to[path] = v
	}
}

func TestJSONKeys(t *testing.T) {
	for _, test := range []struct {
		keys string
		mss  any // of a segment with time stamps; none with UDP
		args []string
	}{
		{tcpKeys, 1448.0, nil},
		{udpKeys, nil, []string{"-u"}},
	} {
		args := append([]string{"iperf3", "-c", "far", "-J", "-b", "500M", "-n", "1M", "--title", "T"}, test.args...)
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			var v any
			if err := json.Unmarshal([]byte(succeed(t, args...).stdout), &v); err != nil {
				t.Fatal(err)
			}
			have := make(map[string]any)
			paths(v, "", have)
			for _, key := range strings.Fields(iperf3Keys + test.keys + ourKeys + " title") {
				if _, ok := have[key]; !ok {
					t.Errorf("there is no %s", key)
				}
			}
			// What scripts of others read is theirs: ours is in a place of its own.
			object := v.(map[string]any)
			if got := slices.Sorted(maps.Keys(object)); fmt.Sprint(got) != "[caliper end intervals start title]" {
				t.Errorf("the keys are %v", got)
			}
			for key, want := range map[string]any{
				"caliper.clock": "virtual", "caliper.card": "native", "caliper.seed": 1.0,
				"caliper.port":  "wire:rate=1G,delay=200us,queue=1000",
				"caliper.pacer": "rate 500Mbit/s of payload a stream",

				"start.tcp_mss_default": test.mss,
			} {
				if have[key] != want {
					t.Errorf("%s is %v, want %v", key, have[key], want)
				}
			}
			if hash, _ := have["caliper.trace_hash"].(string); len(hash) != 16 {
				t.Errorf("the hash of the trace is %q", hash)
			}
		})
	}
}

// TestJSONReports compares the JSON with the text of the same run.
func TestJSONReports(t *testing.T) {
	args := []string{"-c", "far", "-b", "300M", "-n", "1M", "--seed", "7", "--port", "wire:rate=900M,delay=1ms,queue=50"}
	r := measure(t, args...)
	text := succeed(t, append([]string{"iperf3"}, args...)...).stdout
	d := &r.Caliper.Departures
	for _, want := range []string{
		"clock: virtual, seed 7, trace " + r.Caliper.TraceHash,
		fmt.Sprintf("%d packets, %d paced, rate error %v, %d late", d.Packets, d.Paced, d.RateError, d.Late),
		"port: wire:rate=900M,delay=1ms,queue=50",
		fmt.Sprintf("wire: %d frames, 0 dropped", r.Caliper.Wire.Frames),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if unpaced := succeed(t, "iperf3", "-c", "far", "-n", "1M").stdout; !strings.Contains(unpaced, "not paced") || !strings.Contains(unpaced, "pacer: none") {
		t.Errorf("a run without -b does not say that it is not paced:\n%s", unpaced)
	}
}

// TestJSONDevices follows the frames down the chain of each host: what a device has handed
// on, the next one has handed on, dropped or waiting. What left one end of the wire arrives at
// the other.
func TestJSONDevices(t *testing.T) {
	for _, args := range [][]string{
		{"iperf3", "-c", "far", "-J", "-t", "2", "--bidir", "--port", "wire:rate=50M,line=1G,delay=5ms,queue=20"},
		{"iperf3", "-c", "far", "-J", "-t", "1", "-u", "-b", "60M", "--card", "none", "--port", "wire:rate=50M,line=1G,queue=20"},
		{"pktgen", "-N", "-i", "10.0.0.2", "-d", "15000", "-n", "2000", "--json", "--port", "wire:rate=500M,line=1G,queue=20"},
	} {
		out := succeed(t, args...).stdout
		var r struct {
			findings
			Caliper findings
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		devices := append(r.Devices, r.Caliper.Devices...)
		ends := make(map[string]deviceReport)
		var lost uint64
		for i, d := range devices {
			if d.Kind == "wire" {
				ends[d.Host] = d
				lost += d.Sent.Drops.Total()
			} else if next := devices[i+1]; d.Host != next.Host || d.Sent.Frames != next.Sent.Frames+next.Sent.Drops.Total()+uint64(next.Waiting) {
				t.Errorf("%v: %s's %s has sent %+v, and its %s %+v", args, d.Host, d.Kind, d.Sent, next.Kind, next.Sent)
			}
		}
		near, far := ends["near"], ends["far"]
		const onTheWay = 50 // at most
		for _, way := range [][2]deviceReport{{near, far}, {far, near}} {
			if sent, got := way[0].Sent.Frames, way[1].Received.Frames; got > sent || sent-got > onTheWay || way[0].More["queue_frames_peak"] > 20 {
				t.Errorf("%v: %d frames left %s, %d arrived; %v", args, sent, way[0].Host, got, way[0].More)
			}
		}
		if lost == 0 || near.More["queue_frame_us"] == 0 {
			t.Errorf("%v: the queue was never full: %+v", args, ends)
		}
	}
}

// TestJSONStream reads the lines as they come: one event each, the last one ours.
func TestJSONStream(t *testing.T) {
	o := succeed(t, "iperf3", "-c", "far", "-b", "20M", "-t", "3", "--json-stream")
	var events []string
	for line := range strings.Lines(o.stdout) {
		var e struct {
			Event string
			Data  json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || len(e.Data) == 0 {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, e.Event)
		if e.Event != "caliper" {
			continue
		}
		var f findings
		if err := json.Unmarshal(e.Data, &f); err != nil || f.Departures.Paced == 0 || f.TraceHash == "" {
			t.Errorf("%v: %s", err, e.Data)
		}
	}
	if got := strings.Join(events, " "); got != "start interval interval interval end caliper" {
		t.Errorf("the events are %s", got)
	}
}

// TestJSONError ends in an error: what was asked for is JSON still, and says why.
func TestJSONError(t *testing.T) {
	// The way there takes longer than the protocol is patient.
	args := []string{"iperf3", "-c", "far", "-t", "1", "--card", "none", "--port", "wire:rate=1K,delay=1s"}
	o := caliper(t, append(args, "-J")...)
	r := decode(t, o.stdout)
	if o.code != exitFailed || r.Error == "" || !strings.Contains(o.stderr, r.Error) {
		t.Errorf("exit code %d, error %q\n%s", o.code, r.Error, o.stderr)
	}
	if r.Caliper.TraceHash == "" || r.Start.Connected == nil || r.Intervals == nil {
		t.Errorf("something is missing:\n%s", o.stdout)
	}
	last := ""
	for line := range strings.Lines(caliper(t, append(args, "--json-stream")...).stdout) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
		if strings.Contains(line, `"event":"error"`) {
			last = line
		}
	}
	if !strings.Contains(last, r.Error) {
		t.Errorf("the stream's error is %q, and not %q", last, r.Error)
	}
}

// TestAnyMachine has a virtual run's JSON hold nothing of the machine.
func TestAnyMachine(t *testing.T) {
	out := succeed(t, "iperf3", "-c", "far", "-n", "100K", "-J").stdout
	if !strings.Contains(out, `"system_info": "`+inVirtualTime+`"`) {
		t.Errorf("the JSON tells of the machine:\n%s", out)
	}
}

// TestTitle has -T before every line of text.
func TestTitle(t *testing.T) {
	out := succeed(t, "iperf3", "-c", "far", "-n", "100K", "-R", "-T", "run 7").stdout
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "run 7:  ") {
			t.Errorf("%q", line)
		}
	}
	if want := "run 7:  Reverse mode, remote host far is sending\n"; !strings.Contains(out, want) || !strings.Contains(out, "clock: virtual") {
		t.Errorf("there is no %q in\n%s", want, out)
	}
}
