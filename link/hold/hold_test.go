package hold_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

func TestHoldConforms(t *testing.T) {
	linktest.RunOver(t, func(clk *clock.Virtual, below link.Device) link.Device {
		return hold.New(below, clk, nil)
	})
}

// holdTest is a Hold above a sink that takes what it gets, in virtual time.
type holdTest struct {
	clk  *clock.Virtual
	hold *hold.Hold
	log  strings.Builder
}

// schedule writes down each frame that is handed on.
type schedule struct {
	*linktest.Null
	test *holdTest
}

func (s schedule) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		fmt.Fprintf(&s.test.log, "%c asked %d scheduled %d handed %d\n", f.Bytes()[0], f.Depart, f.Sched.Or(clock.Never), f.Enqueued.Or(clock.Never))
	}
	return s.Null.Transmit(frames)
}

func newHoldTest(info link.Info, config *hold.Config) *holdTest {
	h := &holdTest{clk: clock.NewVirtual()}
	h.hold = hold.New(schedule{&linktest.Null{Is: info}, h}, h.clk, config)
	return h
}

// send gives the hold a frame called name, of 1538 bytes on the wire.
func (h *holdTest) send(name byte, paced bool, depart clock.Time) {
	f := link.NewFrame(1514)
	f.Bytes()[0] = name
	f.Size.Wire = link.WireBytes(1514)
	f.Paced, f.Depart = paced, depart
	h.hold.Transmit([]*link.Frame{f})
}

func (h *holdTest) expect(t *testing.T, want string) {
	t.Helper()
	h.clk.RunUntil(h.clk.Now().Add(time.Second))
	if got := strings.TrimSpace(h.log.String()); got != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", got, strings.TrimSpace(want))
	}
}

func TestHoldSortsByDeparture(t *testing.T) {
	// # no line speed, no device that paces: the Hold is the pacer
	h := newHoldTest(link.Info{}, nil)
	h.send('c', true, 3000)
	h.send('a', true, 1000)
	h.send('b', true, 2000)
	h.send('B', true, 2000) // the same instant: behind b
	h.expect(t, `
a asked 1000 scheduled 1000 handed 1000
b asked 2000 scheduled 2000 handed 2000
B asked 2000 scheduled 2000 handed 2000
c asked 3000 scheduled 3000 handed 3000`)
}

func TestHoldSerialises(t *testing.T) {
	// # at 1 Gbit/s 1538 bytes take 12304 ns: what is asked for earlier is moved behind
	h := newHoldTest(link.Info{Speed: 1e9}, nil)
	h.send('a', true, 1000)
	h.send('b', true, 1000)
	h.send('c', true, 50000)
	h.expect(t, `
a asked 1000 scheduled 1000 handed 1000
b asked 1000 scheduled 13304 handed 13304
c asked 50000 scheduled 50000 handed 50000`)
}

func TestHoldKeepsTheLead(t *testing.T) {
	// # a card gets frames 10 us ahead; its tick rounds the first departure to 1008
	h := newHoldTest(link.Info{Speed: 1e9, Paces: true, Tick: 8, Lead: 10 * time.Microsecond}, nil)
	h.send('a', true, 1001)
	h.send('b', true, 1001)
	h.send('c', true, 40000)
	h.expect(t, `
a asked 1001 scheduled 1001 handed 0
b asked 1001 scheduled 13312 handed 3312
c asked 40000 scheduled 40000 handed 30000`)
}

func TestHoldGuardsPacedFrames(t *testing.T) {
	// # x, which nobody paces, would end at 13304 and disturb a: it goes behind a. It
	// # does not disturb b, which starts long after.
	h := newHoldTest(link.Info{Speed: 1e9}, nil)
	h.clk.RunUntil(1000)
	h.send('a', true, 5000)
	h.send('b', true, 50000)
	h.send('x', false, 1000)
	h.expect(t, `
a asked 5000 scheduled 5000 handed 5000
x asked 1000 scheduled 17304 handed 17304
b asked 50000 scheduled 50000 handed 50000`)
}

func TestHoldGuardEnds(t *testing.T) {
	// # paced frames fill the wire for a second; x waits for the guard's 100 us, then goes
	h := newHoldTest(link.Info{Speed: 1e9}, &hold.Config{Guard: 100 * time.Microsecond})
	h.send('x', false, 0)
	h.send('y', false, 0)
	for i := range clock.Time(12) {
		h.send('a'+byte(i), true, 10000+12304*i)
	}
	h.clk.RunUntil(clock.Time(time.Second))
	var order []byte
	for line := range strings.Lines(h.log.String()) {
		order = append(order, line[0])
	}
	// # x left at once, as nothing else was there yet; y found a at 10000 in its way
	if got, want := string(order), "xabcdefghyijkl"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

func BenchmarkHold(b *testing.B) {
	clk := clock.NewVirtual()
	held := hold.New(&linktest.Null{Is: link.Info{Speed: 1e9}}, clk, nil)
	b.ReportAllocs()
	one := make([]*link.Frame, 1)
	depart := clock.Time(0)
	for range b.N {
		f := link.NewFrame(1514)
		f.Size.Wire = 1538
		depart += 12304
		f.Paced, f.Depart = true, depart
		one[0] = f
		held.Transmit(one)
		if held.Waiting() > 1000 {
			clk.Step()
		}
	}
}
