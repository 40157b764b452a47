package netfpga_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// below is a device that notes when each frame left. It refuses with err, if that is set.
type below struct {
	link.Bottom
	info    link.Info
	sent    []clock.Time
	asked   []clock.Time
	err     error
	handler link.Handler
	onFrame func(*link.Frame)
	closed  int
}

func newBelow() *below {
	return &below{info: link.Info{Name: "below", MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
}

func (b *below) Info() link.Info       { return b.info }
func (b *below) Attach(h link.Handler) { b.handler = h }
func (b *below) Close() error          { b.closed++; return nil }
func (b *below) Transmit(frames []*link.Frame) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	for _, f := range frames {
		b.sent = append(b.sent, f.Sent.Or(clock.Never))
		b.asked = append(b.asked, f.Depart)
		if b.onFrame != nil {
			b.onFrame(f)
		}
		f.Free()
	}
	return len(frames), nil
}

// feed is what is above a card: it hands over frames as long as there is room. It is
// also the Origin of all of them.
type feed struct {
	card  link.Device
	next  func() *link.Frame // nil when there are no more
	frame *link.Frame        // refused, and to be tried again
	full  int
	told  int

	received int
}

func newFeed(card link.Device, next func() *link.Frame) *feed {
	s := &feed{card: card, next: next}
	card.Attach(s)
	return s
}

func (s *feed) Receive(frames []*link.Frame) { s.received += len(frames) }
func (s *feed) Ready()                       { s.pump() }
func (s *feed) Departed(f *link.Frame)       { s.told++ }

func (s *feed) pump() {
	for {
		if s.frame == nil {
			s.frame = s.next()
		}
		if s.frame == nil {
			return
		}
		s.frame.Origin = s
		n, err := s.card.Transmit([]*link.Frame{s.frame})
		if err != nil {
			if !errors.Is(err, link.ErrFull) || n != 0 {
				panic(fmt.Sprint(n, err))
			}
			s.full++
			return
		}
		s.frame = nil
	}
}

// frame returns a paced frame of n bytes without FCS.
func frame(n int, depart clock.Time) *link.Frame {
	f := link.NewFrame(n)
	clear(f.Bytes())
	f.Measure(link.EthernetHeader)
	f.Depart, f.Paced = depart, true
	return f
}

// schedule returns n frames of a size, one every num/den ns.
func schedule(n, size int, num, den int64) func() *link.Frame {
	i := int64(0)
	return func() *link.Frame {
		if i == int64(n) {
			return nil
		}
		at := (i*num + den - 1) / den
		i++
		return frame(size, clock.Time(at))
	}
}

func run(clk *clock.Virtual) {
	for clk.Step() {
	}
}

// Frames that wait anywhere are dropped by Close, each Origin is told once, and what is
// below is closed too.
func TestClose(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	s := newFeed(card, schedule(100, 1514, 13560, 1))
	s.pump()
	clk.RunUntil(5*13560 - 1)
	for range 2 {
		if err := card.Close(); err != nil {
			t.Error(err)
		}
	}
	run(clk)
	st := card.Counters()
	// 8 in output slots, 16 in buffers, and 7 in input slots: of the 5 that are free again
	// the driver knows of 4.
	if len(dev.sent) != 5 || st.Sent.Drops[link.Closed] != 31 || s.told != 36 {
		t.Errorf("%d left, %d dropped, %d Origins told", len(dev.sent), st.Sent.Drops[link.Closed], s.told)
	}
	if dev.closed != 1 {
		t.Errorf("the device below was closed %d times", dev.closed)
	}
	if n, err := card.Transmit([]*link.Frame{s.frame}); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Transmit after Close = %d, %v", n, err)
	}
}

// Close may come from the device below and from the Origin of a frame.
func TestCloseFromWithin(t *testing.T) {
	for _, where := range []string{"below", "origin"} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, nil)
		told := 0
		var frames []*link.Frame
		for i := range 10 {
			f := frame(1514, clock.Time(i)*13560)
			f.Origin = origin(func() {
				if told++; where == "origin" {
					card.Close()
				}
			})
			frames = append(frames, f)
		}
		if where == "below" {
			dev.onFrame = func(*link.Frame) { card.Close() }
		}
		card.Transmit(frames)
		run(clk)
		if st := card.Counters(); told != 10 || st.Sent.Frames != 1 || st.Sent.Drops[link.Closed] != 9 || dev.closed != 1 {
			t.Errorf("%s: %d told, %+v", where, told, st)
		}
	}
	// A frame that Transmit drops has an Origin too.
	card := newCard(t, clock.NewVirtual(), newBelow(), nil)
	bad := frame(9000, 0)
	bad.Origin = origin(func() { card.Close() })
	if n, err := card.Transmit([]*link.Frame{bad, frame(60, 0)}); n != 1 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Transmit = %d, %v", n, err)
	}
}

type origin func()

func (o origin) Departed(*link.Frame) { o() }

// A device below that has no room keeps the frame at the port.
func TestBelowFull(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	s := newFeed(card, schedule(100, 1514, 13560, 1))
	dev.err = link.ErrFull
	s.pump()
	clk.RunUntil(100_000)
	if st := card.Counters(); len(dev.sent) != 0 || st.Get("refused") != 1 {
		t.Fatalf("%d left, %+v", len(dev.sent), st)
	}
	dev.err = nil
	dev.handler.Ready()
	run(clk)
	st := card.Counters()
	if dev.sent[0] != 100_000 || dev.sent[1] != 112_304 || st.Sent.Frames != 100 || s.told != 100 {
		t.Errorf("left at %v ...; %+v", dev.sent[:2], st)
	}
	if st.Get("late_below") != 1 || st.Get("late_line") == 0 || st.Get("late_max_ns") != 100_000 {
		t.Errorf("%+v", st)
	}
	// Frame n is caught up with where 100 us + n line times are no more than n gaps.
	if at := dev.sent[99]; at != 99*13560 {
		t.Errorf("the last left at %v, want %v", at, clock.Time(99*13560))
	}
}

func TestBelowFails(t *testing.T) {
	for err, cause := range map[error]link.Cause{
		errors.New("broken"): link.LinkError,
		net.ErrClosed:        link.Closed,
	} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, nil)
		s := newFeed(card, schedule(10, 60, 672, 1))
		dev.err = err
		s.pump()
		run(clk)
		if st := card.Counters(); st.Sent.Drops[cause] != 10 || st.Sent.Frames != 0 || s.told != 10 {
			t.Errorf("%v: %+v", err, st)
		}
	}
}
