package iperf3

import (
	"net"
	"testing"
	"time"
)

// A namedHost has a congestion control of its own.
type namedHost struct {
	*worldHost
	name string
}

func (h namedHost) TCPInfo(c net.Conn) (TCPInfo, bool) {
	info, ok := h.worldHost.TCPInfo(c)
	info.Congestion = h.name
	return info, ok
}

// TestCongestion tells whose congestion control is which: in the JSON the sender's is that
// of this side where it sends, and besides there is what this side sends by.
func TestCongestion(t *testing.T) {
	for _, test := range []struct {
		name                   string
		params                 Params
		sender, receiver, ours string
		serverSender, servers  string
	}{
		{"forward", Params{}, "near's", "far's", "near's", "", ""},
		{"reverse", Params{Reverse: true}, "far's", "near's", "", "far's", "far's"},
		{"bidir", Params{Bidir: true}, "near's", "far's", "near's", "far's", "far's"}, // as iperf3 has it
		{"udp", Params{UDP: true}, "", "", "", "", ""},
	} {
		test.params.Duration = time.Second
		e := newEncounter(t, test.params)
		e.client.Host, e.server.Host = namedHost{e.near, "near's"}, namedHost{e.far, "far's"}
		e.run()
		e.check(t)
		end := e.result.End
		if end.SenderCongestion != test.sender || end.ReceiverCongestion != test.receiver || e.result.Congestion != test.ours {
			t.Errorf("%s: sender %q, receiver %q, ours %q", test.name, end.SenderCongestion, end.ReceiverCongestion, e.result.Congestion)
		}
		if got := e.serverResult; got.End.SenderCongestion != test.serverSender || got.Congestion != test.servers {
			t.Errorf("%s, server: sender %q, its own %q", test.name, got.End.SenderCongestion, got.Congestion)
		}
	}
}
