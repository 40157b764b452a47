package main

import (
	"encoding/json"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStopped stops a client for a while in the middle of its test, as a laptop's lid or a
// busy machine does: what it says that it has sent has left, and came.
func TestStopped(t *testing.T) {
	namespace(t)
	server := realServer(t, "-i", "0.2")
	client := start(t, command(t, append([]string{"iperf3", "-c", kernel4, "-u", "-b", "1M", "-t", "3", "-J"}, onTun("cal0")...)...))
	server.measures()
	client.signal(unix.SIGSTOP)
	for range 5 {
		server.measures() // it goes on to print
	}
	client.signal(unix.SIGCONT)
	o := client.end()
	server.end()
	var r struct {
		End struct {
			Sent     struct{ Packets, Bytes int64 } `json:"sum_sent"`
			Received struct{ Packets, Bytes int64 } `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, o.stdout, o.stderr)
	}
	// 3 s are 259 datagrams, of which a second is missing: it is not made up for. A busy
	// machine may send fewer, and lose some in the receiver's socket.
	if sent, came := r.End.Sent, r.End.Received.Packets; came > sent.Packets || came < sent.Packets*9/10 || sent.Packets < 1 || sent.Packets > 220 || sent.Bytes != sent.Packets*1448 {
		t.Errorf("%+v was sent, %+v was received", sent, r.End.Received)
	}
	gone(t)
}
