package netfpga_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer/clock"
)

// describe returns a packet for a frame of so many bytes, with FCS.
func describe(bytes int, departure clock.Time, absolute bool) *netfpga.Description {
	return &netfpga.Description{
		Src:       netip.MustParseAddrPort("10.0.0.1:1000"),
		Dst:       netip.MustParseAddrPort("10.0.0.2:2000"),
		Departure: departure, Absolute: absolute,
		Payload: bytes - 4 - 42,
	}
}

// A host gives a card a packet for every 20 us, each at its departure. The first one's is
// absolute, the others are relative, as those of the original generator. For 8 ms the host
// does nothing, and then goes on with all that is due: 400 packets are late when it comes
// back, and more as it takes time to send those.
func TestStall(t *testing.T) {
	var table strings.Builder
	for _, c := range []struct {
		late  string
		gap   clock.Time
		bytes int
	}{
		{"catch-up", 20_000, 64},
		{"catch-up", 20_000, 612},
		{"catch-up", 20_000, 1518},
		{"catch-up", 50_000, 1518},
		{"catch-up=100", 20_000, 1518},
		{"catch-up=2000", 20_000, 1518},
		{"re-base", 20_000, 1518},
		{"drop", 20_000, 1518},
		{"faithful", 20_000, 64},
		{"faithful", 20_000, 612},
		{"faithful", 20_000, 1518},
		{"faithful", 39_992, 1518},
		{"faithful", 40_000, 1518},
	} {
		late, err := pktgen.ParseLate(c.late)
		if err != nil {
			t.Fatal(err)
		}
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &netfpga.Config{Late: late})
		stall(t, card, clk, c.bytes, c.gap, 0)

		wire := clock.Time(link.WireBytes(c.bytes-4)) * 8
		run, longest := 1, 1 // of frames back to back
		var behind, worst clock.Time
		for i, at := range dev.sent {
			if i > 0 && at-dev.sent[i-1] == wire {
				run++
			} else {
				run = 1
			}
			longest = max(longest, run)
			behind = at - dev.asked[i]
			worst = max(worst, behind)
		}
		s := card.Counters()
		fmt.Fprintf(&table, "%-13s %4d B every %6d ns: %4d back to back, late %4d caught up %4d moved %d dropped %3d; latest %7d ns, the last %7d ns behind\n",
			c.late, c.bytes, c.gap, longest, s.Get("pktgen_late"), s.Get("pktgen_caught_up"), s.Get("pktgen_moved"), s.Get("pktgen_dropped"), worst, behind)
		if dropped := s.Get("late_dropped"); int64(s.Sent.Frames)+dropped != s.Get("injected") || dropped != int64(s.Sent.Dropped()) {
			t.Errorf("%+v", s)
		}
	}
	want := `
catch-up        64 B every  20000 ns:  414 back to back, late  414 caught up  414 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
catch-up       612 B every  20000 ns:  536 back to back, late  535 caught up  535 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
catch-up      1518 B every  20000 ns: 1040 back to back, late 1038 caught up 1038 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
catch-up      1518 B every  50000 ns:  213 back to back, late  212 caught up  212 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
catch-up=100  1518 B every  20000 ns:  101 back to back, late  101 caught up  100 moved 1 dropped   0; latest 8000000 ns, the last 7230400 ns behind
catch-up=2000 1518 B every  20000 ns: 1040 back to back, late 1038 caught up 1038 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
re-base       1518 B every  20000 ns:    1 back to back, late    1 caught up    0 moved 1 dropped   0; latest 8000000 ns, the last 8000000 ns behind
drop          1518 B every  20000 ns:    1 back to back, late  400 caught up    0 moved 0 dropped 400; latest       0 ns, the last       0 ns behind
faithful        64 B every  20000 ns:  414 back to back, late  414 caught up  414 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
faithful       612 B every  20000 ns:  536 back to back, late  535 caught up  535 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
faithful      1518 B every  20000 ns: 1040 back to back, late 1038 caught up 1038 moved 0 dropped   0; latest 8000000 ns, the last       0 ns behind
faithful      1518 B every  39992 ns:  289 back to back, late  288 caught up  288 moved 0 dropped   0; latest 7978008 ns, the last       0 ns behind
faithful      1518 B every  40000 ns:    1 back to back, late    1 caught up    0 moved 1 dropped   0; latest 8000000 ns, the last 8000000 ns behind
`
	if table.String() != want[1:] {
		t.Errorf("got\n%swant%s", table.String(), want)
	}
}

// stall injects packets with departures from 10 ms on to 200 ms, each so long ahead. From
// 100 ms to 108 ms the host does nothing.
func stall(t *testing.T, card *netfpga.Card, clk *clock.Virtual, bytes int, gap, ahead clock.Time) {
	const ms = 1_000_000
	full := false
	sender := card.NewSender(netfpga.SenderConfig{Ready: func() { full = false }})
	defer sender.Close()
	for due := clock.Time(10 * ms); due < 200*ms; due += gap {
		at := due - ahead
		if at >= 100*ms && at < 108*ms {
			at = 108 * ms
		}
		clk.RunUntil(max(at, clk.Now()))
		d := describe(bytes, gap, false)
		if due == 10*ms {
			d = describe(bytes, due, true)
		}
		for {
			err := sender.Inject(d)
			if err == nil {
				break
			}
			if !errors.Is(err, link.ErrFull) {
				t.Fatal(err)
			}
			for full = true; full; {
				clk.Step()
			}
		}
	}
	run(clk)
}
