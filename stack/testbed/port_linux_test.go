package testbed

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
)

// onKernel is a host on a tun or a tap to this machine's kernel.
func onKernel(t *testing.T, kind string) Config {
	t.Helper()
	linktest.Namespace(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		linktest.Skip(t, "there is no /dev/net/tun")
	}
	return Config{Hosts: []HostConfig{{
		Name: "near", Addrs: []netip.Prefix{netip.MustParsePrefix("10.99.0.2/24")}, Hold: &HoldConfig{},
		Port: &PortConfig{Kind: kind, Name: "cal0", Kernel: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}},
	}}}
}

// TestKernel sends to the kernel, and leaves no interface behind.
func TestKernel(t *testing.T) {
	t.Run(Tun, func(t *testing.T) { testKernel(t, Tun) })
	t.Run(Tap, func(t *testing.T) { testKernel(t, Tap) })
}

func testKernel(t *testing.T, kind string) {
	b := open(t, onKernel(t, kind))
	l, err := net.Listen("tcp", "10.99.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			got <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}()
	const bytes = 1 << 20
	err = b.Run(func() {
		c, err := b.Host("near").Dial("tcp", l.Addr().String())
		if err != nil {
			t.Error(err)
			l.Close()
			return
		}
		c.Write(make([]byte, bytes))
		c.Close()
	})
	if n := <-got; n != bytes || err != nil || !b.Drain(time.Minute) {
		t.Errorf("%d bytes arrived: %v", n, err)
	}
	b.Do(func() {
		if got := b.Host("near").Counters(); got[len(got)-1].Kind != kind {
			t.Errorf("the last device counts %+v", got[len(got)-1])
		}
	})
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := netlink.LinkByName("cal0"); err == nil {
		t.Error("the interface is still there")
	}
}

// TestNothingLeft has no interface left where what is above it cannot be made.
func TestNothingLeft(t *testing.T) {
	c := onKernel(t, Tun)
	c.Hosts[0].Capture = filepath.Join(t.TempDir(), "no", "such", "folder")
	if _, err := New(c, nil); !errors.As(err, new(*CaptureError)) {
		t.Error(err)
	}
	if _, err := netlink.LinkByName("cal0"); err == nil {
		t.Error("the interface is still there")
	}
}

// TestLost tells of what happens to an interface, and that it was removed.
func TestLost(t *testing.T) {
	c := onKernel(t, Tun)
	told := make(chan error, 8)
	b, err := New(c, &Hooks{Tell: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	// Of what is paced slowly, the second datagram waits.
	near := b.Host("near")
	conn, err := near.Dial("udp", "10.99.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	if err := near.Pace(conn, conn.RemoteAddr(), &pacer.Rate{BitsPerSecond: 1}); err != nil {
		t.Fatal(err)
	}
	conn.Write(make([]byte, 1000))
	conn.Write(make([]byte, 1000))
	face, err := netlink.LinkByName("cal0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(face); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !strings.Contains(err.Error(), "it was taken down") {
		t.Error(err)
	}
	if b.Err() != nil {
		t.Error(b.Err())
	}
	if err := netlink.LinkDel(face); err != nil {
		t.Fatal(err)
	}
	<-b.Done()
	if b.Drain(time.Hour) {
		t.Error("what is paced slowly has left")
	}
	const want = "the interface was removed"
	if err := b.RunFor(time.Hour); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if err := b.Run(func() {}); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestWatch does not wait for who is told, and tells what there is room for before it ends.
func TestWatch(t *testing.T) {
	var heard atomic.Int64
	free := make(chan struct{})
	w := newWatch(func(error) {
		<-free
		heard.Add(1)
	})
	const calls = 1000
	for range calls {
		w.tell(io.EOF)
	}
	first, second := make(chan struct{}), make(chan struct{})
	w.interfaces(first, func() error { return io.ErrClosedPipe })
	w.interfaces(second, func() error { return io.ErrNoProgress })
	close(first)
	<-w.lost
	close(second)
	close(free)
	w.close()
	if n := heard.Load(); n < 64 || n == calls || w.err() != io.ErrClosedPipe {
		t.Errorf("%d told, lost by %v", n, w.err())
	}
}
