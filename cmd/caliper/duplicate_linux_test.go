package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// announce has a station with the Ethernet address 02:00:00:00:00:77 say, on an interface of
// this namespace, that it has 10.99.0.2 (RFC 5227, 2.3).
func announce(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ours := "\x0a\x63\x00\x02"
	frame := "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x77\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01" +
		"\x02\x00\x00\x00\x00\x77" + ours + "\x00\x00\x00\x00\x00\x00" + ours
	must(t, unix.Sendto(fd, []byte(frame), 0, &unix.SockaddrLinklayer{Ifindex: face(t, name).Attrs().Index}))
}

// TestAddressInUse has the kernel's station at our address when we start: nothing begins.
func TestAddressInUse(t *testing.T) {
	onBridge(t)
	address, err := netlink.ParseAddr("10.99.0.2/24")
	must(t, err)
	must(t, netlink.AddrAdd(face(t, "x1"), address))
	o := caliper(t, "iperf3", "-c", "10.99.0.1", "--port", "packet:cal0", "--addr", "10.99.0.2/24")
	const want = ", has the address 10.99.0.2 already\nhint: give --addr one that is free"
	if o.code != exitBadInput || !strings.Contains(o.stderr, want) || o.stdout != "" {
		t.Errorf("exit code %d, want %q\n%s%s", o.code, want, o.stdout, o.stderr)
	}
}

// TestAddressTaken has another station take our address under a run, which goes on, and says so.
func TestAddressTaken(t *testing.T) {
	onBridge(t)
	server := realServer(t)
	began := time.Now()
	c := start(t, command(t, "iperf3", "-c", "10.99.0.1", "--port", "packet:cal0", "--addr", "10.99.0.2/24", "-b", "1M", "-t", "1000", "-i", "0.1"))
	c.measures()
	announce(t, "x1")
	c.passes(began)
	c.signal(os.Interrupt)
	o := c.end()
	server.signal(os.Kill)
	server.end()
	if want := "another station, 02:00:00:00:00:77, has our address 10.99.0.2, too"; !strings.Contains(o.stderr, want) || strings.Count(o.stderr, want) != 1 {
		t.Errorf("exit code %d, want %q once\n%s", o.code, want, o.stderr)
	}
}
