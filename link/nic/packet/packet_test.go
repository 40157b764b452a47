package packet

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// scripted is a back end that hands over what it was given.
type scripted struct {
	handed handed
	frames [][]byte
}

func (p *scripted) Read(to *nic.Receiver, _ bool) error {
	if len(p.frames) == 0 {
		return os.ErrClosed
	}
	n, b := 0, p.frames[0]
	for _, piece := range p.handed.pieces(to) {
		n += copy(piece, b[n:])
	}
	p.frames = p.frames[1:]
	p.handed.take(to, n)
	return nil
}

func (p *scripted) Write([]byte) error { return nil }
func (p *scripted) Lost() uint64       { return 0 }
func (p *scripted) Close() error       { return nil }

// hand has the kernel hand over frames to a device of that MTU, and returns what arrived.
func hand(t testing.TB, mtu int, frames ...[]byte) (arrived [][]byte, received link.Stats) {
	t.Helper()
	clk := clock.NewVirtual()
	info := link.Info{Name: "fake", MTU: mtu, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	d, err := nic.New(clk, &scripted{frames: frames}, nic.Config{Info: info, Poll: 1})
	if err != nil {
		t.Fatal(err)
	}
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	for clk.Step() {
	}
	for _, r := range above.Records {
		arrived = append(arrived, r.Bytes)
	}
	return arrived, d.Counters().Received
}

func TestReceived(t *testing.T) {
	plain := func(n int) []byte { return make([]byte, offloadHeader+n) }
	for name, c := range map[string]struct {
		frame  []byte
		frames int
		why    link.Cause
		drops  uint64
	}{
		"the longest":            {plain(1514), 1, 0, 0},
		"longer":                 {plain(1515), 0, link.TooLong, 1},
		"no frame":               {plain(13), 0, link.Malformed, 1},
		"no header":              {make([]byte, offloadHeader-1), 0, link.Malformed, 1},
		"to be cut":              {segment{payload: noise(3000), size: 1460}.bytes(), 3, 0, 0},
		"to be cut, but not so":  {segment{payload: noise(2922), size: 1461}.bytes(), 0, link.TooLong, 2},
		"larger than the buffer": {plain(1 << 18), 0, link.TooLong, 1},
	} {
		arrived, received := hand(t, 1500, c.frame)
		if len(arrived) != c.frames || received.Frames != uint64(c.frames) || received.Drops[c.why] != c.drops || received.Dropped() != c.drops {
			t.Errorf("%s: %d arrived, received %+v", name, len(arrived), received)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, c := range map[string]Config{
		"needs a name":  {},
		"less than 68":  {Interface: "eth0", MTU: 67},
		"02:00:00:00":   {Interface: "eth0", Address: net.HardwareAddr{2, 0, 0, 0}},
		"01:00:5e":      {Interface: "eth0", Address: net.HardwareAddr{1, 0, 0x5e, 0, 0, 1}},
		"00:00:00:00:0": {Interface: "eth0", Address: make(net.HardwareAddr, 6)},
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
