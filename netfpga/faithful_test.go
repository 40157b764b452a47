package netfpga_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// pair are the native card, on the faithful one's bus and with its policy, and the
// faithful one.
func pair() []*netfpga.Config {
	return []*netfpga.Config{
		{PCI: pci.Measured(), Late: pktgen.Late{Policy: pktgen.Faithful}},
		{Firmware: &netfpga.Firmware{}},
	}
}

// The faithful card beside the native one. What the original did, on a host that was
// infinitely fast: one packet in 5,056 ns; 20.7, 24.4 and 53.9 us from the descriptor to
// the MAC; 587 packets back to back.
func TestFaithful(t *testing.T) {
	if slow {
		t.Skip("a golden table takes too long under the race detector")
	}
	var table strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&table, format, args...) }
	sides := func(what string, one func(cfg *netfpga.Config) string) {
		both := pair()
		line("%-32s  %-34s  %s\n", what, one(both[0]), one(both[1]))
	}
	line("%-32s  %-34s  %s\n", "", "native", "faithful")
	for _, c := range []struct{ bytes, n, gap int }{
		{1518, packets(5000, 1_500_000), 13_560},
		{1518, packets(5000, 1_500_000), 12_304},
		{1518, packets(5000, 1_500_000), 6_000},
		{64, 5000, 20_000},
		{64, 5000, 10_000},
		{64, 5000, 5_080},
		{64, 5000, 672},
	} {
		sides(fmt.Sprintf("%4d B every %6d ns", c.bytes, c.gap), func(cfg *netfpga.Config) string {
			sent, card := paced(t, cfg, describe(c.bytes, 0, false), c.n, int64(c.gap))
			return summary(sent, card)
		})
	}
	sides("the same, absolute departures", func(cfg *netfpga.Config) string {
		sent, card := paced(t, cfg, describe(64, 0, true), 5000, 672)
		return summary(sent, card)
	})
	for _, bytes := range []int{64, 612, 1518} {
		sides(fmt.Sprintf("%4d B, least gap that is exact", bytes), func(cfg *netfpga.Config) string {
			return fmt.Sprintf("%d ns", least(t, cfg, bytes))
		})
	}
	for _, n := range []int{42, 200, 1514} {
		sides(fmt.Sprintf("%4d B carried, card to MAC", n), func(cfg *netfpga.Config) string {
			return fmt.Sprintf("%.3f us", float64(latency(t, cfg, n))/1e3)
		})
	}
	for _, c := range []struct {
		bytes int
		ahead time.Duration
	}{{64, 200 * time.Microsecond}, {1518, 200 * time.Microsecond}, {1518, 3520 * time.Microsecond}} {
		line("%4d B every 20 us, %v ahead, stall of 8 ms\n", c.bytes, c.ahead)
		sides("", func(cfg *netfpga.Config) string {
			clk, dev := clock.NewVirtual(), newBelow()
			stall(t, newCard(t, clk, dev, cfg), clk, c.bytes, 20_000, clock.Time(c.ahead))
			run, last := burst(dev)
			return fmt.Sprintf("%d late, %d ns each, %d back to back", run, last, backToBack(dev, c.bytes))
		})
	}
	sides("packets ahead", func(cfg *netfpga.Config) string {
		all, card := ahead(t, cfg)
		return fmt.Sprintf("%d, of which %d on the card", all, card)
	})
	linktest.Golden(t, "faithful.golden", table.String())
}

// paced has a card send the same packet with equal gaps.
func paced(t testing.TB, cfg *netfpga.Config, d *netfpga.Description, n int, gap int64) ([]clock.Time, *netfpga.Card) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, cfg)
	p := &pacer.Gaps{List: []pacer.Gap{pacer.Gap(gap) * pacer.Nanosecond}}
	inject(t, clk, card, p, n, same(d))
	if card.Err() != nil || len(dev.sent) != n {
		t.Fatalf("%d of %d packets left: %v", len(dev.sent), n, card.Err())
	}
	return dev.sent, card
}

// summary tells of the gaps of packets, without the first thousand where the card was
// given some before it began.
func summary(sent []clock.Time, card *netfpga.Card) string {
	var gaps []clock.Time
	for i := 1000; i+1 < len(sent); i++ {
		gaps = append(gaps, sent[i+1]-sent[i])
	}
	from, to := slices.Min(gaps), slices.Max(gaps)
	if s := card.Counters(); from == to && late(s) > 0 {
		return fmt.Sprintf("%d late, every gap %d", late(s), from)
	} else if from < to {
		mean := float64(sent[len(sent)-1]-sent[1000]) / float64(len(gaps))
		return fmt.Sprintf("%d late, %d to %d, mean %.0f", late(s), from, to, mean)
	}
	return fmt.Sprintf("every gap %d", from)
}

// least returns the shortest gap in ns, in whole ticks, that a card keeps. As a longer gap
// may be one that it does not keep, the two above are tried, too.
func least(t *testing.T, cfg *netfpga.Config, bytes int) int64 {
	wire := int64(link.WireBytes(bytes-4)) * 8
	keeps := func(i int) bool { return keeps(t, cfg, bytes, clock.Time(wire+8*int64(i))) }
	if keeps(0) {
		return wire
	}
	n := 1 + sort.Search(1500, func(i int) bool { return keeps(1 + i) })
	for above := n + 1; above <= n+2; above++ {
		if !keeps(above) {
			n = above + 1
		}
	}
	return wire + 8*int64(n)
}

// keeps reports whether a card keeps a gap for so many packets that those which wait for
// their departures when it begins do not hide that it is too slow.
func keeps(t *testing.T, cfg *netfpga.Config, bytes int, gap clock.Time) bool {
	const n = 100_000
	clk := clock.NewVirtual()
	card := newCard(t, clk, &linktest.Null{Is: newBelow().Info()}, cfg)
	defer card.Close()
	waiting := false
	sender := card.NewSender(netfpga.SenderConfig{Ready: func() { waiting = false }})
	d := describe(bytes, 1_000_000, true)
	for range n {
		for sender.Inject(d) == link.ErrFull {
			for waiting = true; waiting; {
				clk.Step()
			}
			if s := card.Port(0).Counters(); late(s) > 0 {
				return false
			}
		}
		d.Departure, d.Absolute = gap, false
	}
	run(clk)
	s := card.Counters()
	if s.Sent.Frames != n {
		t.Fatalf("%d of %d packets left: %v", s.Sent.Frames, n, card.Err())
	}
	return late(s) == 0
}

// latency returns how long after a message has reached the idle card its only packet, of
// which so many bytes are carried, leaves.
func latency(t *testing.T, cfg *netfpga.Config, carried int) time.Duration {
	clk, dev := clock.NewVirtual(), newBelow()
	var arrived clock.Time
	cfg.Trace = func(s driver.Step) {
		if s.Kind == driver.DMATxComplete {
			arrived = s.At
		}
	}
	card := newCard(t, clk, dev, cfg)
	clk.RunUntil(10_000_000)
	d := describe(1518, 0, true)
	d.Data = make([]byte, carried-42)
	if err := card.NewSender(netfpga.SenderConfig{}).Inject(d); err != nil {
		t.Fatal(err)
	}
	run(clk)
	return dev.sent[0].Sub(arrived)
}

// burst returns how many packets left late one behind the other, and what each of them
// took.
func burst(dev *below) (longest int, each clock.Time) {
	first := -1
	for i, at := range dev.sent {
		switch {
		case at <= dev.asked[i]:
			first = -1
		case first < 0:
			first = i
		case i-first+1 > longest:
			longest = i - first + 1
			each = (at - dev.sent[first]) / clock.Time(longest-1)
		}
	}
	return longest, each
}

// backToBack returns how many frames of so many bytes left one behind the other at the line's
// speed.
func backToBack(dev *below, bytes int) (longest int) {
	wire := clock.Time(link.WireBytes(bytes-4)) * 8
	run := 1
	for i := 1; i < len(dev.sent); i++ {
		if run++; dev.sent[i]-dev.sent[i-1] != wire {
			run = 1
		}
		longest = max(longest, run)
	}
	return longest
}

// ahead returns how many packets for later the driver takes, and how many of these the
// card has. 42 bytes of each are carried.
func ahead(t *testing.T, cfg *netfpga.Config) (all, card int) {
	clk, dev := clock.NewVirtual(), newBelow()
	cfg.Trace = func(s driver.Step) {
		if s.Kind == driver.DMATx && s.N > drivercomm.ResetLen {
			const packet, padding = 64, 6 // none behind the last
			card += (s.N - drivercomm.FirstPacket + padding) / packet
		}
	}
	c := newCard(t, clk, dev, cfg)
	defer c.Close()
	clk.RunUntil(10_000_000)
	for range 2 {
		frames := make([]*link.Frame, 1000)
		for i := range frames {
			frames[i] = frame(42, 1e9)
		}
		n, _ := c.Transmit(frames)
		all += n
		clk.RunUntil(clk.Now() + 50_000_000)
	}
	return all, card
}

// The machine's limit, when 64 B are asked for every 672 ns. It is that of the sending
// thread, which never waits for a lock: it does not depend on the bus, nor on how many
// threads there are beside it, but on how often it issues an instruction. Those that a thread
// issued for a packet count its start and its end, too.
func TestFaithfulLimit(t *testing.T) {
	if slow {
		t.Skip("a golden table takes too long under the race detector")
	}
	var table strings.Builder
	const n = 5000
	fmt.Fprintf(&table, "%-24s  %6s  %9s  %5s  %-27s  %s\n", "a packet takes", "ns", "packets/s", "slots", "the sending thread", "all others")
	for _, c := range []struct {
		what    string
		pci     pci.Cost
		machine netthreads.Config
	}{
		{"the original's machine", pci.Measured(), netthreads.Config{}},
		{"a bus of 1 us a transfer", pci.Cost{Transfer: time.Microsecond}, netthreads.Config{}},
		{"one CPU", pci.Measured(), netthreads.Config{CPUs: 1}},
		{"four CPUs", pci.Measured(), netthreads.Config{CPUs: 4}},
		{"four CPUs of two threads", pci.Measured(), netthreads.Config{CPUs: 4, Threads: 2}},
		{"with caches", pci.Measured(), netthreads.Config{Memory: &netthreads.Memory{}}},
	} {
		c.machine.Profile = true
		sent, card := paced(t, &netfpga.Config{PCI: c.pci, Firmware: &netfpga.Firmware{Machine: c.machine}}, describe(64, 0, false), n, 672)
		mean := float64(sent[n-1]-sent[1000]) / (n - 1001)
		p := card.Profile()
		fmt.Fprintf(&table, "%-24s  %6.0f  %9.0f  %5.0f", c.what, mean, 1e9/mean, mean/8/float64(threads(c.machine)))
		var others netthreads.ThreadProfile
		for _, th := range p.Threads[1:] {
			others.Issued += th.Issued
			others.Lock += th.Lock
			others.Data += th.Data
			others.Fetch += th.Fetch
		}
		for _, th := range []netthreads.ThreadProfile{p.Threads[0], others} {
			fmt.Fprintf(&table, "  issued %4d lock %3d cache %2d", th.Issued/n, th.Lock/n, (th.Data+th.Fetch)/n)
		}
		fmt.Fprintln(&table)
	}
	linktest.Golden(t, "faithful_limit.golden", table.String())
}

// threads returns how many threads a CPU has.
func threads(m netthreads.Config) int {
	if m.Threads == 0 {
		return 4
	}
	return m.Threads
}
