package tuntap_test

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/nic/tuntap"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// namespace is where tun interfaces can be made.
func namespace(t testing.TB) {
	t.Helper()
	linktest.Namespace(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		linktest.Skip(t, "there is no /dev/net/tun")
	}
}

func openTun(t testing.TB, clk clock.Clock, c *tuntap.Config) *nic.Device {
	t.Helper()
	d, err := tuntap.Open(clk, c)
	if errors.Is(err, fs.ErrPermission) {
		linktest.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	for _, mtu := range []int{1500, 576} {
		linktest.Run(t, func(t *testing.T) linktest.Harness {
			namespace(t)
			clk := clock.NewReal()
			t.Cleanup(func() { clk.Close() })
			d := openTun(t, clk, &tuntap.Config{Name: "cal0", MTU: mtu})
			tap := linktest.NewTap(t, "cal0")
			return linktest.Harness{
				Device: d, Clock: clk,
				Left: tap.Left, Arrive: tap.Arrive,
			}
		})
	}
}

// echo answers UDP packets from above the device, with the same payload.
type echo struct {
	t   testing.TB
	clk clock.Clock
	dev link.Device
}

func (e *echo) Ready() {}

func (e *echo) Receive(frames []*link.Frame) {
	for _, f := range frames {
		f.Measure(0)
		if f.Flow.Proto != pacer.ProtoUDP {
			f.Free() // the kernel looking for its neighbours
			continue
		}
		src := netip.AddrPortFrom(netip.AddrFrom16(f.Flow.Src).Unmap(), f.Flow.SrcPort)
		dst := netip.AddrPortFrom(netip.AddrFrom16(f.Flow.Dst).Unmap(), f.Flow.DstPort)
		answer := linktest.FrameOf(linktest.UDP(dst, src, f.Bytes()[f.Len()-f.Size.Payload:]))
		f.Free()
		if n, err := e.dev.Transmit([]*link.Frame{answer}); n != 1 || err != nil {
			e.t.Errorf("Transmit = %d, %v", n, err)
		}
	}
}

// The kernel's sockets reach us, and we them, over IPv4 and IPv6, as soon as Open returns.
func TestKernelSockets(t *testing.T) {
	namespace(t)
	ignore := goleak.IgnoreCurrent()
	before := descriptors(t)
	clk := clock.NewReal()
	d := openTun(t, clk, &tuntap.Config{Name: "cal0", MTU: 9000, KernelAddrs: []netip.Prefix{
		netip.MustParsePrefix("10.99.0.1/24"), netip.MustParsePrefix("fd99::1/64"),
	}})
	clk.Do(func() { d.Attach(&echo{t, clk, d}) })
	if face, err := net.InterfaceByName("cal0"); err != nil || face.MTU != 9000 || face.Flags&net.FlagUp == 0 {
		t.Errorf("the kernel's interface: %+v, %v", face, err)
	}
	for _, to := range []string{"10.99.0.77:7", "[fd99::77]:7"} {
		c, err := net.Dial("udp", to)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 8900} {
			sent, got := bytes.Repeat([]byte{'a'}, n), make([]byte, 10_000)
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			if m, err := c.Read(got); err != nil || !bytes.Equal(got[:m], sent) {
				t.Errorf("%s: %d bytes came back of %d, %v", to, m, n, err)
			}
		}
		c.Close()
	}
	clk.Do(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if sent, received := d.Counters().Sent, d.Counters().Received; sent.Frames != 6 || received.Frames < 6 || sent.Dropped()+received.Dropped() != 0 {
			t.Errorf("sent %+v, received %+v", sent, received)
		}
	})
	clk.Close()
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	if _, err := net.InterfaceByName("cal0"); err == nil {
		t.Error("the interface is still there after Close")
	}
	goleak.VerifyNone(t, ignore)
	if after := descriptors(t); after != before {
		t.Errorf("open files before:\n%safter:\n%s", before, after)
	}
}

// Close ends a device that nobody was attached to.
func TestCloseUnattached(t *testing.T) {
	namespace(t)
	d := openTun(t, clock.NewVirtual(), nil)
	name := d.Info().Name
	if _, err := net.InterfaceByName(name); err != nil {
		t.Errorf("the kernel's choice of a name, %q: %v", name, err)
	}
	d.Close()
	if _, err := net.InterfaceByName(name); err == nil {
		t.Error("the interface is still there after Close")
	}
}

// A program that we start does not keep the interface alive.
func TestNotInherited(t *testing.T) {
	namespace(t)
	d := openTun(t, clock.NewVirtual(), &tuntap.Config{Name: "cal0"})
	child := linktest.Command(t, "cat") // until its input ends
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		linktest.Skip(t, err.Error())
	}
	d.Close()
	if _, err := net.InterfaceByName("cal0"); err == nil {
		t.Error("the interface is still there after Close")
	}
	in.Close()
	child.Wait()
}

const openVariable = "TUNTEST_OPEN"

// TestKilled kills a process, this program run again, that has an interface open.
func TestKilled(t *testing.T) {
	if name := os.Getenv(openVariable); name != "" {
		openTun(t, clock.NewVirtual(), &tuntap.Config{Name: name})
		os.Stdout.WriteString("open\n")
		select {}
	}
	namespace(t)
	openTun(t, clock.NewVirtual(), nil).Close() // skips without rights
	child := linktest.Command(t, os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), openVariable+"=cal0")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if _, err := net.InterfaceByName("cal0"); err != nil {
		t.Error(err)
	}
	child.Process.Kill()
	child.Wait()
	if _, err := net.InterfaceByName("cal0"); err == nil {
		t.Error("the interface is still there after the process was killed")
	}
}

// The interface can go down and come up again, and be taken away by others.
func TestTakenAway(t *testing.T) {
	namespace(t)
	clk := clock.NewReal()
	defer clk.Close()
	told := make(chan string, 100)
	d := openTun(t, clk, &tuntap.Config{Name: "cal0", Tell: func(err error) { told <- err.Error() }})
	clk.Do(func() { d.Attach(new(linktest.Null)) })
	hears := func(what string) {
		t.Helper()
		select {
		case s := <-told:
			if !strings.Contains(s, what) || !strings.Contains(s, "cal0") {
				t.Errorf("told %q, want %q", s, what)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nobody tells %q", what)
		}
	}
	one := func(want link.Cause, dropped, sent uint64) {
		t.Helper()
		clk.Do(func() {
			d.Transmit([]*link.Frame{linktest.FrameOf(linktest.Packet(d.Info(), 0, 100))})
			if s := d.Counters().Sent; s.Drops[want] != dropped || s.Frames != sent {
				t.Errorf("sent %+v, want %d, and %d dropped for %v", s, sent, dropped, want)
			}
		})
	}
	one(link.LinkDown, 0, 1)
	ip(t, "link", "set", "cal0", "down")
	hears("was taken down")
	one(link.LinkDown, 1, 1)
	ip(t, "link", "set", "cal0", "up")
	hears("up again")
	one(link.LinkDown, 1, 2)
	ip(t, "link", "set", "cal0", "mtu", "900")
	hears("MTU is 900")
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	ip(t, "link", "del", "cal0")
	select {
	case <-d.Failed():
	case <-time.After(20 * time.Second):
		t.Fatal("nobody tells that the interface was removed")
	}
	if err := d.Err(); !errors.Is(err, nic.ErrGone) {
		t.Errorf("Err = %v", err)
	}
	one(link.LinkError, 1, 2)
	clk.Do(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What the kernel sends and has no room for, while nobody reads, is counted, and what its end
// has got a larger MTU for.
func TestKernelLoses(t *testing.T) {
	const queue, more = 4096, 100
	namespace(t)
	silence(t)
	clk := clock.NewReal()
	defer clk.Close()
	d := openTun(t, clk, &tuntap.Config{Name: "cal0", MTU: 1000, KernelAddrs: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}})
	ip(t, "link", "set", "cal0", "mtu", "1500")
	c, err := net.Dial("udp", "10.99.0.77:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(size int) {
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		send(1000)
	}
	for range queue - 3 + more {
		send(100)
	}
	above := &linktest.Collector{Clock: clk}
	clk.Do(func() {
		if r := d.Counters().Received; r.Drops[link.QueueFull] != more {
			t.Errorf("received %+v, want %d that there was no room for", r, more)
		}
		d.Attach(above)
	})
	arrived := make(chan struct{})
	var look func()
	look = func() {
		if r := d.Counters().Received; r.Frames+r.Dropped() < queue+more {
			clk.AfterFunc(100*time.Microsecond, look)
			return
		}
		close(arrived)
	}
	clk.Do(look)
	<-arrived
	clk.Do(func() {
		r := d.Counters().Received
		if r.Frames != queue-3 || len(above.Records) != queue-3 || r.Drops[link.TooLong] != 3 || r.Drops[link.QueueFull] != more {
			t.Errorf("received %+v, handed on %d", r, len(above.Records))
		}
		d.Close()
	})
}

// A failed start says why and leaves nothing.
func TestOpenFails(t *testing.T) {
	namespace(t)
	openTun(t, clock.NewVirtual(), nil).Close() // skips without rights
	ip(t, "tuntap", "add", "dev", "tun0", "mode", "tun")
	faces, files := interfaces(t), descriptors(t)
	ignore := goleak.IgnoreCurrent()
	address := netip.MustParsePrefix("10.99.0.1/24")
	for _, c := range []struct {
		config tuntap.Config
		want   string
	}{
		{tuntap.Config{Name: "lo"}, "there is an interface of that name"},
		{tuntap.Config{Name: "tun0"}, "ip link del tun0"},
		{tuntap.Config{Name: "cal0", KernelAddrs: []netip.Prefix{address, address}}, "set the address 10.99.0.1/24"},
		{tuntap.Config{Name: "cal0", MTU: 1000, KernelAddrs: []netip.Prefix{netip.MustParsePrefix("fd99::1/64")}}, "1280"},
		{tuntap.Config{Name: "a/b"}, "cannot be a name"},
	} {
		d, err := tuntap.Open(clock.NewVirtual(), &c.config)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%+v): %v, want %q", c.config, err, c.want)
		}
	}
	if now := interfaces(t); now != faces {
		t.Errorf("interfaces before:\n%safter:\n%s", faces, now)
	}
	if now := descriptors(t); now != files {
		t.Errorf("open files before:\n%safter:\n%s", files, now)
	}
	goleak.VerifyNone(t, ignore)
}

// Without the right to it the error names what is missing and what to do, and is a
// permission error to programs. The test drops the rights of its own thread.
func TestNotPermitted(t *testing.T) {
	linktest.Namespace(t)
	files := descriptors(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	_, err := tuntap.Open(clock.NewVirtual(), &tuntap.Config{Name: "cal0"})
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("Open: %v", err)
	}
	for _, want := range []string{"cal0", "CAP_NET_ADMIN", "/dev/net/tun", "unshare -Urn", "setcap"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if now := descriptors(t); now != files {
		t.Errorf("open files before:\n%safter:\n%s", files, now)
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("ip")
	if err != nil {
		linktest.Skip(t, "there is no program ip")
	}
	if out, err := linktest.Command(t, path, args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func interfaces(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, i := range all {
		s.WriteString(i.Name + "\n")
	}
	return s.String()
}

// descriptors lists the process's open files that could be left behind.
func descriptors(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		// The runtime keeps the poller's.
		if err == nil && !strings.Contains(to, "anon_inode:[event") {
			s.WriteString(to + "\n")
		}
	}
	return s.String()
}
