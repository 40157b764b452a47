package mac

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// testLine launches frames of given lengths at given ticks, one behind the other, and
// writes down how they leave.
type testLine struct {
	clk    clock.Clock
	mac    *MAC
	asked  []uint64
	frames []int // their bytes
	refuse int   // how many frames the line still refuses
	left   []Departure
	sent   int
}

func newTestLine(t *testing.T, clk clock.Clock, c Config) *testLine {
	t.Helper()
	m, err := New(clk, c)
	if err != nil {
		t.Fatal(err)
	}
	b := &testLine{clk: clk, mac: m}
	m.Connect(b, b)
	return b
}

func (b *testLine) add(asked uint64, n int) {
	b.asked = append(b.asked, asked)
	b.frames = append(b.frames, n)
}

func (b *testLine) launch(now clock.Time) {
	if len(b.frames) > 0 {
		b.mac.Launch(b.frames[0], b.asked[0], now)
		b.frames, b.asked = b.frames[1:], b.asked[1:]
	}
}

func (b *testLine) Leave(d *Departure) bool {
	if b.refuse > 0 {
		b.refuse--
		return false
	}
	b.left = append(b.left, *d)
	return true
}

func (b *testLine) Sent(now clock.Time) {
	b.sent++
	b.launch(now)
}

func (b *testLine) String() string {
	var s strings.Builder
	for _, d := range b.left {
		fmt.Fprintf(&s, "%d@%d", d.Due, int64(d.At))
		if d.Queued {
			s.WriteString(" queued")
		}
		if d.Refused {
			s.WriteString(" refused")
		}
		s.WriteString("; ")
	}
	return strings.TrimSuffix(s.String(), "; ")
}

func run(clk *clock.Virtual) {
	for clk.Step() {
	}
}

// config returns that of a MAC whose clock is the host's.
func config(speed int64, tick drivercomm.Tick) Config {
	return Config{Speed: speed, Tick: tick, Counter: drivercomm.Counter{Tick: tick}}
}

var gigabit = config(1e9, drivercomm.NetFPGATick())

// At 1 Gbit/s a byte takes a tick of 8 ns: a frame of 60 bytes without FCS holds the
// line for 84 ticks, one of 1514 for 1538.
func TestDepartures(t *testing.T) {
	for _, c := range []struct {
		what  string
		start clock.Time
		add   func(*testLine)
		want  string
	}{
		{"at its tick", 0, func(b *testLine) { b.add(100, 60); b.add(1000, 60) }, "100@800; 1000@8000"},
		{"at once, in the past", 80, func(b *testLine) { b.add(3, 60) }, "10@80"},
		{"at the next tick, in the past", 81, func(b *testLine) { b.add(3, 60) }, "11@88"},
		{"at this very instant", 80, func(b *testLine) { b.add(10, 60) }, "10@80"},
		{"back to back", 0, func(b *testLine) { b.add(0, 60); b.add(0, 1514); b.add(0, 60) },
			"0@0; 84@672 queued; 1622@12976 queued"},
		{"exactly line rate", 0, func(b *testLine) { b.add(0, 60); b.add(84, 60); b.add(168, 60) },
			"0@0; 84@672; 168@1344"},
		{"a tick too early", 0, func(b *testLine) { b.add(5, 60); b.add(88, 60) }, "5@40; 89@712 queued"},
	} {
		clk := clock.NewVirtual()
		clk.RunUntil(c.start)
		b := newTestLine(t, clk, gigabit)
		c.add(b)
		b.launch(clk.Now())
		run(clk)
		if got := b.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestInfiniteSpeed(t *testing.T) {
	clk := clock.NewVirtual()
	b := newTestLine(t, clk, config(0, drivercomm.NetFPGATick()))
	for range 3 {
		b.add(5, 1514)
	}
	b.launch(0)
	run(clk)
	if got, want := b.String(), "5@40; 5@40; 5@40"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Where a byte is a fraction of a tick, each frame departs at a tick and the line is at
// line speed nevertheless: the last of many frames starts at the tick that follows from
// the bytes in front of it.
func TestFractionIsCarried(t *testing.T) {
	for _, c := range []struct {
		speed int64
		tick  drivercomm.Tick
	}{
		{10e9, drivercomm.Tick{Num: 32, Den: 5}},
		{25e9, drivercomm.Tick{Num: 64, Den: 25}},
		{40e9, drivercomm.NetFPGATick()},
		{100e9, drivercomm.Tick{Num: 256, Den: 100}},
		{3e9, drivercomm.NetFPGATick()},
		{999999937, drivercomm.Tick{Num: 10001, Den: 1250}},
	} {
		clk := clock.NewVirtual()
		b := newTestLine(t, clk, config(c.speed, c.tick))
		const n = 10000
		for range n {
			b.add(0, 60)
		}
		b.launch(0)
		run(clk)
		for i, d := range b.left {
			// i*84 bytes take i*84*8e9/speed ns, a tick Num/Den ns.
			bytes, unit := uint64(i)*84*8e9*c.tick.Den, uint64(c.speed)*c.tick.Num
			if want := (bytes + unit - 1) / unit; d.Due != want || d.At != c.tick.Time(want) {
				t.Fatalf("%d bit/s, %v: frame %d at tick %d, %d ns, want tick %d", c.speed, c.tick, i, d.Due, int64(d.At), want)
			}
		}
	}
}

// The same for frames that ask for line rate: none finds the line busy.
func TestLineRateScheduleIsMet(t *testing.T) {
	clk := clock.NewVirtual()
	b := newTestLine(t, clk, config(3e9, drivercomm.NetFPGATick()))
	for i := range uint64(10000) {
		b.add((i*84+2)/3, 60) // a byte takes a third of a tick
	}
	b.launch(0)
	run(clk)
	for i, d := range b.left {
		if want := (uint64(i)*84 + 2) / 3; d.Due != want || d.Queued {
			t.Fatalf("frame %d: %+v, want tick %d", i, d, want)
		}
	}
}

// A port whose oscillator is 100 ppm fast, and counts from 1000: its ticks come early, and
// so the line is faster.
func TestOwnOscillator(t *testing.T) {
	tick := drivercomm.NetFPGATick()
	fast, err := tick.Off(100)
	if err != nil {
		t.Fatal(err)
	}
	clk := clock.NewVirtual()
	b := newTestLine(t, clk, Config{Speed: 1e9, Tick: tick, Counter: drivercomm.Counter{Tick: fast, Start: 1000}})
	b.add(1100, 60)
	b.add(0, 60)
	for range 100_000 {
		b.add(0, 1514)
	}
	b.launch(0)
	run(clk)
	for i, d := range b.left[:3] {
		if want := []uint64{1100, 1184, 1268}[i]; d.Due != want {
			t.Errorf("frame %d at tick %d, want %d", i, d.Due, want)
		}
	}
	// 100,000 frames take a tick of 7.9992 ns for each of 1538 bytes.
	last := b.left[len(b.left)-1]
	if want := uint64(1268 + 99_999*1538); last.Due != want || last.At != 1_230_266_814 {
		t.Errorf("the last frame at tick %d, %d ns, want tick %d", last.Due, int64(last.At), want)
	}
}

func TestRefusedFrameWaitsForResume(t *testing.T) {
	clk := clock.NewVirtual()
	b := newTestLine(t, clk, gigabit)
	b.add(10, 60)
	b.add(20, 60)
	b.refuse = 1
	b.launch(0)
	run(clk)
	if len(b.left) != 0 || b.sent != 0 {
		t.Fatalf("left while there was no room: %s", b)
	}
	clk.RunUntil(1001)
	b.mac.Resume()
	run(clk)
	if got, want := b.String(), "126@1008 refused; 210@1680 queued"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.mac.Resume() // with nothing refused
	run(clk)
	if b.sent != 2 {
		t.Errorf("%d frames sent, want 2", b.sent)
	}
}

func TestCancel(t *testing.T) {
	clk := clock.NewVirtual()
	b := newTestLine(t, clk, gigabit)
	b.add(10, 60)
	b.launch(0)
	b.mac.Cancel()
	run(clk)
	if len(b.left) != 0 || b.sent != 0 {
		t.Errorf("a cancelled frame left: %s", b)
	}
}

// lateClock calls its functions late, as a real one does.
type lateClock struct {
	*clock.Virtual
	late clock.Time
}

func (c *lateClock) Now() clock.Time { return c.Virtual.Now() + c.late }

func TestLateClock(t *testing.T) {
	// A little late, and the schedule holds: the second frame is due one frame's time
	// after the first one was due.
	clk := &lateClock{clock.NewVirtual(), 0}
	b := newTestLine(t, clk, gigabit)
	b.add(100, 60)
	b.add(0, 60)
	b.launch(0)
	clk.late = 50
	run(clk.Virtual)
	if got, want := b.String(), "100@850; 184@1522 queued"; got != want {
		t.Errorf("50 ns late: %s, want %s", got, want)
	}

	// Later than the frame is long, and the line starts anew.
	clk = &lateClock{clock.NewVirtual(), 0}
	b = newTestLine(t, clk, gigabit)
	for range 3 {
		b.add(100, 60)
	}
	b.launch(0)
	clk.late = 8000
	clk.AfterFunc(805*time.Nanosecond, func() { clk.late = 0; clk.RunUntil(8800) })
	run(clk.Virtual)
	if got, want := b.String(), "100@8800; 1184@9472 queued; 1268@10144 queued"; got != want {
		t.Errorf("8 us late: %s, want %s", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []Config{
		{Speed: -1, Tick: drivercomm.NetFPGATick()},
		{Speed: 1e9},
		{Speed: 99999999977, Tick: drivercomm.Tick{Num: 1<<31 - 1, Den: 1<<28 - 57}},
	} {
		if _, err := New(clock.NewVirtual(), c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	clk := clock.NewVirtual()
	m, err := New(clk, gigabit)
	if err != nil {
		b.Fatal(err)
	}
	l := &loop{mac: m}
	m.Connect(l, l)
	m.Launch(1514, 0, 0)
	b.ReportAllocs()
	for b.Loop() {
		clk.Step()
	}
	if want := uint64(b.N) * uint64(link.WireBytes(1514)); l.due > want {
		b.Fatalf("at tick %d after %d frames", l.due, b.N)
	}
}

// loop launches a frame behind the other.
type loop struct {
	mac *MAC
	due uint64
}

func (l *loop) Leave(d *Departure) bool { l.due = d.Due; return true }
func (l *loop) Sent(now clock.Time)     { l.mac.Launch(1514, 0, now) }
