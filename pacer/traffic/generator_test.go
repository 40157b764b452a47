package traffic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

var like = netfpga.Description{
	Src: netip.MustParseAddrPort("10.0.0.1:9"), Dst: netip.MustParseAddrPort("10.0.0.2:9"),
	DstMAC: [6]byte{2, 0, 0, 0, 0, 2},
}

// A testCard is a card in virtual time, with what it sends written down.
type testCard struct {
	clk      *clock.Virtual
	trace    *link.Trace
	counters *Counters
	card     *netfpga.Card
}

func newCard(t testing.TB, below link.Device, clk *clock.Virtual) *testCard {
	t.Helper()
	r := &testCard{clk: clk, counters: NewCounters(), trace: link.NewTrace(below, clk, nil)}
	var err error
	if r.card, err = netfpga.New(clk, NewMonitor(r.trace, clk, 1e9, r.counters), nil); err != nil {
		t.Fatal(err)
	}
	r.card.Attach(new(linktest.Null))
	t.Cleanup(func() { r.card.Close() })
	return r
}

// injector has the card's driver make packets.
type injector struct {
	sender *netfpga.Sender
	packet netfpga.Description
}

func (i *injector) Inject(p *Packet) error {
	i.packet.Payload, i.packet.Absolute, i.packet.Departure = p.Payload, p.Absolute, p.Departure
	return i.sender.Inject(&i.packet)
}

// generator returns a Generator above the card.
func (r *testCard) generator(plan *Plan) *Generator {
	return NewGenerator(r.clk, plan, r.counters, func(ready func()) Injector {
		return &injector{r.card.NewSender(netfpga.SenderConfig{Ready: ready}), like}
	})
}

// run lets time pass until all packets have left.
func (r *testCard) run(t testing.TB) {
	t.Helper()
	for !over(r.counters) {
		if !r.clk.Step() {
			t.Fatalf("nothing more happens, and %d of %d packets have left", r.counters.Left(), r.counters.given)
		}
	}
}

func over(t *Counters) bool {
	select {
	case <-t.Over():
		return true
	default:
		return false
	}
}

var ethernetPort = link.Info{Name: "port", MTU: 1500, Address: []byte{2, 0, 0, 0, 0, 1}}

// generate sends a plan through a card.
func generate(t testing.TB, plan *Plan) (link.Report, Summary, *linktest.Sink) {
	t.Helper()
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, ethernetPort)
	r := newCard(t, sink, clk)
	r.generator(plan).Start(time.Millisecond)
	r.run(t)
	if err := r.counters.Err(); err != nil {
		t.Error(err)
	}
	return r.trace.Departures.Report(), r.counters.Summary(), sink
}

// Whatever the line can carry leaves at its tick.
func TestGenerator(t *testing.T) {
	ns := func(g float64) Gaps { return CycleGaps([]pacer.Gap{pacer.Gap(g * 1000)}) }
	drawn := func(s string) Gaps { return mustDist(t, s).Gaps(1) }
	mix, err := mustDist(t, "spike-bump").Sizes(1, 28)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		gaps  Gaps
		sizes Sizes
	}{
		{"13560 ns", ns(13_560), CycleSizes([]int{1470})},
		{"full size at line rate", ns(12_304), CycleSizes([]int{1472})},
		{"64 bytes at line rate", ns(672), CycleSizes([]int{18})},
		{"13333.33 ns", ns(13_333.33), CycleSizes([]int{1472})},
		{"a fraction of a tick", ns(12_304.001), CycleSizes([]int{1472})},
		{"pareto", drawn("pareto:20000,1.5"), CycleSizes([]int{200})},
		{"spike bump", ns(13_560), mix},
		{"a second apart", ns(1e9 / 3), CycleSizes([]int{0})},
		{"alternating at line rate", CycleGaps([]pacer.Gap{672_000, 12_304_000}), CycleSizes([]int{18, 1472})},
	} {
		d, s, sink := generate(t, &Plan{Gaps: test.gaps, Sizes: test.sizes, Packets: 2000})
		if d.Packets != 2000 || d.Paced != 2000 || d.GapError.Max > 8 || d.Late != 0 || d.Early != 0 || d.Dropped != 0 {
			t.Errorf("%s:\n%v", test.name, d)
		}
		if s.Packets != 2000 || len(sink.Records) != 2000 {
			t.Errorf("%s: %+v", test.name, s)
		}
		if first := sink.Records[0].At; first != 1_000_000 {
			t.Errorf("%s: the first leaves at %v", test.name, first)
		}
		if total := s.Gap - s.AskedGap; total*1999 > 8 || total*1999 < -8 {
			t.Errorf("%s: mean gap %v, asked %v", test.name, s.Gap, s.AskedGap)
		}
	}
}

// What it cannot carry is late by contention, and back to back.
func TestGeneratorContention(t *testing.T) {
	d, s, _ := generate(t, &Plan{Gaps: CycleGaps([]pacer.Gap{12_000_000}), Sizes: CycleSizes([]int{1472}), Packets: 2000})
	if d.Late != 1999 || d.LateBy.Contention != 1999 || d.Dropped != 0 || d.GapError.P50 != 304 || d.GapError.Max != 304 {
		t.Errorf("\n%v", d)
	}
	if s.Gap != 12304 || s.AskedGap != 12000 || s.GapError != 304 {
		t.Errorf("%+v", s)
	}
	if s.Payload != 2000*1472 || s.Wire != 2000*1538 || fmt.Sprintf("%.0f", s.WireRate) != "1000000000" {
		t.Errorf("%+v", s)
	}

	// One packet behind a long one, and all in time again.
	d, _, _ = generate(t, &Plan{Gaps: CycleGaps([]pacer.Gap{1_000_000, 99_000_000}), Sizes: CycleSizes([]int{1472, 18}), Packets: 200})
	if d.Late != 100 || d.LateBy.Contention != 100 || d.Lateness.Max != 11_304 {
		t.Errorf("\n%v", d)
	}
}

// The packets are those of the plan, in order, with headers for their sizes.
func TestGeneratorPackets(t *testing.T) {
	_, _, sink := generate(t, &Plan{Gaps: CycleGaps([]pacer.Gap{20_000_000}), Sizes: CycleSizes([]int{0, 18, 100, 1472}), Packets: 8})
	var got []string
	for _, r := range sink.Records {
		flow, size := pacer.Parse(r.Bytes[link.EthernetHeader:])
		got = append(got, fmt.Sprint(size.Payload))
		if s := flow.String(); s != "udp 10.0.0.1:9 > 10.0.0.2:9" || !bytes.Equal(r.Bytes[:6], like.DstMAC[:]) {
			t.Errorf("%s in % x", s, r.Bytes[:14])
		}
		if len(r.Bytes) != max(60, 42+size.Payload) && len(r.Bytes) != 42+size.Payload {
			t.Errorf("%d bytes of payload in a frame of %d", size.Payload, len(r.Bytes))
		}
	}
	if s := strings.Join(got, " "); s != "0 18 100 1472 0 18 100 1472" {
		t.Errorf("payloads %s", s)
	}
}

// A packet that cannot be ends the run, and says why.
func TestGeneratorRefused(t *testing.T) {
	clk := clock.NewVirtual()
	r := newCard(t, &linktest.Null{Is: ethernetPort}, clk)
	plan := &Plan{Gaps: CycleGaps([]pacer.Gap{0}), Sizes: CycleSizes([]int{100, 1473})}
	r.generator(plan).Start(0)
	r.run(t)
	if err := r.counters.Err(); err == nil || !strings.Contains(err.Error(), "1473") || r.counters.Left() != 1 {
		t.Errorf("%v after %d packets", err, r.counters.Left())
	}
}

// Stop ends what has no end. What the driver has still leaves.
func TestGeneratorStop(t *testing.T) {
	clk := clock.NewVirtual()
	r := newCard(t, &linktest.Null{Is: ethernetPort}, clk)
	g := r.generator(&Plan{Gaps: CycleGaps([]pacer.Gap{20_000_000}), Sizes: CycleSizes([]int{1472})})
	g.Start(0)
	for r.counters.Left() < 1000 {
		clk.Step()
	}
	if over(r.counters) {
		t.Error("it is over before it is stopped")
	}
	g.Stop()
	given := r.counters.given
	r.run(t)
	if r.counters.given != given || r.counters.Left() != given {
		t.Errorf("%d packets were given, later %d, and %d left", given, r.counters.given, r.counters.Left())
	}
	g.Stop() // does nothing
}

// A run for a time ends in time, also where the line cannot keep the schedule.
func TestGeneratorDuration(t *testing.T) {
	for gap, most := range map[pacer.Gap]uint64{100_000_000: 100, 0: 10_000_000/12_304 + 1000} {
		_, s, _ := generate(t, &Plan{Gaps: CycleGaps([]pacer.Gap{gap}), Sizes: CycleSizes([]int{1472}), Duration: 10 * time.Millisecond})
		if s.Packets > most || s.Packets < most/2 {
			t.Errorf("gap %d: %d packets in 10 ms", gap, s.Packets)
		}
	}
}

func TestPackets(t *testing.T) {
	start := time.Unix(1000, 5)
	plan := &Plan{Gaps: CycleGaps([]pacer.Gap{1400}), Sizes: CycleSizes([]int{10}), Packets: 5}
	var got []string
	for d := range Packets(plan, start) {
		got = append(got, fmt.Sprintf("%d %v %d", d.Departure, d.Absolute, d.Payload))
	}
	// Relative times are whole nanoseconds, and no fraction is lost.
	if s := strings.Join(got, ", "); s != "1000000000005 true 10, 1 false 10, 1 false 10, 2 false 10, 1 false 10" {
		t.Error(s)
	}
}

func TestMonitorConformance(t *testing.T) {
	linktest.RunOver(t, func(clk *clock.Virtual, below link.Device) link.Device {
		return NewMonitor(below, clk, 1e9, NewCounters())
	})
}

// What is captured is replayed as it was, gap by gap.
func TestPlayer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "run.pcapng")
	capture := func(at string, put func(r *testCard) *Player) (link.Report, []linktest.Record) {
		clk := clock.NewVirtual()
		sink := linktest.NewSink(clk, ethernetPort)
		file, err := pcap.Create(at)
		if err != nil {
			t.Fatal(err)
		}
		r := newCard(t, pcap.NewCapture(sink, clk, file), clk)
		p := put(r)
		r.run(t)
		if p != nil {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		if err := r.counters.Err(); err != nil {
			t.Error(err)
		}
		return r.trace.Departures.Report(), sink.Records
	}
	sizes, err := mustDist(t, "uniform:0,1472").Sizes(7, 28)
	if err != nil {
		t.Fatal(err)
	}
	plan := &Plan{Gaps: mustDist(t, "exponential:15000").Gaps(7), Sizes: sizes, Packets: 5000}
	_, sent := capture(name, func(r *testCard) *Player {
		r.generator(plan).Start(time.Millisecond)
		return nil
	})
	d, again := capture(name+" again", func(r *testCard) *Player {
		c, err := pcap.Open(name, pcap.MaxKept)
		if err != nil {
			t.Fatal(err)
		}
		hold := hold.New(r.card, r.clk, nil)
		hold.Attach(new(linktest.Null))
		p := NewPlayer(r.clk, hold, c, Replay{Tempo: Tempo{Speed: Recorded}, Passes: 1, MTU: 1500, Ethernet: true}, r.counters)
		p.Start(time.Millisecond)
		return p
	})
	if d.GapError.Max != 0 || d.Late != 0 || d.Packets != 5000 {
		t.Errorf("\n%v", d)
	}
	for i := range sent {
		if sent[i].At != again[i].At || !bytes.Equal(sent[i].Bytes, again[i].Bytes) {
			t.Fatalf("packet %d left at %v and again at %v, or has other bytes", i, sent[i].At, again[i].At)
		}
	}
}

// In real time a slow file is not waited for: frames leave as they come.
func TestPlayerSlowFile(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	le := binary.LittleEndian
	if _, err := to.Write(join(section(le), face(le, 1), packet(le, 0, 0, 60, 60))); err != nil {
		t.Fatal(err)
	}
	c, err := pcap.Open(fmt.Sprintf("/dev/fd/%d", from.Fd()), pcap.MaxKept)
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	clk := clock.NewReal()
	defer clk.Close()
	left := make(chan int, 10)
	counters := NewCounters()
	below := &notifier{Null: linktest.Null{Is: ethernetPort}, left: left, counters: counters}
	p := NewPlayer(clk, below, c, Replay{Tempo: Tempo{Speed: Recorded}, Passes: 1, MTU: 1500, Ethernet: true}, counters)
	clk.Do(func() { p.Start(0) })
	for i := range 5 {
		<-left
		if i < 4 {
			if _, err := to.Write(packet(le, 0, 1, 60, 60)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if over(counters) {
		t.Error("it is over before the file is")
	}
	to.Close()
	<-counters.Over()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if r := p.Replayed(); r.Packets != 5 || counters.Left() != 5 || counters.Err() != nil {
		t.Errorf("%+v, %d left, %v", r, counters.Left(), counters.Err())
	}
}

// Close ends a reading that waits for its file.
func TestPlayerClose(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	le := binary.LittleEndian
	if _, err := to.Write(join(section(le), face(le, 1))); err != nil {
		t.Fatal(err)
	}
	c, err := pcap.Open(fmt.Sprintf("/dev/fd/%d", from.Fd()), pcap.MaxKept)
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	clk := clock.NewReal()
	defer clk.Close()
	p := NewPlayer(clk, &linktest.Null{Is: ethernetPort}, c, Replay{Tempo: Tempo{Speed: Recorded}, Ethernet: true, MTU: 1500}, NewCounters())
	clk.Do(func() { p.Start(0) })
	clk.Do(p.Stop)
	p.Close()
}

// notifier is a device that tells of each frame.
type notifier struct {
	linktest.Null
	left     chan int
	counters *Counters
}

func (n *notifier) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		f.Left(f.Depart)
		n.counters.Leave(f.Depart, f.Depart, f.Size)
	}
	taken, err := n.Null.Transmit(frames)
	n.left <- taken
	return taken, err
}

// A packet costs no allocation once all is warm.
func TestGeneratorNoAllocs(t *testing.T) {
	if mallocs(func() {
		for range 20_000 {
			link.NewFrame(64).Free()
		}
	}) > 100 {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	clk := clock.NewVirtual()
	r := newCard(t, &linktest.Null{Is: ethernetPort}, clk)
	plan := &Plan{Gaps: mustDist(t, "exponential:20000").Gaps(1), Sizes: CycleSizes([]int{1472})}
	r.generator(plan).Start(0)
	step := func(n uint64) {
		for end := r.counters.Left() + n; r.counters.Left() < end; {
			clk.Step()
		}
	}
	step(10_000)
	if n := mallocs(func() { step(20_000) }); n > 200 {
		t.Errorf("%d allocations for 20000 packets", n)
	}
}

// mallocs returns how many allocations the process makes while f runs.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

func BenchmarkGenerator(b *testing.B) {
	for _, payload := range []int{18, 1472} {
		b.Run(fmt.Sprintf("%d", payload+46), func(b *testing.B) {
			clk := clock.NewVirtual()
			r := newCard(b, &linktest.Null{Is: ethernetPort}, clk)
			plan := &Plan{Gaps: CycleGaps([]pacer.Gap{13_560_000}), Sizes: CycleSizes([]int{payload})}
			r.generator(plan).Start(0)
			b.ReportAllocs()
			for r.counters.Left() < uint64(b.N) {
				clk.Step()
			}
		})
	}
}

// loser is a device that stamps, and drops every other frame, as an interface that is down.
type loser struct {
	linktest.Null
	clk clock.Clock
	n   int
}

func (l *loser) Info() link.Info {
	i := l.Null.Info()
	i.Stamps = true
	return i
}

func (l *loser) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		if l.n++; l.n%2 == 0 {
			f.LeftDuring(l.clk.Now(), l.clk.Now())
		}
		f.Free()
	}
	return len(frames), nil
}

// What the device of a replay drops is counted once.
func TestPlayerDrops(t *testing.T) {
	c, err := pcap.Open("../../link/pcap/testdata/07-fcs-small.pcap", pcap.MaxKept)
	if err != nil {
		t.Fatal(err)
	}
	clk := clock.NewVirtual()
	counters := NewCounters()
	monitor := NewMonitor(&loser{Null: linktest.Null{Is: ethernetPort}, clk: clk}, clk, 1e9, counters)
	h := hold.New(monitor, clk, nil)
	h.Attach(new(linktest.Null))
	p := NewPlayer(clk, h, c, Replay{Tempo: Tempo{Speed: Recorded}, Passes: 1, MTU: 1500, Ethernet: true}, counters)
	p.Start(0)
	for clk.Step() {
	}
	h.Close()
	p.Close()
	if counters.Left() != 10 || counters.dropped != 10 || counters.given != 20 {
		t.Errorf("given %d, left %d, dropped %d", counters.given, counters.Left(), counters.dropped)
	}
	select {
	case <-counters.Over():
	default:
		t.Error("it is not over")
	}
}
