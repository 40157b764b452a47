package tun

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// fakePort has so many packets to read, and refuses to write with err.
type fakePort struct {
	packets int
	err     error
}

func (p *fakePort) read(b []byte) (int, error) {
	if p.packets == 0 {
		return 0, os.ErrClosed
	}
	p.packets--
	return 60, nil
}

func (p *fakePort) write([]byte) error { return p.err }
func (p *fakePort) close() error       { return nil }

func fakeDevice(clk clock.Clock, p port) *Device {
	return newDevice(clk, p, "fake", &Config{MTU: 1500})
}

// maxArrived is how many frames wait for the clock's goroutine.
const maxArrived = 4096

// What the clock's goroutine does not take in time is bounded, and the rest is counted.
func TestOverflow(t *testing.T) {
	clk := clock.NewVirtual()
	d := fakeDevice(clk, &fakePort{packets: maxArrived + 100})
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	<-d.done
	for clk.Step() {
	}
	if len(above.Batches) != 1 || above.Batches[0] != maxArrived {
		t.Errorf("received batches of %v frames, want one of %d", above.Batches, maxArrived)
	}
	_, received := d.Stats()
	if received.Frames != maxArrived || received.Bytes != 60*maxArrived || received.Drops[link.QueueFull] != 100 {
		t.Errorf("received %+v", received)
	}
}

// What waits for the clock's goroutine when the device closes is counted.
func TestCloseWaiting(t *testing.T) {
	clk := clock.NewVirtual()
	d := fakeDevice(clk, &fakePort{packets: 10})
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	<-d.done
	d.Close()
	for clk.Step() {
	}
	if _, received := d.Stats(); received.Drops[link.Closed] != 10 || len(above.Records) != 0 {
		t.Errorf("received %+v, handed on %d", received, len(above.Records))
	}
}

func TestWriteErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		err  error
		len  int
		want link.Cause
	}{
		{nic.ErrNoRoom, 100, link.QueueFull},
		{nic.ErrDown, 100, link.LinkDown},
		{nic.ErrGone, 100, link.LinkError},
		{broken, 100, link.LinkError},
		{nil, 1501, link.TooLong},
	} {
		d := fakeDevice(clock.NewVirtual(), &fakePort{err: c.err})
		if n, err := d.Transmit([]*link.Frame{link.NewFrame(c.len)}); n != 1 || err != nil {
			t.Errorf("Transmit = %d, %v", n, err)
		}
		if sent, _ := d.Stats(); sent.Drops[c.want] != 1 || sent.Frames != 0 {
			t.Errorf("%v: sent %+v", c.want, sent)
		}
		if (d.Err() != nil) != (c.err == nic.ErrGone) {
			t.Errorf("after %v the device has %v", c.err, d.Err())
		}
	}
}

func TestCheck(t *testing.T) {
	four, six := netip.MustParsePrefix("10.99.0.1/24"), netip.MustParsePrefix("fd99::1/64")
	for want, c := range map[string]Config{
		"more than 15":     {Name: "sixteen-letters-"},
		"cannot be a name": {Name: ".."},
		"use letters":      {Name: "a/b"},
		"digits":           {Name: "a b"},
		"this cannot":      {Name: "cal%d"},
		"from 68 to 65535": {MTU: 67},
		"65536 is not":     {MTU: 65536},
		"-1 is not":        {MTU: -1},
		"needs 1280":       {MTU: 1279, KernelAddrs: []netip.Prefix{four, six}},
		"10.99.0.1/24":     {KernelAddrs: []netip.Prefix{{}}},
		"one host":         {KernelAddrs: []netip.Prefix{netip.MustParsePrefix("224.0.0.1/4")}},
		"0.0.0.0/0 is not": {KernelAddrs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
	} {
		d, err := Open(clock.NewVirtual(), &c)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%+v): %v, want %q", c, err, want)
		}
	}
}
