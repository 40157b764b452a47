package linktest_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// flawed is a device that does one thing wrong.
type flawed struct {
	link.Device
	flaw    string
	handler link.Handler
	closed  int
	kept    *link.Frame
}

func (d *flawed) Info() link.Info {
	info := d.Device.Info()
	if d.flaw == "info changes" && d.kept != nil {
		info.MTU++
	}
	return info
}

func (d *flawed) Attach(h link.Handler) {
	d.handler = h
	d.Device.Attach(d)
}

func (d *flawed) Transmit(frames []*link.Frame) (int, error) {
	if d.closed > 0 && d.flaw == "sends after close" {
		return len(frames), nil
	}
	if len(frames) == 0 {
		if d.flaw == "refuses nothing" {
			return 0, net.ErrClosed
		}
		return 0, nil
	}
	first := frames[0]
	d.kept = first
	switch d.flaw {
	case "doubles":
		d.Device.Transmit([]*link.Frame{first.Clone()})
	case "loses":
		first.Free()
		n, err := d.Device.Transmit(frames[1:])
		return n + 1, err
	case "damages":
		first.Bytes()[first.Len()-1]++
	case "turns round":
		for i := range frames[:len(frames)/2] {
			j := len(frames) - 1 - i
			frames[i], frames[j] = frames[j], frames[i]
		}
	case "tells twice":
		first.Origin.Departed(first)
	case "never tells":
		first.Origin = nil
	case "takes more than it has":
		n, err := d.Device.Transmit(frames)
		return n + 1, err
	case "is full of frames that it took":
		n, _ := d.Device.Transmit(frames)
		return n, link.ErrFull
	case "hides that it is full":
		n, _ := d.Device.Transmit(frames)
		return n, nil
	}
	return d.Device.Transmit(frames)
}

func (d *flawed) Receive(frames []*link.Frame) {
	switch d.flaw {
	case "receives nothing":
		frames = nil
	case "receives rubbish":
		frames[0].Bytes()[0]++
	}
	d.handler.Receive(frames)
}

func (d *flawed) Ready() {
	if d.flaw != "is never ready" {
		d.handler.Ready()
	}
}

func (d *flawed) Close() error {
	d.closed++
	if d.closed == 2 && d.flaw == "closes once" {
		return net.ErrClosed
	}
	return d.Device.Close()
}

const flawVariable = "LINKTEST_FLAW"

// TestFlawed tests the device with the flaw that the environment asks for, else one
// without.
func TestFlawed(t *testing.T) {
	linktest.RunOver(t, func(_ *clock.Virtual, below link.Device) link.Device {
		return &flawed{Device: below, flaw: os.Getenv(flawVariable)}
	})
}

// Every flaw is found. Each is tested by this program, run again.
func TestFlawsAreFound(t *testing.T) {
	for _, flaw := range []string{
		"info changes", "sends after close", "refuses nothing", "doubles", "loses", "damages",
		"turns round", "tells twice", "never tells", "takes more than it has",
		"is full of frames that it took", "hides that it is full", "receives nothing",
		"receives rubbish", "is never ready", "closes once",
	} {
		cmd := linktest.Command(t, os.Args[0], "-test.run=^TestFlawed$")
		cmd.Env = append(os.Environ(), flawVariable+"="+flaw)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--- FAIL") {
			t.Errorf("a device that %s passes the tests (%v):\n%s", flaw, err, out)
		}
	}
}
