package main

import (
	"encoding/json"
	"testing"
)

// TestTCPStateInJSON looks at what iperf3 reads from the kernel's tcp_info: here it is the
// stack's own.
func TestTCPStateInJSON(t *testing.T) {
	var r struct {
		Start struct {
			Send    int `json:"sndbuf_actual"`
			Receive int `json:"rcvbuf_actual"`
		}
		Intervals []struct {
			Streams []struct {
				Window int64 `json:"snd_wnd"`
				PMTU   int
			}
		}
		End struct {
			Streams []struct {
				Sender struct {
					Window int64 `json:"max_snd_wnd"`
				}
			}
		}
	}
	for _, args := range [][]string{{"--mtu", "1400"}, {"--mtu", "1400", "-6"}, {"--mtu", "1400", "-u"}} {
		o := succeed(t, append([]string{"iperf3", "-c", "far", "-b", "20M", "-n", "500K", "-J"}, args...)...)
		if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
			t.Fatal(err)
		}
		udp := args[len(args)-1] == "-u"
		send, receive := 8<<20, 8<<20
		if udp {
			send, receive = 212<<10, 4<<20
		}
		if r.Start.Send != send || r.Start.Receive != receive {
			t.Errorf("%v: buffers of %d and %d bytes, want %d and %d", args, r.Start.Send, r.Start.Receive, send, receive)
		}
		if udp {
			continue
		}
		// Of the receiver's buffer it offers one half, as netstack does, and the buffer has
		// grown with what was read.
		s := r.Intervals[0].Streams[0]
		if s.PMTU != 1400 || s.Window < 1<<19 || s.Window > 8<<20 || r.End.Streams[0].Sender.Window != s.Window {
			t.Errorf("%v: %+v, at most %+v", args, s, r.End.Streams[0])
		}
	}
}

// TestOverload sends more than the bottleneck behind the port takes: that is for the user
// to ask, and what the port itself does not take is refused.
func TestOverload(t *testing.T) {
	r := measure(t, "-c", "far", "-u", "-b", "120M", "-t", "1", "--port", "wire:line=1G,rate=100M,queue=50")
	if r.End.Received.Lost == 0 || int64(r.Caliper.Wire.Dropped) < r.End.Received.Lost || r.Caliper.Departures.GapError.Max > 8 {
		t.Errorf("%+v, %+v, %v", r.End.Received, r.Caliper.Wire, r.Caliper.Departures)
	}
	for _, port := range []string{"wire:rate=100M", "wire:line=100M,rate=1G"} {
		if o := caliper(t, "iperf3", "-c", "far", "-u", "-b", "120M", "-t", "1", "--port", port); o.code != exitBadInput {
			t.Errorf("%s: exit code %d\n%s", port, o.code, o.stderr)
		}
	}
}
