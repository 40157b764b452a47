package netfpga_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack"
)

// flow is a TCP connection from a host above a faithful card, whose acknowledgements come
// back to it past the card, as in 2010 by another network interface.
type flow struct {
	card  *netfpga.Firmware
	ahead time.Duration
	mtu   int
	rate  int64 // bit/s on the wire
	noise bool
}

// run sends for 50 ms, and tells how it went.
func (f *flow) run(t *testing.T) string {
	w := stack.NewWorld(1)
	defer w.Close()
	near, far := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	a, b := wire.New(w.Clock(),
		&wire.Config{Address: near, MTU: f.mtu, Rate: 1e9, Delay: 100 * time.Microsecond},
		&wire.Config{Address: far, MTU: f.mtu, Rate: 1e9, Delay: 100 * time.Microsecond})
	card := newCard(t, w.Clock(), a, &netfpga.Config{Firmware: f.card})
	host := func(d link.Device, a string) *stack.Host {
		h, err := w.NewHost(stack.Config{Device: d, Addrs: []netip.Prefix{netip.MustParsePrefix(a)}})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	client := host(hold.New(linktest.Ahead{Device: card, Lead: f.ahead}, w.Clock(), nil), "10.0.0.1/24")
	server := host(b, "10.0.0.2/24")
	l, err := server.Listen("tcp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	w.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		for {
			n, err := c.Read(make([]byte, 1<<16))
			if got += n; err != nil {
				return
			}
		}
	})
	w.Go(func() {
		c, err := client.Dial("tcp", "10.0.0.2:9")
		if err != nil {
			t.Error(err)
			return
		}
		c.(*stack.TCPConn).SetPacingRate(f.rate, pacer.Wire)
		payload := make([]byte, 1<<16)
		if f.noise {
			io.ReadFull(rand.NewChaCha8([32]byte{}), payload)
		}
		for {
			if _, err := c.Write(payload); err != nil {
				return
			}
		}
	})
	w.RunFor(20 * time.Millisecond)
	before := got
	w.RunFor(30 * time.Millisecond)
	s := card.Counters()
	if card.Err() != nil {
		t.Error(card.Err())
	}
	return fmt.Sprintf("%6.1f Mbit/s of payload, %4d bad checksums, %4d of %4d frames late by %v at most",
		float64(got-before)*8/30e3, server.Stats().TCP.ChecksumErrors.Value(), late(s), s.Sent.Frames, time.Duration(s.Get("late_max_ns")))
}

// TCP runs through the faithful card as long as what is cut off is zeros, or nothing is.
func TestFaithfulTCP(t *testing.T) {
	if slow {
		t.Skip("a golden table takes too long under the race detector")
	}
	var table strings.Builder
	full := &netfpga.Firmware{FullPayload: true}
	const enough = 200 * time.Microsecond
	for _, c := range []struct {
		what string
		flow flow
	}{
		{"zeros", flow{ahead: 10 * time.Microsecond}},
		{"zeros", flow{ahead: enough}},
		{"zeros, full payload", flow{ahead: enough, card: full}},
		{"noise", flow{ahead: enough, noise: true}},
		{"noise, MTU of 186", flow{ahead: enough, noise: true, mtu: 186}},
		{"noise, full payload", flow{ahead: enough, noise: true, card: full}},
	} {
		for _, rate := range []int64{100e6, 900e6} {
			f := c.flow
			if f.card == nil {
				f.card = &netfpga.Firmware{}
			}
			f.rate = rate
			fmt.Fprintf(&table, "%-20s %3d Mbit/s, handed over %5v ahead: %s\n", c.what, rate/1e6, f.ahead, f.run(t))
		}
	}
	linktest.Golden(t, "faithful_tcp.golden", table.String())
}
