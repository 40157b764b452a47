package tuntap_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/nic/tuntap"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
)

// silence keeps the kernel from looking for IPv6 neighbours and routers on interfaces made
// from now on in this namespace.
func silence(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		t.Log(err)
	}
}

func TestTapConformance(t *testing.T) {
	for _, poll := range []time.Duration{0, 50 * time.Microsecond} {
		linktest.Run(t, func(t *testing.T) linktest.Harness {
			namespace(t)
			silence(t)
			clk := clock.NewReal()
			t.Cleanup(func() { clk.Close() })
			// The address is the one to which linktest sends.
			d := openTun(t, clk, &tuntap.Config{Tap: true, Name: "cal0", Poll: poll, Address: net.HardwareAddr{2, 0, 0, 0, 0, 0xff}})
			tap := linktest.NewTap(t, "cal0")
			return linktest.Harness{
				Device: d, Clock: clk,
				Left: tap.Left, Arrive: tap.Arrive,
			}
		})
	}
}

// A station is a host of ours on a tap interface.
type station struct {
	clk  *clock.Real
	dev  *nic.Device
	host *stack.Host
}

func newStation(t *testing.T, c tuntap.Config) *station {
	t.Helper()
	s := &station{clk: clock.NewReal()}
	s.dev = openTun(t, s.clk, &c)
	var err error
	s.host, err = stack.New(s.clk, stack.Config{Device: s.dev, MinRTO: 10 * time.Millisecond, Addrs: []netip.Prefix{
		netip.MustParsePrefix("10.99.0.2/24"), netip.MustParsePrefix("fd99::2/64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *station) close(t *testing.T) {
	t.Helper()
	s.host.Flush(time.Second)
	if err := s.host.Close(); err != nil {
		t.Error(err)
	}
	s.clk.Close()
	if err := s.dev.Err(); err != nil {
		t.Error(err)
	}
}

// ping has the kernel send an echo request (RFC 792), and waits for the answer.
func ping(t *testing.T, to string) {
	t.Helper()
	c, err := net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: net.ParseIP(to)})
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	defer c.Close()
	request := []byte{8, 0, 0, 0, 0x12, 0x34, 0, 1}
	sum := ^link.Fold(link.Sum(0, request))
	request[2], request[3] = byte(sum>>8), byte(sum)
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 100)
	n, _, err := c.ReadFromIP(answer)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer[:n]; !bytes.HasPrefix(got, []byte{0, 0}) || !bytes.HasSuffix(got, request[4:]) {
		t.Errorf("the answer is % x", got)
	}
}

// echoTCP sends so many bytes to the port 7 of a host of ours, and has them come back.
func echoTCP(t *testing.T, s *station, at string, amount int) {
	t.Helper()
	l, err := s.host.Listen("tcp", net.JoinHostPort(at, "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", net.JoinHostPort(at, "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent, got := make([]byte, amount), make([]byte, amount)
	for i := range sent {
		sent[i] = byte(i * i >> 7)
	}
	go func() {
		c.Write(sent)
		c.(*net.TCPConn).CloseWrite()
	}()
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%v, the same: %v", err, bytes.Equal(got, sent))
	}
}

// The kernel's TCP/IP is a station beside ours: it finds ours by ARP and by IPv6's neighbour
// discovery. Nothing is left afterwards.
func TestTapKernel(t *testing.T) {
	for _, poll := range []time.Duration{0, 50 * time.Microsecond} {
		namespace(t)
		ignore, before := goleak.IgnoreCurrent(), descriptors(t)
		s := newStation(t, tuntap.Config{Tap: true, Name: "cal0", Poll: poll, KernelAddrs: []netip.Prefix{
			netip.MustParsePrefix("10.99.0.1/24"), netip.MustParsePrefix("fd99::1/64"),
		}})
		face, err := net.InterfaceByName("cal0")
		if err != nil {
			t.Fatal(err)
		}
		info := s.dev.Info()
		if bytes.Equal(face.HardwareAddr, info.Address) || nic.CheckStation(info.Address) != nil || info.Name != "cal0" || info.MTU != 1500 {
			t.Errorf("the kernel's end is %v, ours %+v", face.HardwareAddr, info)
		}
		ping(t, "10.99.0.2")
		echoTCP(t, s, "10.99.0.2", 4<<20)
		echoTCP(t, s, "fd99::2", 4<<20)
		s.close(t)
		c := s.dev.Counters()
		if c.Kind != "tap" || c.Name != "cal0" || c.Sent.Bytes < 8<<20 || c.Received.Bytes < 8<<20 || c.Received.Drops[link.TooLong]+c.Received.Drops[link.Malformed] > 0 {
			t.Errorf("%+v", c)
		}
		if _, err := net.InterfaceByName("cal0"); err == nil {
			t.Error("the interface is still there after Close")
		}
		goleak.VerifyNone(t, ignore)
		if after := descriptors(t); after != before {
			t.Errorf("open files before:\n%safter:\n%s", before, after)
		}
	}
}

// Of an interface that was removed it is said so, and of another what it was.
func TestFailure(t *testing.T) {
	namespace(t)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	f := os.NewFile(uintptr(fd), "tun")
	defer f.Close()
	request, err := unix.NewIfreq("cal0")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		linktest.Skip(t, err.Error())
	}
	for _, err := range []error{nil, unix.EIO, os.ErrClosed} {
		if got := tuntap.Failure(f, err); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	ip(t, "link", "del", "cal0")
	for err, want := range map[error]error{nil: nil, unix.EIO: nic.ErrGone, os.ErrClosed: os.ErrClosed} {
		if got := tuntap.Failure(f, err); got != want {
			t.Errorf("of one that was removed %v becomes %v, want %v", err, got, want)
		}
	}
}

// A bridge has the interface as a port.
func TestTapBridge(t *testing.T) {
	namespace(t)
	ip(t, "link", "add", "br0", "type", "bridge")
	ip(t, "addr", "add", "10.99.0.1/24", "dev", "br0")
	ip(t, "link", "set", "br0", "up")
	own := net.HardwareAddr{2, 1, 2, 3, 4, 5}
	s := newStation(t, tuntap.Config{Tap: true, Name: "cal0", Address: own})
	if got := s.dev.Info().Address; !bytes.Equal(got, own) {
		t.Errorf("our address is %v, want %v", got, own)
	}
	ip(t, "link", "set", "cal0", "master", "br0")
	ping(t, "10.99.0.2")
	echoTCP(t, s, "10.99.0.2", 1<<20)
	s.close(t)
}
