package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/nl"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/testbed"
)

// receiver is a UDP socket that has room for all that a test sends.
func receiver(t *testing.T, address string) (c *net.UDPConn, port string) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, fmt.Sprint(c.LocalAddr().(*net.UDPAddr).Port)
}

// payloads reads the lengths of so many datagrams, and from where they came.
func payloads(t *testing.T, c *net.UDPConn, n int) (lengths string, from netip.AddrPort) {
	t.Helper()
	b := make([]byte, 2000)
	var all []string
	for range n {
		n, a, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		all, from = append(all, fmt.Sprint(n)), a
	}
	return strings.Join(all, " "), from
}

// TestPktgenKernel sends through the kernel's sockets.
func TestPktgenKernel(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "::1"} {
		t.Run(to, func(t *testing.T) {
			namespace(t)
			c, port := receiver(t, net.JoinHostPort(to, "0"))
			f := generate(t, "-i", to, "--dport", port, "--sport", "4567", "-d", "10000", "--dist", "uniform:7,7", "-n", "20")
			if got, from := payloads(t, c, 20); got != strings.Repeat("7 ", 19)+"7" || from.Port() != 4567 {
				t.Errorf("payloads %s from %v", got, from)
			}
			d := &f.Departures
			if d.Packets != 20 || d.Paced != 20 || d.Early != 0 || d.Late != d.LateBy.Host || f.Sent.Payload != 140 || f.Sent.AskedGap != 10_000 {
				t.Errorf("%+v", f)
			}
			if f.Clock != "real" || f.Card != "none" || f.Port != "kernel" || f.Flow != "udp "+net.JoinHostPort(to, "4567")+" > "+net.JoinHostPort(to, port) {
				t.Errorf("%+v", f)
			}
			text := succeed(t, "pktgen", "-i", to, "--dport", port, "-d", "0", "-l", "0", "-n", "10").stdout
			payloads(t, c, 10)
			if !strings.Contains(text, "10 packets in ") || !strings.Contains(text, "handed to the kernel") {
				t.Errorf("%s", text)
			}
		})
	}
}

// TestPktgenKernelRefused has what the kernel refuses.
func TestPktgenKernelRefused(t *testing.T) {
	namespace(t)
	_, port := receiver(t, "127.0.0.1:0")
	for args, want := range map[string]string{
		"-i 192.0.2.1":                    "unreachable",
		"-i 127.0.0.1 --sport " + port:    "in use",
		"-i fe80::1%nowhere":              "nowhere",
		"-i 127.0.0.1 -l 65507":           "",
		"-i ::1 -l 65507":                 "does not fit an MTU of 65536",
		"-i 255.255.255.255 --dport 4000": "",
	} {
		o := caliper(t, append([]string{"pktgen", "-d", "0", "-n", "1"}, strings.Fields(args)...)...)
		if want == "" {
			continue // the kernel may take it or not, and nothing is left open
		}
		if o.code == exitOK || !strings.HasPrefix(o.stderr, "caliper: ") || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: want %q, exit code %d\n%s", args, want, o.code, o.stderr)
		}
	}
}

// TestPktgenTun sends to the kernel through a card and a tun interface.
func TestPktgenTun(t *testing.T) {
	for _, to := range []string{kernel4, kernel6} {
		t.Run(to, func(t *testing.T) {
			namespace(t)
			dir := t.TempDir()
			any := "0.0.0.0:0"
			if to == kernel6 {
				any = "[::]:0"
			}
			c, port := receiver(t, any)
			file := filepath.Join(dir, "run.pcapng")
			args := append([]string{"-N", "-i", to, "--dport", port, "-d", "20000", "-l", "100", "-n", "50", "--pcap", file}, onTun("cal0")...)
			f := generate(t, args...)
			gone(t)
			got, from := payloads(t, c, 50)
			if got != strings.Repeat("100 ", 49)+"100" || from.Port() != 9 {
				t.Errorf("payloads %s from %v", got, from)
			}
			d := &f.Departures
			if d.Packets != 50 || d.Paced != 50 || d.Dropped != 0 || d.Early != 0 || f.Clock != "real" || f.Port != "tun:cal0" || f.Wire != nil {
				t.Errorf("%+v", f)
			}

			// And again what was captured, headers and all.
			r := generate(t, append([]string{"-N", "--replay", file, "--loop", "2"}, onTun("cal0")...)...)
			gone(t)
			if got, again := payloads(t, c, 100); got != strings.Repeat("100 ", 99)+"100" || again != from {
				t.Errorf("payloads %s from %v", got, again)
			}
			if r.Departures.Packets != 100 || r.Departures.Dropped != 0 || r.Replay.Passes != 2 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestPktgenTunRefused leaves nothing behind.
func TestPktgenTunRefused(t *testing.T) {
	namespace(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "run.pcapng")
	for args, want := range map[string]string{
		"-i 10.99.0.1 -d 1 -n 1 --port tun:lo":                      "there is an interface of that name",
		"-i 10.99.0.1 -d 1 -n 1 --port tun:cal0 --pcap " + dir:      "is a directory",
		"--replay " + file + " --port tun:lo":                       "there is an interface of that name",
		"-i 10.99.0.1 -d 1 -n 1 --port tun:cal0/0 --pcap " + file:   "cannot be a name",
		"--replay " + file + " --port tun:cal0 --pcap " + dir + "/": "is a directory",
	} {
		generate(t, "-N", "-i", "10.0.0.2", "-d", "20000", "-n", "5", "--port", "pcap:"+file)
		o := caliper(t, append([]string{"pktgen", "-N", "--addr", "10.99.0.2/24"}, strings.Fields(args)...)...)
		if o.code != exitBadInput || o.stdout != "" || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: want %q, exit code %d\n%s", args, want, o.code, o.stderr)
		}
		gone(t)
	}
}

// TestPktgenSignal ends what has no end. What was sent until then is printed.
func TestPktgenSignal(t *testing.T) {
	for name, args := range map[string][]string{
		"kernel": {"-i", "127.0.0.1"},
		"tun":    append([]string{"-N", "-i", kernel4}, onTun("cal0")...),
	} {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			c, port := receiver(t, "0.0.0.0:0")
			child := start(t, command(t, append([]string{"pktgen", "--json", "--dport", port, "-l", "18", "-d", "1000000"}, args...)...))
			payloads(t, c, 5)
			child.signal(syscall.SIGTERM)
			o := child.end()
			interrupted(t, o)
			if f := decodePktgen(t, o.stdout); f.Sent.Packets < 5 || f.Departures.Packets < 5 || !strings.Contains(f.Error, "interrupt") {
				t.Errorf("%s", o.stdout)
			}
		})
	}
}

// TestPktgenTunGone has somebody else remove the interface.
func TestPktgenTunGone(t *testing.T) {
	namespace(t)
	c, port := receiver(t, "0.0.0.0:0")
	child := start(t, command(t, append([]string{"pktgen", "--json", "-N", "-i", kernel4, "--dport", port, "-l", "18", "-d", "1000000"}, onTun("cal0")...)...))
	payloads(t, c, 5)
	face, err := netlink.LinkByName("cal0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(face); err != nil {
		t.Fatal(err)
	}
	o := child.end()
	if f := decodePktgen(t, o.stdout); o.code != exitFailed || f.Sent.Packets < 5 || !strings.Contains(o.stderr, `tun interface "cal0"`) || !strings.Contains(o.stderr, f.Error) {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// TestPktgenSignalVirtual ends a run in virtual time that has no end.
func TestPktgenSignalVirtual(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	child := start(t, command(t, "pktgen", "-N", "-i", "10.0.0.2", "-d", "20000", "--port", "pcap:"+file))
	fifo, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	b := make([]byte, 1<<20)
	if _, err := fifo.Read(b); err != nil { // it runs
		t.Fatal(err)
	}
	child.signal(os.Interrupt)
	for {
		if _, err := fifo.Read(b); err != nil {
			break
		}
	}
	if o := child.end(); o.code != exitInterrupted || !strings.Contains(o.stderr, "interrupted") || !strings.Contains(o.stdout, "Departures, ns") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// served is a card that another process would have, on a port with a small MTU.
func served(t *testing.T) (tr *link.Trace, done func()) {
	t.Helper()
	clk := clock.NewReal()
	tr = link.NewTrace(&linktest.Null{Is: link.Info{Name: "port", MTU: 1000, Address: testbed.MAC(0)}}, clk, nil)
	var card *netfpga.Card
	var err error
	clk.Do(func() {
		if card, err = netfpga.New(clk, tr, nil); err == nil {
			card.Attach(testbed.Discard{})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := nl.Listen(clk, card, nil)
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	return tr, func() {
		clk.Do(func() {
			server.Close()
			card.Close()
		})
		clk.Close()
	}
}

// TestPktgenNetlink describes packets to a card that is served over netlink.
func TestPktgenNetlink(t *testing.T) {
	namespace(t)
	args := []string{"pktgen", "-N", "--netlink", "0", "-i", "10.0.0.2", "-I", "10.0.0.1", "-d", "1000.5", "-l", "18", "-n", "2000"}
	o := caliper(t, args...)
	if o.code != exitFailed || o.stdout != "" || !strings.Contains(o.stderr, "no card is served there") {
		t.Errorf("without a card: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	tr, done := served(t)
	text := succeed(t, args...).stdout
	if !strings.Contains(text, "2000 packets described in ") || !strings.Contains(text, "netlink protocol 2, port id") {
		t.Errorf("%s", text)
	}
	var d described
	if err := json.Unmarshal([]byte(succeed(t, append(args, "--json")...).stdout), &d); err != nil {
		t.Fatal(err)
	}
	if d.Packets != 2000 || d.Payload != 36_000 || d.Flow != "udp 10.0.0.1:9 > 10.0.0.2:9" || d.Pacer != "gaps 1000.5 ns, payloads 18 bytes" {
		t.Errorf("%+v", d)
	}
	// The card's MTU is another than the generator knows: it refuses them all.
	o = caliper(t, "pktgen", "-N", "--netlink", "0", "-i", "10.0.0.2", "-I", "10.0.0.1", "-d", "1000", "-l", "1472", "-n", "20")
	if o.code != exitFailed || !strings.Contains(o.stdout, ", which did not take them all\n") || !strings.Contains(o.stderr, "is refused") {
		t.Errorf("refused: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	done()
	// The last ones may still have been on the card.
	if r := tr.Departures.Report(); r.Packets < 2000 || r.Paced != r.Packets || r.Early != 0 {
		t.Errorf("\n%v", r)
	}
}
