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

// flawed is a device that does one thing wrong. It counts what it hands on.
type flawed struct {
	link.Device
	flaw    string
	handler link.Handler
	closed  int
	kept    *link.Frame
	counted link.Counters
}

func (d *flawed) Info() link.Info {
	info := d.Device.Info()
	if d.flaw == "info changes" && d.kept != nil {
		info.MTU++
	}
	return info
}

func (d *flawed) Below() link.Device {
	switch d.flaw {
	case "hides what is below":
		return nil
	case "is below itself":
		return d
	}
	return d.Device
}

func (d *flawed) Counters() link.Counters {
	c := d.counted
	c.Kind = "flawed"
	if c.Sent.Frames == 0 {
		return c
	}
	switch d.flaw {
	case "drops and counts nothing":
		return link.Counters{Kind: "flawed"}
	case "is of no kind":
		c.Kind = ""
	case "counts a drop of what it sent":
		c.Sent.Frames--
		c.Sent.Drops[link.QueueFull]++
	case "counts twice":
		c.Sent.Frames++
	case "counts what waits as sent":
		c.Sent.Frames++
		c.Waiting--
	case "counts bytes of the wire":
		c.Sent.Bytes += 24 * c.Sent.Frames
	case "forgets what it dropped":
		d.counted.Sent.Drops[link.LinkError]++
		c.Sent.Drops[link.LinkError] = d.counted.Sent.Drops[link.LinkError] & 1
		c.Waiting = -int(c.Sent.Drops[link.LinkError])
	case "has a counter that goes down":
		c.More = []link.Counter{{Name: "left", Value: 1000 - int64(c.Sent.Frames)}}
	case "has two counters of a name":
		c.More = []link.Counter{{Name: "peak", Level: true}, {Name: "peak", Level: true}}
	case "has a counter with a bad name":
		c.More = []link.Counter{{Name: "queue peak"}}
	}
	return c
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
	case "loses", "drops and counts nothing":
		first.Free()
		n, err := d.send(frames[1:])
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
	case "tells of a drop what it sends":
		first.Origin.Departed(first)
		first.Origin = nil
	case "sends what it has freed":
		first.Free()
	case "never frees":
		c := first.Clone()
		c.Origin, c.Cookie, first.Origin = first.Origin, first.Cookie, nil
		frames[0] = c
	case "takes more than it has":
		n, err := d.send(frames)
		return n + 1, err
	case "is full of frames that it took":
		n, _ := d.send(frames)
		return n, link.ErrFull
	case "hides that it is full":
		n, _ := d.send(frames)
		return n, nil
	}
	n, err := d.send(frames)
	if n > 0 {
		switch d.flaw {
		case "frees what it handed on":
			first.Free()
		case "writes to what it handed on":
			first.Memory()[link.HeadRoom] = 1
		case "says that what it handed on has left":
			first.Left(0)
		}
	}
	return n, err
}

// send hands frames on, and counts them.
func (d *flawed) send(frames []*link.Frame) (int, error) {
	var sizes []int
	for _, f := range frames {
		sizes = append(sizes, f.Len())
	}
	n, err := d.Device.Transmit(frames)
	for _, size := range sizes[:n] {
		d.counted.Sent.Frames++
		d.counted.Sent.Bytes += uint64(size)
	}
	return n, err
}

func (d *flawed) Receive(frames []*link.Frame) {
	d.counted.Received.Frames += uint64(len(frames))
	switch d.flaw {
	case "receives nothing":
		frames = nil
	case "receives rubbish":
		frames[0].Bytes()[0]++
	case "counts arrivals twice":
		d.counted.Received.Frames++
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

// Every flaw is found, by what the error says of it. Each is tested by this program, run again.
func TestFlawsAreFound(t *testing.T) {
	for flaw, says := range map[string]string{
		"info changes":                         "Info changed",
		"sends after close":                    "Transmit after Close",
		"refuses nothing":                      "Transmit of no frames",
		"doubles":                              "the sink below has 2 frames, of 1 that",
		"loses":                                "2 frames sent, 0 dropped, 0 waiting, having taken 3",
		"damages":                              "is not the one sent",
		"turns round":                          "is not the one sent",
		"tells twice":                          "was told 2 times",
		"never tells":                          "not yet: all Origins told",
		"takes more than it has":               "Transmit of",
		"is full of frames that it took":       "frames = ",
		"hides that it is full":                "and no error",
		"receives nothing":                     "not yet: all frames arrived",
		"receives rubbish":                     "that arrived is not the one sent",
		"is never ready":                       "not yet: Ready after ErrFull",
		"closes once":                          "Close: ",
		"tells of a drop what it sends":        "was told that it was dropped, and it has left",
		"sends what it has freed":              "is not the one sent",
		"never frees":                          "not yet: all frames freed",
		"frees what it handed on":              "that had been freed",
		"writes to what it handed on":          "was written to",
		"says that what it handed on has left": "that had been freed",
		"hides what is below":                  "the last device of the chain",
		"is below itself":                      "in a circle",
		"drops and counts nothing":             "does not only look on",
		"is of no kind":                        "is of no kind",
		"counts a drop of what it sent":        "of 0 that were handed to it",
		"counts twice":                         "2 frames sent, 0 dropped, 0 waiting",
		"counts what waits as sent":            "-1 waiting",
		"counts bytes of the wire":             "have left, and Counters are",
		"forgets what it dropped":              "waiting",
		"has a counter that goes down":         "left goes down",
		"has two counters of a name":           "two counters are called peak",
		"has a counter with a bad name":        "is no counter's name",
		"counts arrivals twice":                "were received",
	} {
		cmd := linktest.Command(t, os.Args[0], "-test.run=^TestFlawed$")
		cmd.Env = append(os.Environ(), flawVariable+"="+flaw)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--- FAIL") {
			t.Errorf("a device that %s passes the tests (%v):\n%s", flaw, err, out)
		} else if !strings.Contains(string(out), says) {
			t.Errorf("of a device that %s they do not say %q:\n%s", flaw, says, out)
		}
	}
}
