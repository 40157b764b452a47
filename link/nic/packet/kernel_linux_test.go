package packet_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/nic/packet"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
)

// A bench is a host of ours on cal0, across from the kernel.
type bench struct {
	clk  *clock.Real
	dev  *nic.Device
	host *stack.Host
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{clk: clock.NewReal()}
	b.dev = open(t, b.clk, &packet.Config{Interface: "cal0"})
	var err error
	b.host, err = stack.New(b.clk, stack.Config{Device: b.dev, MinRTO: 10 * time.Millisecond, Addrs: []netip.Prefix{
		netip.MustParsePrefix("10.99.0.2/24"), netip.MustParsePrefix("fd99::2/64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) close(t *testing.T) {
	b.host.Flush(time.Second)
	if err := b.host.Close(); err != nil {
		t.Error(err)
	}
	b.clk.Close()
	if err := b.dev.Err(); err != nil {
		t.Error(err)
	}
}

// The kernel's TCP and ours send each other, at once, more than fits any buffer. All of
// it arrives, and no segment had a checksum that ours would refuse.
func TestKernelTCP(t *testing.T) {
	const amount = 8 << 20
	for _, at := range []string{"10.99.0.1", "fd99::1"} {
		t.Run(at, func(t *testing.T) {
			veth(t, "10.99.0.1/24", "fd99::1/64")
			ignore := goleak.IgnoreCurrent()
			l, err := net.Listen("tcp", net.JoinHostPort(at, "0"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			b := newBench(t)
			done := make(chan string)
			go func() {
				c, err := l.Accept()
				if err != nil {
					done <- err.Error()
					return
				}
				defer c.Close()
				done <- both(c, 'k', 'o', amount)
			}()
			c, err := b.host.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if failed := both(c, 'o', 'k', amount); failed != "" {
				t.Errorf("we: %s", failed)
			}
			if failed := <-done; failed != "" {
				t.Errorf("the kernel: %s", failed)
			}
			c.Close()
			l.Close()
			b.close(t)
			received := b.dev.Counters().Received
			if n := b.host.Stats().TCP.ChecksumErrors.Value(); n != 0 {
				t.Errorf("%d checksum errors", n)
			}
			if n := received.Drops[link.Malformed] + received.Drops[link.TooLong]; n != 0 || received.Bytes < amount {
				t.Errorf("received %+v", received)
			}
			goleak.VerifyNone(t, ignore)
		})
	}
}

// both sends amount bytes and receives as many, and tells what went wrong.
func both(c net.Conn, send, receive byte, amount int64) string {
	written := make(chan error)
	go func() {
		_, err := io.Copy(c, io.LimitReader(&stream{kind: send}, amount))
		written <- err
	}()
	got, want := sha256.New(), sha256.New()
	n, err := io.CopyN(got, c, amount)
	io.CopyN(want, &stream{kind: receive}, amount)
	switch {
	case err != nil:
		return "read: " + err.Error()
	case n != amount || !bytes.Equal(got.Sum(nil), want.Sum(nil)):
		return "what arrived is not what was sent"
	}
	if err := <-written; err != nil {
		return "write: " + err.Error()
	}
	return ""
}

// A stream is bytes that do not repeat early.
type stream struct {
	kind byte
	at   uint32
}

func (s *stream) Read(b []byte) (int, error) {
	for i := range b {
		x := s.at * 2654435761
		b[i] = byte(x>>24) ^ s.kind
		s.at++
	}
	return len(b), nil
}

// The kernel's UDP socket leaves the cutting to the card (UDP_SEGMENT), and each datagram
// arrives.
func TestKernelUDPSegments(t *testing.T) {
	const size, datagrams = 1000, 40
	for _, at := range []string{"10.99.0.2", "fd99::2"} {
		t.Run(at, func(t *testing.T) {
			veth(t, "10.99.0.1/24", "fd99::1/64")
			b := newBench(t)
			defer b.close(t)
			l, err := b.host.ListenPacket("udp", net.JoinHostPort(at, "7"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c, err := net.Dial("udp", net.JoinHostPort(at, "7"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			conn, err := c.(*net.UDPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) })
			if err != nil {
				linktest.Skip(t, "UDP_SEGMENT: "+err.Error())
			}
			sent := make([]byte, size*datagrams-size/2)
			io.ReadFull(&stream{}, sent)
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			var got []byte
			for i := range datagrams {
				b := make([]byte, 2000)
				n, _, err := l.ReadFrom(b)
				if err != nil || n != size && i < datagrams-1 {
					t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
				}
				got = append(got, b[:n]...)
			}
			if !bytes.Equal(got, sent) {
				t.Error("what arrived is not what was sent")
			}
		})
	}
}
