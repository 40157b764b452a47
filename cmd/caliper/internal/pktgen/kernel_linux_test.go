package pktgen

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

// open opens a Kernel to a socket.
func open(t *testing.T, to netip.AddrPort) (*Kernel, *clock.Real) {
	t.Helper()
	clk := clock.NewReal()
	t.Cleanup(func() { clk.Close() })
	k, err := OpenKernel(clk, to, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k, clk
}

// Every packet of the plan is sent, and none before its time.
func TestKernel(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		server := listen(t, address)
		to := server.LocalAddr().(*net.UDPAddr).AddrPort()
		k, clk := open(t, to)
		if k.MTU() < 1500 {
			t.Errorf("loopback has an MTU of %d", k.MTU())
		}
		tally := NewTally()
		k.Begin(&Plan{Gaps: CycleGaps([]pacer.Gap{20_000_000}), Sizes: CycleSizes([]int{0, 18, 1200}), Packets: 60}, tally)
		clk.Do(func() { k.Start(time.Millisecond) })
		<-tally.Over()
		var got []string
		b := make([]byte, 2000)
		for range 60 {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			if port := from.Port(); port != k.Flow().SrcPort {
				t.Errorf("from port %d, and not as in %v", port, k.Flow())
			}
			if len(got) < 4 {
				got = append(got, fmt.Sprint(n))
			}
		}
		if s := strings.Join(got, " "); s != "0 18 1200 0" {
			t.Errorf("payloads %s", s)
		}
		d, s := k.Departures.Report(), tally.Summary()
		if d.Packets != 60 || d.Paced != 60 || d.Early != 0 || d.Late != d.LateBy.Host {
			t.Errorf("\n%v", d)
		}
		if s.Packets != 60 || s.Payload != 20*1218 || s.AskedGap != 20_000 || tally.Err() != nil {
			t.Errorf("%+v, %v", s, tally.Err())
		}
	}
}

// A schedule that cannot be kept goes on as fast as it can, until it is stopped.
func TestKernelStop(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	k, clk := open(t, server.LocalAddr().(*net.UDPAddr).AddrPort())
	tally := NewTally()
	k.Begin(&Plan{Gaps: CycleGaps([]pacer.Gap{0}), Sizes: CycleSizes([]int{18})}, tally)
	clk.Do(func() { k.Start(0) })
	for tally.Left() < 100 {
		clk.Do(func() {}) // others have their turn
	}
	clk.Do(k.Stop)
	<-tally.Over()
	if n := tally.Left(); n != tally.Summary().Packets || tally.Err() != nil {
		t.Errorf("%d left, %+v, %v", n, tally.Summary(), tally.Err())
	}
	clk.Do(k.Stop) // does nothing
}

// What the kernel refuses ends the run, and is said.
func TestKernelRefused(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	k, clk := open(t, server.LocalAddr().(*net.UDPAddr).AddrPort())
	tally := NewTally()
	k.Begin(&Plan{Gaps: CycleGaps([]pacer.Gap{0}), Sizes: CycleSizes([]int{18, 65508})}, tally)
	clk.Do(func() { k.Start(0) })
	<-tally.Over()
	if err := tally.Err(); err == nil || !strings.Contains(err.Error(), "too long") || tally.Left() != 1 {
		t.Errorf("%v after %d packets", err, tally.Left())
	}
}

// A port that is taken, and a way that there is not.
func TestKernelOpen(t *testing.T) {
	server := listen(t, "127.0.0.1:0")
	to := server.LocalAddr().(*net.UDPAddr).AddrPort()
	clk := clock.NewReal()
	defer clk.Close()
	if _, err := OpenKernel(clk, netip.MustParseAddrPort("127.0.0.1:9"), to.Port()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	linktest.Namespace(t)
	if _, err := OpenKernel(clk, netip.MustParseAddrPort("192.0.2.1:9"), 0); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a network that there is not: %v", err)
	}
}
