package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
)

// onBridge makes a path to the kernel's 10.99.0.1: from the interface cal0 over a bridge
// and a line of 100 Mbit/s with a queue of 60 KB.
//
//	cal0 - peer0 = br0 = x0 (tbf) - x1: 10.99.0.1
func onBridge(t *testing.T) {
	t.Helper()
	linktest.Namespace(t)
	for _, line := range strings.Split(`ip link add cal0 type veth peer name peer0
ip link add x0 type veth peer name x1
ip link add br0 type bridge
ip link set peer0 master br0
ip link set x0 master br0
ip addr add 10.99.0.1/24 dev x1
ip link set cal0 up
ip link set peer0 up
ip link set x0 up
ip link set x1 up
ip link set br0 up
tc qdisc add dev x0 root tbf rate 100mbit burst 5k limit 60k`, "\n") {
		words := strings.Fields(line)
		path, err := exec.LookPath(words[0])
		if err != nil {
			linktest.Skip(t, words[0]+" of iproute2 is not in PATH")
		}
		if out, err := linktest.Command(t, path, words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// TestPacket closes the loop over Ethernet, in real time: the kernel's TCP receives, and a
// bottleneck of the kernel's is in between.
func TestPacket(t *testing.T) {
	onBridge(t)
	for _, test := range []struct{ args, pacer, congestion string }{
		{"-C cubic --pace window", "window", "cubic"},
		{"-C bbr", "delivery", "bbr"},
		{"-C reno -b 20M", "rate 20Mbit/s of payload a stream", "reno"},
	} {
		server := realServer(t)
		args := append([]string{"-c", "10.99.0.1", "--port", "packet:cal0", "--addr", "10.99.0.2/24", "-t", "1"}, strings.Fields(test.args)...)
		r := measure(t, args...)
		server.end()
		d := &r.Caliper.Departures
		switch {
		case r.Caliper.Pacer != test.pacer || r.Caliper.Congestion != test.congestion:
			t.Errorf("%s: pacer %q, congestion control %q", test.args, r.Caliper.Pacer, r.Caliper.Congestion)
		case r.End.Received.Bytes < 1<<17:
			t.Errorf("%s: %d bytes were received", test.args, r.End.Received.Bytes)
		case d.Paced < 100:
			t.Errorf("%s: %d packets were paced", test.args, d.Paced)
		}
	}
}

// TestPacketRefused asks for an interface that is not there.
func TestPacketRefused(t *testing.T) {
	linktest.Namespace(t)
	o := caliper(t, "iperf3", "-c", "10.99.0.1", "--port", "packet:cal0", "--addr", "10.99.0.2/24")
	if o.code != exitBadInput || !strings.Contains(o.stderr, "no such network interface") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
}
