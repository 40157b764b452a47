package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/linktest"
)

// TestNetthreadsSignal ends a program that would spin for ever.
func TestNetthreadsSignal(t *testing.T) {
	for _, signal := range ends {
		c := start(t, command(t, "netthreads", "run", "hello", "--no-skip", "--cycles", fmt.Sprint(1<<62)))
		c.until("wonderful thread 2")
		c.signal(signal)
		o := c.end()
		if o.code != exitInterrupted || o.stderr != "caliper: interrupted\n" || !strings.Contains(o.stdout, "\ninterrupted, after ") {
			t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
	}
}

// TestNetthreadsTap sends a frame into a tap interface, and a program sends it back.
func TestNetthreadsTap(t *testing.T) {
	namespace(t)
	up := changes(t)
	c := start(t, command(t, "netthreads", "run", "bounce", "--mac", "2=tap:cal0"))
	index := up("cal0", unix.IFF_UP)
	const etherType = 0xb588 // the local experimental one, 0x88b5, in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, etherType)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Protocol: etherType, Ifindex: index}
	if err := unix.Bind(fd, to); err != nil {
		t.Fatal(err)
	}
	patience := unix.Timeval{Sec: 10}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		t.Fatal(err)
	}
	// To all, from a local address.
	frame := append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x88\xb5"), bytes.Repeat([]byte("Caliper "), 12)...)
	if err := unix.Sendto(fd, frame, 0, to); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2000)
	n, _, err := unix.Recvfrom(fd, got, 0)
	if err != nil || !bytes.Equal(got[:n], frame) {
		t.Errorf("%v: %x", err, got[:n])
	}
	c.signal(os.Interrupt)
	o := c.end()
	interrupted(t, o)
	if !strings.Contains(o.stdout, "mac 2   1    110") {
		t.Error(o.stdout)
	}
}

// TestNetthreadsTapRefused has interfaces that cannot be joined, and no right to make one.
func TestNetthreadsTapRefused(t *testing.T) {
	namespace(t)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(kept, []byte("of another run"), 0o666); err != nil {
		t.Fatal(err)
	}
	if o := caliper(t, "netthreads", "run", "bounce", "--mac", "0=tap:lo"); o.code != exitBadInput || !strings.Contains(o.stderr, "that is no tap") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	if o := caliper(t, "netthreads", "run", "bounce", "--mac", "0=tap:cal0", "--host", "0=tap:cal0"); o.code != exitFailed || !strings.Contains(o.stderr, "another program has it") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	cmd := command(t, "netthreads", "run", "bounce", "--mac", "0=tap:cal0", "--mac", "1=pcap:,"+kept)
	// The other user may not enter the directory of the test's program.
	self, err := os.Open(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{self}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	c, err := tryStart(t, cmd)
	if err != nil {
		linktest.Skip(t, fmt.Sprintf("a process without rights: %v", err))
	}
	if o := c.end(); o.code != exitNoRights || o.stdout != "" || !strings.Contains(o.stderr, "CAP_NET_ADMIN") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "of another run" {
		t.Errorf("the file of another run has %q, %v", b, err)
	}
	gone(t)
}
