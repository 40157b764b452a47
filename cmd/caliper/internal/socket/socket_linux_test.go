package socket

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/traffic"
)

// listen returns a socket on loopback that has room for what a test sends.
func listen(t *testing.T, address string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// open opens a Sender to a socket.
func open(t *testing.T, to netip.AddrPort) (*Sender, *clock.Real) {
	t.Helper()
	clk := clock.NewReal()
	t.Cleanup(func() { clk.Close() })
	s, err := Open(clk, to, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, clk
}

// Every packet of the plan is sent, and none before its time.
func TestSender(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		server := listen(t, address)
		to := server.LocalAddr().(*net.UDPAddr).AddrPort()
		s, clk := open(t, to)
		if s.MTU() < 1500 {
			t.Errorf("loopback has an MTU of %d", s.MTU())
		}
		counters := traffic.NewCounters()
		s.Begin(&traffic.Plan{Gaps: traffic.CycleGaps([]pacer.Gap{20_000_000}), Sizes: traffic.CycleSizes([]int{0, 18, 1200}), Packets: 60}, counters)
		clk.Do(func() { s.Start(time.Millisecond) })
		<-counters.Over()
		var got []string
		b := make([]byte, 2000)
		for range 60 {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			if port := from.Port(); port != s.Flow().SrcPort {
				t.Errorf("from port %d, and not as in %v", port, s.Flow())
			}
			if len(got) < 4 {
				got = append(got, fmt.Sprint(n))
			}
		}
		if payloads := strings.Join(got, " "); payloads != "0 18 1200 0" {
			t.Errorf("payloads %s", payloads)
		}
		d, sum := s.Departures.Report(), counters.Summary()
		if d.Packets != 60 || d.Paced != 60 || d.Early != 0 || d.Late != d.LateBy.Host {
			t.Errorf("\n%v", d)
		}
		if sum.Packets != 60 || sum.Payload != 20*1218 || sum.AskedGap != 20_000 || counters.Err() != nil {
			t.Errorf("%+v, %v", sum, counters.Err())
		}
	}
}

// A schedule that cannot be kept goes on as fast as it can, until it is stopped.
func TestSenderStop(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	s, clk := open(t, server.LocalAddr().(*net.UDPAddr).AddrPort())
	counters := traffic.NewCounters()
	s.Begin(&traffic.Plan{Gaps: traffic.CycleGaps([]pacer.Gap{0}), Sizes: traffic.CycleSizes([]int{18})}, counters)
	clk.Do(func() { s.Start(0) })
	for counters.Left() < 100 {
		clk.Do(func() {}) // others have their turn
	}
	clk.Do(s.Stop)
	<-counters.Over()
	if n := counters.Left(); n != counters.Summary().Packets || counters.Err() != nil {
		t.Errorf("%d left, %+v, %v", n, counters.Summary(), counters.Err())
	}
	clk.Do(s.Stop) // does nothing
}

// What the kernel refuses ends the run, and is said.
func TestSenderRefused(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	s, clk := open(t, server.LocalAddr().(*net.UDPAddr).AddrPort())
	counters := traffic.NewCounters()
	s.Begin(&traffic.Plan{Gaps: traffic.CycleGaps([]pacer.Gap{0}), Sizes: traffic.CycleSizes([]int{18, 65508})}, counters)
	clk.Do(func() { s.Start(0) })
	<-counters.Over()
	if err := counters.Err(); err == nil || !strings.Contains(err.Error(), "too long") || counters.Left() != 1 {
		t.Errorf("%v after %d packets", err, counters.Left())
	}
}

// A port that is taken, and a way that there is not.
func TestOpen(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	to := server.LocalAddr().(*net.UDPAddr).AddrPort()
	clk := clock.NewReal()
	defer clk.Close()
	if _, err := Open(clk, netip.MustParseAddrPort("127.0.0.1:9"), to.Port()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	linktest.Namespace(t)
	if _, err := Open(clk, netip.MustParseAddrPort("192.0.2.1:9"), 0); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a network that there is not: %v", err)
	}
}
