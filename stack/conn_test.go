package stack

import (
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair makes two hosts in real time with a cable between them.
func pair(t testing.TB) (near, far *Host, stop func()) {
	t.Helper()
	clk := clock.NewReal()
	a, b := newCable(clk, 1500)
	near, err := New(clk, Config{Device: a, Addrs: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	far, err = New(clk, Config{Device: b, Addrs: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd00::2/64")}})
	if err != nil {
		t.Fatal(err)
	}
	return near, far, func() {
		near.Close()
		far.Close()
		clk.Close()
	}
}

func TestConnConforms(t *testing.T) {
	for _, addr := range []string{"10.0.0.2:0", "[fd00::2]:0"} {
		t.Run(addr, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				near, far, end := pair(t)
				l, err := far.Listen("tcp", addr)
				if err != nil {
					return nil, nil, nil, err
				}
				c1, err = near.Dial("tcp", l.Addr().String())
				if err != nil {
					return nil, nil, nil, err
				}
				c2, err = l.Accept()
				if err != nil {
					return nil, nil, nil, err
				}
				return c1, c2, func() { c1.Close(); c2.Close(); l.Close(); end() }, nil
			})
		})
	}
}

func TestWindowBeginsWithTenSegments(t *testing.T) {
	needsLayout(t)
	near, far, stop := pair(t)
	defer stop()
	l, err := far.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	for address, mss := range map[string]int64{"10.0.0.2:80": 1448, "[fd00::2]:80": 1428} {
		c, err := near.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		// # ten segments, as at the start of every connection (RFC 6928)
		if fb := c.(*TCPConn).Feedback(); fb.MSS != mss || fb.Cwnd != 10*mss {
			t.Errorf("%s: MSS %d, cwnd %d, want %d and ten times that", address, fb.MSS, fb.Cwnd, mss)
		}
		c.Close()
	}
	l.Close()
}
