package packet

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// maxArrived is how many frames wait for the clock's goroutine.
const maxArrived = 4096

// fakePort has what it was given to read, then errors, and refuses to write.
type fakePort struct {
	frames   [][]byte
	errors   []error
	writeErr error
	drops    uint64
}

func (p *fakePort) read(b []byte) (int, error) {
	if len(p.frames) > 0 {
		n := copy(b, p.frames[0])
		p.frames = p.frames[1:]
		return n, nil
	}
	if len(p.errors) > 0 {
		err := p.errors[0]
		p.errors = p.errors[1:]
		return 0, err
	}
	return 0, os.ErrClosed
}

func (p *fakePort) write([]byte) error { return p.writeErr }
func (p *fakePort) close() error       { return nil }

func (p *fakePort) lost() uint64 {
	n := p.drops
	p.drops = 0
	return n
}

var testInfo = link.Info{Name: "fake", MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}}

// read lets a device read all that the port has.
func read(p port) (*Device, *linktest.Collector) {
	clk := clock.NewVirtual()
	d := newDevice(clk, p, testInfo, nil)
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	<-d.done
	for clk.Step() {
	}
	return d, above
}

// What the clock's goroutine does not take in time is bounded, and the rest is counted,
// also where one segment is cut into more than has room.
func TestOverflow(t *testing.T) {
	p := &fakePort{drops: 7}
	for range 3 {
		p.frames = append(p.frames, segment{payload: noise(3000), size: 1}.bytes())
	}
	d, above := read(p)
	if len(above.Batches) != 1 || above.Batches[0] != maxArrived {
		t.Errorf("received batches of %v frames, want one of %d", above.Batches, maxArrived)
	}
	for range 2 { // the kernel's counter is read once
		if _, received := d.Stats(); received.Frames != maxArrived || received.Drops[link.QueueFull] != 9000-maxArrived+7 {
			t.Errorf("received %+v", received)
		}
	}
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
		"to be cut":              {segment{payload: noise(3000), size: 1460}.bytes(), 3, 0, 0},
		"to be cut, but not so":  {segment{payload: noise(3000), size: 1461}.bytes(), 0, link.TooLong, 3},
		"larger than the buffer": {plain(1 << 18), 0, link.TooLong, 1},
	} {
		d, above := read(&fakePort{frames: [][]byte{c.frame}})
		_, received := d.Stats()
		if len(above.Records) != c.frames || received.Frames != uint64(c.frames) || received.Drops[c.why] != c.drops || received.Dropped() != c.drops {
			t.Errorf("%s: %d arrived, received %+v", name, len(above.Records), received)
		}
	}
}

// Reading goes on after what passes, and ends with what does not.
func TestReadErrors(t *testing.T) {
	broken := errors.New("broken")
	d, _ := read(&fakePort{errors: []error{errUnknown, nic.ErrDown, broken, errUnknown}})
	_, received := d.Stats()
	if received.Drops[link.Malformed] != 1 {
		t.Errorf("received %+v, want that nothing was read behind the error that stays", received)
	}
	if err := d.Err(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "fake") {
		t.Errorf("Err = %v, want the one that stays", err)
	}
	<-d.Failed()
}

// What waits for the clock's goroutine when the device closes is counted.
func TestCloseWaiting(t *testing.T) {
	clk := clock.NewVirtual()
	d := newDevice(clk, &fakePort{frames: [][]byte{segment{payload: noise(100), size: 10}.bytes()}, drops: 5}, testInfo, nil)
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	<-d.done
	d.Close()
	for clk.Step() {
	}
	if _, received := d.Stats(); received.Drops[link.Closed] != 10 || received.Drops[link.QueueFull] != 5 || len(above.Records) != 0 {
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
		{nic.ErrDown, 100, link.LinkDown},
		{nic.ErrTooLong, 100, link.TooLong},
		{nic.ErrGone, 100, link.LinkError},
		{broken, 100, link.LinkError},
		{nil, 1515, link.TooLong},
		{nil, 13, link.Malformed},
	} {
		d := newDevice(clock.NewVirtual(), &fakePort{writeErr: c.err}, testInfo, nil)
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

// A card without room makes the device full, and soon it looks again, once.
func TestFull(t *testing.T) {
	clk := clock.NewVirtual()
	p := &fakePort{writeErr: nic.ErrNoRoom}
	d := newDevice(clk, p, testInfo, nil)
	ready := 0
	d.Attach(&linktest.Collector{Clock: clk, OnReady: func() { ready++ }})
	frames := []*link.Frame{link.NewFrame(100), link.NewFrame(100)}
	if n, err := d.Transmit(frames); n != 0 || err != link.ErrFull {
		t.Fatalf("Transmit = %d, %v", n, err)
	}
	for clk.Step() {
	}
	if ready != 1 || clk.Now() != clock.Time(retryAfter) {
		t.Errorf("ready %d times, at %v", ready, clk.Now())
	}
	p.writeErr = nil
	if n, err := d.Transmit(frames); n != 2 || err != nil {
		t.Errorf("Transmit = %d, %v", n, err)
	}
	p.writeErr = nic.ErrNoRoom
	d.Transmit([]*link.Frame{link.NewFrame(100)})
	d.Close()
	for clk.Step() {
	}
	if sent, _ := d.Stats(); ready != 1 || sent.Frames != 2 || sent.Dropped() != 0 {
		t.Errorf("ready %d times, sent %+v", ready, sent)
	}
}

// A card that stays without room is looked at ever less often.
func TestBackOff(t *testing.T) {
	clk := clock.NewVirtual()
	p := &fakePort{writeErr: nic.ErrNoRoom}
	d := newDevice(clk, p, testInfo, nil)
	frames := []*link.Frame{link.NewFrame(100)}
	looks := 0
	d.Attach(&linktest.Collector{Clock: clk, OnReady: func() {
		looks++
		d.Transmit(frames)
	}})
	d.Transmit(frames)
	clk.RunUntil(clock.Time(time.Second))
	if most := int(time.Second/retryMost) + 10; looks > most || looks < most/2 {
		t.Errorf("it looked %d times in a second, want up to %d", looks, most)
	}
	p.writeErr = nil
	clk.RunUntil(clk.Now().Add(retryMost))
	p.writeErr = nic.ErrNoRoom
	before, now := looks, clk.Now()
	frames[0] = link.NewFrame(100)
	d.Transmit(frames)
	clk.RunUntil(now.Add(retryAfter))
	if sent, _ := d.Stats(); sent.Frames != 1 || looks != before+1 {
		t.Errorf("sent %+v; %d looks", sent, looks-before)
	}
	frames[0].Free()
	d.Close()
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

// The address is one of ours whatever the interface has, and always the same.
func TestDerive(t *testing.T) {
	for face, want := range map[string]string{
		"00:1b:21:aa:bb:cc": "12:1b:21:aa:bb:cc",
		"02:00:00:00:00:01": "12:00:00:00:00:01",
		"12:00:00:00:00:01": "02:00:00:00:00:01",
		"fe:ff:ff:ff:ff:ff": "ee:ff:ff:ff:ff:ff",
	} {
		a, err := net.ParseMAC(face)
		if err != nil {
			t.Fatal(err)
		}
		if got := derive(a); got.String() != want || a.String() != face {
			t.Errorf("%v of %s, want %s", got, face, want)
		}
	}
}
