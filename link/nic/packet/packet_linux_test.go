package packet_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/nic/packet"
	"github.com/netcaliper/caliper/pacer/clock"
)

// veth makes a namespace with a pair of interfaces, cal0 for the device and peer0 for the
// kernel, which has the addresses there.
func veth(t testing.TB, addrs ...string) {
	t.Helper()
	linktest.Namespace(t)
	// Without addresses of its own making the kernel is silent.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/addr_gen_mode", []byte("1"), 0); err != nil {
		t.Log(err)
	}
	ip(t, "link", "add", "name", "cal0", "type", "veth", "peer", "name", "peer0")
	if len(addrs) == 0 {
		for _, name := range []string{"cal0", "peer0"} {
			os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		}
	}
	for _, a := range addrs {
		ip(t, "addr", "add", a, "dev", "peer0", "nodad")
	}
	ip(t, "link", "set", "cal0", "up")
	ip(t, "link", "set", "peer0", "up")
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	path, err := exec.LookPath("ip")
	if err != nil {
		linktest.Skip(t, "there is no program ip")
	}
	if out, err := linktest.Command(t, path, args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func open(t testing.TB, clk clock.Clock, c *packet.Config) *nic.Device {
	t.Helper()
	d, err := packet.Open(clk, c)
	if errors.Is(err, fs.ErrPermission) {
		linktest.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	for _, mtu := range []int{0, 576} {
		linktest.Run(t, func(t *testing.T) linktest.Harness {
			veth(t)
			clk := clock.NewReal()
			t.Cleanup(func() { clk.Close() })
			// The address is the one to which linktest sends.
			d := open(t, clk, &packet.Config{Interface: "cal0", MTU: mtu, Address: net.HardwareAddr{2, 0, 0, 0, 0, 0xff}})
			tap := linktest.NewTap(t, "peer0")
			return linktest.Harness{
				Device: d, Clock: clk,
				Left: tap.Left, Arrive: tap.Arrive,
			}
		})
	}
}

// Only what is for us or for a group arrives, without what the kernel itself sends there
// and without what has a VLAN's tag.
func TestFilter(t *testing.T) {
	veth(t)
	clk := clock.NewReal()
	defer clk.Close()
	own := net.HardwareAddr{2, 1, 2, 3, 4, 5}
	d := open(t, clk, &packet.Config{Interface: "cal0", Address: own})
	above := &linktest.Collector{Clock: clk}
	clk.Do(func() { d.Attach(above) })
	defer clk.Do(func() { d.Close() })
	frame := func(what string, to ...byte) []byte {
		b := append(to, 2, 0, 0, 0, 0, 9, 0x88, 0xb5) // for local experiments (IEEE 802)
		return append(append(b, what...), make([]byte, 60-14-len(what))...)
	}
	tagged := frame("tagged", own...)
	tagged = append(append(bytes.Clone(tagged[:12]), 0x81, 0x00, 0x00, 0x05), tagged[12:]...)
	tap := linktest.NewTap(t, "peer0")
	linktest.NewTap(t, "cal0").Arrive(frame("the kernel's own", own...))
	for _, b := range [][]byte{
		frame("group", 1, 0, 0x5e, 0, 0, 1),
		frame("other", 2, 1, 2, 3, 4, 6),
		frame("other", 2, 1, 2, 3, 5, 5),
		frame("other", 4, 1, 2, 3, 4, 5),
		tagged,
		frame("all", 255, 255, 255, 255, 255, 255),
		frame("last", own...),
	} {
		tap.Arrive(b)
	}
	var got []string
	for !strings.Contains(strings.Join(got, " "), "last") {
		clk.Do(func() {
			got = nil
			for _, r := range above.Records {
				got = append(got, string(bytes.TrimRight(r.Bytes[14:], "\x00")))
			}
		})
		runtime.Gosched()
	}
	if s := strings.Join(got, " "); s != "group all last" {
		t.Errorf("arrived: %s", s)
	}
}

// The interface is in promiscuous mode for as long as the device is open, and only then.
func TestLeavesNothing(t *testing.T) {
	veth(t)
	ignore, files := goleak.IgnoreCurrent(), descriptors(t)
	promiscuous := func() bool {
		out, err := linktest.Command(t, "ip", "-d", "link", "show", "cal0").Output()
		if err != nil {
			t.Fatal(err)
		}
		return !bytes.Contains(out, []byte("promiscuity 0"))
	}
	clk := clock.NewReal()
	d := open(t, clk, &packet.Config{Interface: "cal0"})
	clk.Do(func() { d.Attach(new(linktest.Null)) })
	if i := d.Info(); !promiscuous() || i.Name != "cal0" || i.MTU != 1500 || i.Speed != 10e9 {
		t.Errorf("promiscuous: %v, Info: %+v", promiscuous(), i)
	}
	clk.Do(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	clk.Close()
	if promiscuous() {
		t.Error("the interface is still in promiscuous mode")
	}
	goleak.VerifyNone(t, ignore)
	if after := descriptors(t); after != files {
		t.Errorf("open files before:\n%safter:\n%s", files, after)
	}
	open(t, clock.NewVirtual(), &packet.Config{Interface: "cal0"}).Close() // unattached
	if after := descriptors(t); after != files {
		t.Errorf("open files before:\n%safter:\n%s", files, after)
	}
}

// The interface can go down and come up again, lose its carrier, and have a smaller MTU. What
// is sent meanwhile is counted by cause, and it is told; afterwards frames leave and arrive as
// before. When it is removed, the device fails at once.
func TestInterfaceChanges(t *testing.T) {
	veth(t)
	clk := clock.NewReal()
	defer clk.Close()
	told := make(chan string, 100)
	d := open(t, clk, &packet.Config{Interface: "cal0", Tell: func(err error) { told <- err.Error() }})
	arrived := make(arrivals, 1)
	clk.Do(func() { d.Attach(arrived) })
	tap := linktest.NewTap(t, "peer0")
	hears := func(what string) {
		t.Helper()
		select {
		case s := <-told:
			if !strings.Contains(s, what) {
				t.Errorf("told %q, want %q", s, what)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nobody tells %q", what)
		}
	}
	one := func(size int) {
		clk.Do(func() { d.Transmit([]*link.Frame{linktest.FrameOf(linktest.Packet(d.Info(), 0, size))}) })
	}
	drops := func(why link.Cause, n uint64) {
		t.Helper()
		clk.Do(func() {
			if sent := d.Counters().Sent; sent.Drops[why] != n {
				t.Errorf("sent %+v, want %d drops for %v", sent, n, why)
			}
		})
	}
	arrives := append(append(net.HardwareAddr{}, d.Info().Address...), make([]byte, 54)...)
	works := func(frames uint64) {
		t.Helper()
		one(100)
		clk.Do(func() {
			if sent := d.Counters().Sent; sent.Frames != frames {
				t.Errorf("sent %+v, want %d frames", sent, frames)
			}
		})
		select {
		case <-arrived: // one from before
		default:
		}
		for late := time.After(20 * time.Second); ; { // the other end may not be ready yet
			tap.Arrive(arrives)
			select {
			case <-arrived:
				return
			case <-time.After(10 * time.Millisecond):
			case <-late:
				t.Fatal("no frame arrives")
			}
		}
	}
	works(1)

	ip(t, "link", "set", "cal0", "down")
	hears("was taken down")
	one(100)
	drops(link.LinkDown, 1)
	ip(t, "link", "set", "cal0", "up")
	hears("up again")
	works(2)

	ip(t, "link", "set", "peer0", "down")
	hears("no carrier")
	one(100)
	drops(link.LinkDown, 2)
	ip(t, "link", "set", "peer0", "up")
	hears("up again")
	tap = linktest.NewTap(t, "peer0") // the other one has the error
	works(3)

	ip(t, "link", "set", "cal0", "mtu", "1000")
	hears("MTU is 1000")
	one(1400)
	drops(link.TooLong, 1)
	ip(t, "link", "set", "cal0", "mtu", "1500")
	hears("MTU is 1500 again")
	works(4)

	clk.Do(func() {
		if c := d.Counters(); c.Get("downs") != 2 || c.Get("down_ns") <= 0 || c.Get("mtu_changes") != 2 || d.Err() != nil {
			t.Errorf("%+v, %v", c, d.Err())
		}
	})
	ip(t, "link", "del", "cal0")
	select {
	case <-d.Failed():
	case <-time.After(20 * time.Second):
		t.Fatal("nobody tells that the interface was removed")
	}
	if err := d.Err(); !errors.Is(err, nic.ErrGone) {
		t.Errorf("Err = %v", err)
	}
	one(100)
	drops(link.LinkError, 1)
	clk.Do(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What arrives and the kernel has no room for, while nobody reads, is counted.
func TestKernelLoses(t *testing.T) {
	const frames = 20_000 // more than the socket's buffer holds
	veth(t)
	clk := clock.NewReal()
	defer clk.Close()
	d := open(t, clk, &packet.Config{Interface: "cal0"})
	frame := append(append(net.HardwareAddr{}, d.Info().Address...), make([]byte, 1500)...)
	tap := linktest.NewTap(t, "peer0")
	for range frames {
		tap.Arrive(frame)
	}
	above := &linktest.Collector{Clock: clk}
	clk.Do(func() {
		if r := d.Counters().Received; r.Drops[link.QueueFull] == 0 || r.Dropped() >= frames {
			t.Errorf("received %+v before anybody reads", r)
		}
		d.Attach(above)
	})
	arrived := make(chan struct{})
	var look func()
	look = func() {
		if r := d.Counters().Received; r.Frames+r.Dropped() < frames {
			clk.AfterFunc(100*time.Microsecond, look)
			return
		}
		close(arrived)
	}
	clk.Do(look)
	<-arrived
	clk.Do(func() {
		if r := d.Counters().Received; r.Frames+r.Drops[link.QueueFull] != frames || len(above.Records) != int(r.Frames) || r.Frames < 1000 {
			t.Errorf("received %+v, handed on %d", r, len(above.Records))
		}
		d.Close()
	})
}

// arrivals tells, on a channel with room for one, that frames have arrived.
type arrivals chan struct{}

func (a arrivals) Ready() {}

func (a arrivals) Receive(frames []*link.Frame) {
	for _, f := range frames {
		f.Free()
	}
	select {
	case a <- struct{}{}:
	default:
	}
}

// A failed start says why and leaves nothing.
func TestOpenFails(t *testing.T) {
	veth(t)
	ip(t, "link", "add", "name", "down0", "type", "veth", "peer", "name", "down1")
	face, err := net.InterfaceByName("cal0")
	if err != nil {
		t.Fatal(err)
	}
	open(t, clock.NewVirtual(), &packet.Config{Interface: "cal0"}).Close() // skips without rights
	files := descriptors(t)
	for _, c := range []struct {
		config packet.Config
		want   string
	}{
		{packet.Config{Interface: "nosuch"}, "no such network interface"},
		{packet.Config{Interface: "a/b"}, "no such network interface"},
		{packet.Config{Interface: "lo"}, "not an Ethernet"},
		{packet.Config{Interface: "down0"}, "ip link set down0 up"},
		{packet.Config{Interface: "cal0", MTU: 1501}, "ip link set cal0 mtu 1501"},
		{packet.Config{Interface: "cal0", Address: face.HardwareAddr}, "own address"},
	} {
		d, err := packet.Open(clock.NewVirtual(), &c.config)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%+v): %v, want %q", c.config, err, c.want)
		}
	}
	if now := descriptors(t); now != files {
		t.Errorf("open files before:\n%safter:\n%s", files, now)
	}
}

// Without the right to it the error names what is missing and what to do, and is a
// permission error to programs. The test drops the rights of its own thread.
func TestNotPermitted(t *testing.T) {
	veth(t)
	files := descriptors(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	_, err := packet.Open(clock.NewVirtual(), &packet.Config{Interface: "cal0"})
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("Open: %v", err)
	}
	for _, want := range []string{"cal0", "CAP_NET_RAW", "unshare -Urn", "setcap"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if now := descriptors(t); now != files {
		t.Errorf("open files before:\n%safter:\n%s", files, now)
	}
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

// BenchmarkTransmit sends frames of 1514 bytes, which the kernel throws away.
func BenchmarkTransmit(b *testing.B) {
	veth(b)
	d := open(b, clock.NewVirtual(), &packet.Config{Interface: "cal0"})
	defer d.Close()
	frame := linktest.Packet(d.Info(), 0, 1500)
	batch := make([]*link.Frame, 1)
	b.ReportAllocs()
	for b.Loop() {
		batch[0] = linktest.FrameOf(frame)
		d.Transmit(batch)
	}
	if sent := d.Counters().Sent; sent.Dropped() > 0 {
		b.Errorf("sent %+v", sent)
	}
}

// BenchmarkReceive reads frames of 1514 bytes that come one by one, and reports how many of
// them were there in time.
func BenchmarkReceive(b *testing.B) {
	veth(b, "10.99.0.1/24")
	clk := clock.NewReal()
	defer clk.Close()
	d := open(b, clk, &packet.Config{Interface: "cal0"})
	defer clk.Do(func() { d.Close() })
	null := new(linktest.Null)
	clk.Do(func() { d.Attach(null) })
	ip(b, "neigh", "add", "10.99.0.2", "lladdr", d.Info().Address.String(), "dev", "peer0")
	c, err := net.Dial("udp", "10.99.0.2:9")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	payload := make([]byte, 1472)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(payload); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	clk.Do(func() { b.ReportMetric(float64(null.Frames)/float64(b.N), "received/op") })
}
