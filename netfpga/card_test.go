package netfpga_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Every frame leaves at the first tick that is not before the departure it asked for.
func TestDepartures(t *testing.T) {
	var got strings.Builder
	for _, c := range []struct {
		packets, bytes int // with FCS
		num, den       int64
	}{
		{1000, 1518, 13560, 1},
		{1000, 1518, 12336, 1},
		{1000, 1518, 12304, 1}, // line rate
		{1000, 1518, 40000, 3},
		{100000, 64, 672, 1}, // line rate
		{1000, 612, 100001, 1},
		{5, 64, 40e9, 1}, // beyond 32 bits of ticks
	} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, nil)
		feed := newFeed(card, schedule(c.packets, c.bytes-4, c.num, c.den))
		feed.pump()
		run(clk)
		var worst, last time.Duration
		for i, at := range dev.sent {
			last = at.Sub(clock.Time(int64(i) * c.num / c.den))
			worst = max(worst, last, -last)
			if due := clock.Time((int64(i)*c.num + c.den*8 - 1) / (c.den * 8) * 8); at != due {
				t.Fatalf("packet %d left at %d, want %d", i, int64(at), int64(due))
			}
		}
		s := card.Counters()
		fmt.Fprintf(&got, "%4d B every %9.2f ns: %6d packets, %d late, largest error %d ns, error of the last %d ns\n",
			c.bytes, float64(c.num)/float64(c.den), len(dev.sent), late(s), worst, last)
		if feed.told != c.packets || s.Sent.Frames != uint64(c.packets) || s.Get("pktgen_packets") != int64(c.packets) || s.Sent.Dropped() != 0 {
			t.Errorf("%d Origins told; %+v", feed.told, s)
		}
	}
	want := `
1518 B every  13560.00 ns:   1000 packets, 0 late, largest error 0 ns, error of the last 0 ns
1518 B every  12336.00 ns:   1000 packets, 0 late, largest error 0 ns, error of the last 0 ns
1518 B every  12304.00 ns:   1000 packets, 0 late, largest error 0 ns, error of the last 0 ns
1518 B every  13333.33 ns:   1000 packets, 0 late, largest error 6 ns, error of the last 0 ns
  64 B every    672.00 ns: 100000 packets, 0 late, largest error 0 ns, error of the last 0 ns
 612 B every 100001.00 ns:   1000 packets, 0 late, largest error 7 ns, error of the last 1 ns
  64 B every 40000000000.00 ns:      5 packets, 0 late, largest error 0 ns, error of the last 0 ns
`
	if got.String() != want[1:] {
		t.Errorf("got\n%swant%s", got.String(), want)
	}
}

// Frames that are handed over at the very instant of their departure are in time.
func TestHandedAtDeparture(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	for i := range 100 {
		at := clock.Time(i) * 13333
		clk.RunUntil(at)
		if n, err := card.Transmit([]*link.Frame{frame(1514, at)}); n != 1 || err != nil {
			t.Fatalf("Transmit = %d, %v", n, err)
		}
	}
	run(clk)
	for i, at := range dev.sent {
		if want := clock.Time((i*13333 + 7) / 8 * 8); at != want {
			t.Fatalf("packet %d left at %d, want %d", i, int64(at), int64(want))
		}
	}
	if s := card.Counters(); late(s) != 0 || len(dev.sent) != 100 {
		t.Errorf("%+v", s)
	}
}

// Sched, where it is set, is what the card goes by.
func TestScheduledDeparture(t *testing.T) {
	for _, at := range []clock.Time{4000, 0} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, nil)
		f := frame(100, 800)
		f.Sched = clock.At(at)
		card.Transmit([]*link.Frame{f})
		run(clk)
		if len(dev.sent) != 1 || dev.sent[0] != at {
			t.Errorf("left at %v, want %v", dev.sent, at)
		}
	}
}

// What is late leaves at once, and is counted under what kept it.
func TestLate(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	clk.RunUntil(10_001)
	card.Transmit([]*link.Frame{
		frame(60, 2000),   // came too late
		frame(60, 10_500), // finds the line busy
		frame(60, 20_000), // in time
		frame(60, 19_000), // asks to leave before the one in front of it
	})
	run(clk)
	if got, want := fmt.Sprint(dev.sent), "[0.000010008s 0.000010680s 0.000020000s 0.000020672s]"; got != want {
		t.Errorf("left at %s, want %s", got, want)
	}
	s := card.Counters()
	if s.Get("late_host") != 1 || s.Get("late_line") != 2 || late(s) != 3 || s.Get("late_max_ns") != 8008 || s.Get("driver_disordered") != 1 {
		t.Errorf("%+v", s)
	}
}

// Frames that nobody paces leave back to back, and are not late.
func TestUnpaced(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	clk.RunUntil(1001)
	var frames []*link.Frame
	for range 4 {
		f := frame(1514, 17)
		f.Paced = false
		frames = append(frames, f)
	}
	card.Transmit(frames)
	run(clk)
	if got, want := fmt.Sprint(dev.sent), "[0.000001008s 0.000013312s 0.000025616s 0.000037920s]"; got != want {
		t.Errorf("left at %s, want %s", got, want)
	}
	if s := card.Counters(); late(s) != 0 || s.Get("late_max_ns") != 0 {
		t.Errorf("%+v", s)
	}
}

// A card with 16 buffers and slots in use is full; with each buffer that is copied there
// is room again.
func TestFullAndReady(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	var frames []*link.Frame
	for range 40 {
		frames = append(frames, frame(1514, 1_000_000))
	}
	n, err := card.Transmit(frames)
	// 8 in the output slots, 4 more freed two quota steps, 8 in the input slots, 16 buffers.
	if n != 8+8+16 || err != link.ErrFull {
		t.Fatalf("Transmit of 40 = %d, %v", n, err)
	}
	ready := 0
	rest := frames[n:]
	s := &feed{card: card, next: func() (f *link.Frame) {
		if ready++; len(rest) > 0 {
			f, rest = rest[0], rest[1:]
		}
		return f
	}}
	card.Attach(s)
	run(clk)
	if len(rest) != 0 || len(dev.sent) != 40 || s.full == 0 {
		t.Errorf("%d not taken, %d left, refused %d times", len(rest), len(dev.sent), s.full)
	}
	if st := card.Counters(); st.Get("driver_buffers_peak") != 16 || st.Get("driver_no_buffer") == 0 || st.Get("driver_no_quota") == 0 {
		t.Errorf("%+v", st)
	}
}

// The bytes below are those above, whatever their number, with and without Ethernet.
func TestBytesArrive(t *testing.T) {
	for _, address := range []net.HardwareAddr{{2, 0, 0, 0, 0, 1}, nil} {
		rnd := rand.New(rand.NewPCG(1, 2))
		clk, dev := clock.NewVirtual(), newBelow()
		dev.info.Address = address
		header := dev.info.Header()
		card := newCard(t, clk, dev, nil)
		var want [][]byte
		var busy time.Duration // of the line, with all frames but the last
		wire, left := 0, 0
		dev.onFrame = func(f *link.Frame) {
			if !bytes.Equal(f.Bytes(), want[0]) {
				t.Fatalf("frame %d has other bytes below than above", left)
			}
			want = want[1:]
			left++
		}
		const n = 5000
		i := 0
		newFeed(card, func() *link.Frame {
			if i++; i > n {
				return nil
			}
			f := link.NewFrame(1 + rnd.IntN(header+1500))
			for j := range f.Bytes() {
				f.Bytes()[j] = byte(rnd.Uint32())
			}
			if i%2 == 0 {
				f.Measure(header)
			}
			want = append(want, bytes.Clone(f.Bytes()))
			busy += link.WireTime(wire, 1e9)
			if wire = f.Size.Wire; wire == 0 {
				wire = link.WireBytes(f.Len())
			}
			f.Depart = clk.Now()
			return f
		}).pump()
		run(clk)
		if left != n {
			t.Errorf("%d frames left", left)
		}
		if last := dev.sent[n-1].Sub(0); last != busy { // the line was never idle
			t.Errorf("the last frame left at %v, want %v", last, busy)
		}
	}
}

func TestFramesThatAreNone(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	s := newFeed(card, func() *link.Frame { return nil })
	tagged := frame(1522, 0) // full-size behind two VLAN tags
	copy(tagged.Bytes()[12:], "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00")
	long := frame(1523, 0)
	copy(long.Bytes(), tagged.Bytes())
	frames := []*link.Frame{frame(1515, 0), frame(0, 0), frame(1514, 0), frame(9000, 0), tagged, long}
	for _, f := range frames {
		f.Origin = s
	}
	if n, err := card.Transmit(frames); n != 6 || err != nil {
		t.Errorf("Transmit = %d, %v", n, err)
	}
	run(clk)
	st := card.Counters()
	if st.Sent.Drops[link.TooLong] != 3 || st.Sent.Drops[link.Malformed] != 1 || st.Sent.Frames != 2 || s.told != 6 {
		t.Errorf("%+v, %d Origins told", st, s.told)
	}
}

// The steps from the first reset to the third quota message. Frames of 1514 bytes are
// one to a message.
func TestTrace(t *testing.T) {
	var log strings.Builder
	clk, dev := clock.NewVirtual(), newBelow()
	allowed := 0
	card := newCard(t, clk, dev, &netfpga.Config{Trace: func(s driver.Step) {
		switch s.Kind {
		case driver.DMATxComplete, driver.PktAvail, driver.DMARxComplete:
			return
		case driver.DMATx:
			allowed--
		case driver.Reset:
			allowed = s.N
		case driver.Quota:
			allowed += s.N
		}
		fmt.Fprintf(&log, "%6d %v %d, allowed_send %d\n", int64(s.At), s.Kind, s.N, max(0, allowed))
	}})
	newFeed(card, schedule(22, 1514, 12304, 1)).pump()
	clk.RunUntil(4 * 12304)
	card.Close()
	want := `
     0 UP 0, allowed_send 0
     0 DMA_TX 60, allowed_send 0
     0 DMA_RX 48, allowed_send 0
     0 RESET 8, allowed_send 8
     0 DMA_TX 1538, allowed_send 7
     0 DMA_TX 1538, allowed_send 6
     0 DMA_TX 1538, allowed_send 5
     0 DMA_TX 1538, allowed_send 4
     0 DMA_RX 48, allowed_send 4
     0 QUOTA 4, allowed_send 8
     0 DMA_TX 1538, allowed_send 7
     0 DMA_TX 1538, allowed_send 6
     0 DMA_TX 1538, allowed_send 5
     0 DMA_TX 1538, allowed_send 4
     0 DMA_RX 48, allowed_send 4
     0 QUOTA 4, allowed_send 8
     0 DMA_TX 1538, allowed_send 7
     0 DMA_TX 1538, allowed_send 6
     0 DMA_TX 1538, allowed_send 5
     0 DMA_TX 1538, allowed_send 4
     0 DMA_TX 1538, allowed_send 3
     0 DMA_TX 1538, allowed_send 2
     0 DMA_TX 1538, allowed_send 1
     0 DMA_TX 1538, allowed_send 0
 36912 DMA_RX 48, allowed_send 0
 36912 QUOTA 4, allowed_send 4
 36912 DMA_TX 1538, allowed_send 3
 36912 DMA_TX 1538, allowed_send 2
 36912 DMA_TX 1538, allowed_send 1
 36912 DMA_TX 1538, allowed_send 0
 49216 DOWN 2, allowed_send 0
`
	if got := log.String(); got != want[1:] {
		t.Errorf("steps:\n%swant%s", got, want)
	}
}

// The bus of the original: frames of 1518 bytes, one a transfer, come to 260 Mb/s.
func TestMeasuredBus(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{PCI: pci.Measured()})
	newFeed(card, schedule(1000, 1514, 0, 1)).pump()
	run(clk)
	first, last := dev.sent[0], dev.sent[len(dev.sent)-1]
	rate := 999 * 1518 * 8 * 1e3 / float64(last.Sub(first))
	if got := fmt.Sprintf("%d frames, %.1f Mb/s", len(dev.sent), rate); got != "1000 frames, 259.9 Mb/s" {
		t.Error(got)
	}
	if s := card.Counters(); s.Get("driver_bus_busy") == 0 || s.Get("late_card") == 0 || s.Get("late_line") != 0 {
		t.Errorf("%+v", s)
	}
}

func TestInfo(t *testing.T) {
	dev := newBelow()
	dev.info.MTU = 9000
	info := newCard(t, clock.NewVirtual(), dev, nil).Info()
	if info.Name != "nf2c0" || info.MTU != 1500 || info.Speed != 1e9 || !info.Paces || info.Tick != 8 || info.Address == nil {
		t.Errorf("%+v", info)
	}
	dev.info = link.Info{MTU: 576}
	info = newCard(t, clock.NewVirtual(), dev, &netfpga.Config{
		Name: "nf2c1", Profile: "netfpga-1g", Speed: netfpga.Infinite, Tick: drivercomm.Tick{Num: 32, Den: 5},
	}).Info()
	if info.Name != "nf2c1" || info.MTU != 576 || info.Speed != 0 || info.Tick != 7 || info.Address != nil {
		t.Errorf("%+v", info)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []netfpga.Config{
		{Profile: "netfpga-9g"},
		{Speed: -2},
		{Tick: drivercomm.Tick{Num: 1, Den: 2}},
		{PCI: pci.Cost{Transfer: -1}},
		{PCI: pci.Cost{Speed: -1}},
	} {
		if _, err := netfpga.New(clock.NewVirtual(), newBelow(), &c); err == nil || !strings.HasPrefix(err.Error(), "netfpga: ") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
