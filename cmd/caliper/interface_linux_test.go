package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// face returns an interface of this namespace.
func face(t *testing.T, name string) netlink.Link {
	t.Helper()
	f, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// changes listens to what becomes of interfaces from now on. What it returns waits until one
// of that name has a flag, as rtnetlink has it, and returns its index. The socket is closed
// when the test has ended, and not some time later: the next test may count open files.
func changes(t *testing.T) func(name string, flag uint32) (index int) {
	t.Helper()
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	must(t, err)
	t.Cleanup(s.Close)
	return func(name string, flag uint32) int {
		t.Helper()
		for {
			messages, _, err := s.Receive()
			must(t, err)
			for _, m := range messages {
				header := unix.NlMsghdr(m.Header)
				link, err := netlink.LinkDeserialize(&header, m.Data)
				must(t, err)
				if a := link.Attrs(); a.Name == name && a.RawFlags&flag != 0 {
					return a.Index
				}
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestInterfaceRemoved has somebody else remove the interface under a run. It ends at once,
// whoever waits for what, with the reason.
func TestInterfaceRemoved(t *testing.T) {
	for _, test := range []struct {
		name, args, runs string
		server           bool // a real iperf3 -s
	}{
		{"client udp", "iperf3 -c 10.99.0.1 -t 1000 -u -b 20M -i 0.1", "bits/sec", true},
		{"client tcp", "iperf3 -c 10.99.0.1 -t 1000 -b 20M -i 0.1", "bits/sec", true},
		{"client tcp -R", "iperf3 -c 10.99.0.1 -t 1000 -b 20M -R -i 0.1", "bits/sec", true},
		{"server", "iperf3 -s", "listening", false},
		{"card", "card", "serves netlink port id", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			namespace(t)
			if test.server {
				server := realServer(t)
				defer server.end()
				defer server.signal(os.Kill)
			}
			c := start(t, command(t, append(strings.Fields(test.args), onTun("cal0")...)...))
			c.until(test.runs)
			must(t, netlink.LinkDel(face(t, "cal0")))
			o := c.end()
			if want := `tun interface "cal0": the interface was removed`; o.code != exitFailed || !strings.Contains(o.stderr, want) {
				t.Errorf("exit code %d, want %q\n%s%s", o.code, want, o.stdout, o.stderr)
			}
		})
	}
	t.Run("client -J", func(t *testing.T) {
		namespace(t)
		server := realServer(t, "-i", "0.1")
		defer server.end()
		defer server.signal(os.Kill)
		c := start(t, command(t, append([]string{"iperf3", "-c", kernel4, "-t", "1000", "-b", "20M", "-J"}, onTun("cal0")...)...))
		server.measures()
		must(t, netlink.LinkDel(face(t, "cal0")))
		o := c.end()
		if r := decode(t, o.stdout); o.code != exitFailed || !strings.Contains(r.Error, "the interface was removed") || r.Caliper.Departures.Packets == 0 {
			t.Errorf("exit code %d\n%s", o.code, o.stdout)
		}
	})
}

// TestTapRemoved has somebody else remove the tap of a machine.
func TestTapRemoved(t *testing.T) {
	namespace(t)
	must(t, netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "cal0"}, Mode: netlink.TUNTAP_MODE_TAP}))
	must(t, netlink.LinkSetUp(face(t, "cal0")))
	joined := changes(t)
	c := start(t, command(t, "netthreads", "run", "bounce", "--mac", "0=tap:cal0"))
	joined("cal0", unix.IFF_LOWER_UP)
	must(t, netlink.LinkDel(face(t, "cal0")))
	if o := c.end(); o.code != exitFailed || !strings.Contains(o.stderr, "tap interface cal0: the interface was removed") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
}

// passes returns when an interval of a client is over that began after this call, where the
// process was started after began: its times count from later on.
func (c *child) passes(began time.Time) {
	c.t.Helper()
	for now := time.Since(began).Seconds(); ; {
		c.measures()
		lines := strings.Split(strings.TrimSpace(c.read.String()), "\n")
		var stream int
		var from float64
		if _, err := fmt.Sscanf(lines[len(lines)-1], "[%d] %f-", &stream, &from); err != nil {
			c.t.Fatal(err)
		}
		if from > now {
			return
		}
	}
}

// TestInterfaceSurvived has the interface go down and come up again under a run, and its MTU
// changed. Both are told as they happen and counted in the report; the run goes on.
func TestInterfaceSurvived(t *testing.T) {
	namespace(t)
	server := realServer(t)
	began := time.Now()
	c := start(t, command(t, append([]string{"iperf3", "-c", kernel4, "-t", "1000", "-u", "-b", "1M", "-i", "0.1"}, onTun("cal0")...)...))
	c.measures()
	must(t, netlink.LinkSetDown(face(t, "cal0")))
	c.passes(began)
	must(t, netlink.LinkSetUp(face(t, "cal0")))
	must(t, netlink.LinkSetMTU(face(t, "cal0"), 1400))
	c.passes(began)
	c.signal(os.Interrupt)
	o := c.end()
	server.signal(os.Kill)
	server.end()
	interrupted(t, o)
	for _, want := range []string{"it was taken down", "it is up again, after ", "its MTU is 1400 now"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("there is no %q in\n%s", want, o.stderr)
		}
	}
	for _, want := range []string{"interface: down 1x for ", "; MTU changed 1x; not sent: ", " link down"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("there is no %q in\n%s%s", want, o.stdout, o.stderr)
		}
	}
}

// TestMTULowered lowers the MTU of an Ethernet below the packets of a flow: nothing of it
// leaves any more, which is told and counted.
func TestMTULowered(t *testing.T) {
	onBridge(t)
	server := realServer(t)
	began := time.Now()
	c := start(t, command(t, "iperf3", "-c", "10.99.0.1", "--port", "packet:cal0", "--addr", "10.99.0.2/24", "-u", "-b", "2M", "-t", "1000", "-i", "0.1"))
	c.measures()
	must(t, netlink.LinkSetMTU(face(t, "cal0"), 1000))
	c.passes(began)
	c.signal(os.Interrupt)
	o := c.end()
	server.signal(os.Kill)
	server.end()
	const told = "its MTU is 1000 now and was 1500 when it was opened: longer packets are dropped"
	if o.code != exitInterrupted || !strings.Contains(o.stderr, told) || !strings.Contains(o.stdout, "MTU changed 1x; not sent: ") || !strings.Contains(o.stdout, " too long") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stderr, o.stdout)
	}
}

// TestInterfaceReport writes what became of an interface.
func TestInterfaceReport(t *testing.T) {
	for want, r := range map[string]interfaceReport{
		"interface: MTU changed 1x": {MTUChanges: 1},
		"interface: down 2x for 1.5s; not sent: 3 too long, 1 link error, 4 link down": {Downs: 2, DownSeconds: 1.5, Dropped: map[string]uint64{"too long": 3, "link down": 4, "link error": 1}},
	} {
		if got := r.String(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
