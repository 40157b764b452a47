package pacer_test

import (
	"net/netip"
	"testing"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

func flowTo(port uint16) pacer.Flow {
	src := netip.MustParseAddrPort("10.0.0.1:4000")
	return pacer.FlowOf(pacer.ProtoTCP, src, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port))
}

func TestPerFlow(t *testing.T) {
	fast, slow, other := flowTo(1), flowTo(2), flowTo(3)
	n := pacer.Size{Wire: 1250}
	var table pacer.PerFlow
	depart := func(f pacer.Flow, now, want clock.Time) {
		t.Helper()
		if got := table.Depart(f, n, now); got != want {
			t.Errorf("%v, ready at %d, leaves at %d, want %d", f, now, got, want)
		}
	}

	t.Log("# an empty table paces nobody")
	depart(fast, 7, 7)
	depart(fast, 7, 7)

	t.Log("# two flows of different rates do not see each other, nor a third that is not paced")
	table.Set(fast, newRate(t, 1e9, pacer.Wire))
	table.Set(slow, newRate(t, 1e8, pacer.Wire))
	depart(fast, 10, 10)
	depart(slow, 10, 10)
	depart(fast, 10, 10010)
	depart(slow, 10, 100010)
	depart(other, 20, 20)
	if table.Len() != 2 {
		t.Errorf("%d flows in the table, want 2", table.Len())
	}

	t.Log("# a flow whose pacer is taken away is not paced any more")
	table.Set(slow, nil)
	depart(slow, 200_000, 200_000)
	depart(slow, 200_000, 200_000)
	table.Remove(fast)
	if table.Lookup(fast) != nil || table.Len() != 0 {
		t.Errorf("flows are left in the table: %d", table.Len())
	}
}

func TestPerFlowDefault(t *testing.T) {
	asked := map[pacer.Flow]int{}
	table := pacer.PerFlow{Default: func(f pacer.Flow) pacer.Pacer {
		asked[f]++
		if f.DstPort == 9 {
			return nil
		}
		return newRate(t, 1e9, pacer.Wire)
	}}
	n := pacer.Size{Wire: 1250}
	a, b, free := flowTo(1), flowTo(2), flowTo(9)
	for i := range 3 {
		want := clock.Time(i * 10000)
		for _, f := range []pacer.Flow{a, b} {
			if got := table.Depart(f, n, 0); got != want {
				t.Errorf("%v leaves at %d, want %d", f, got, want)
			}
		}
		if got := table.Depart(free, n, 5); got != 5 {
			t.Errorf("a flow that Default does not pace leaves at %d, want 5", got)
		}
	}
	for f, times := range asked {
		if times != 1 {
			t.Errorf("Default was asked %d times about %v", times, f)
		}
	}

	t.Log("# a flow that was removed is a new one")
	table.Remove(a)
	if got := table.Depart(a, n, 0); got != 0 || asked[a] != 2 {
		t.Errorf("leaves at %d after %d questions to Default, want 0 after 2", got, asked[a])
	}
	if table.Len() != 3 {
		t.Errorf("%d flows in the table, want 3", table.Len())
	}
}

func TestPacersDoNotAllocate(t *testing.T) {
	var table pacer.PerFlow
	f, g := flowTo(1), flowTo(2)
	table.Set(f, newRate(t, 950e6, pacer.Wire))
	table.Set(g, newGaps(t, 13_333_330, 12_304_000))
	n := pacer.Size{Wire: 1538}
	if allocs := testing.AllocsPerRun(1000, func() {
		table.Depart(f, n, 0)
		table.Depart(g, n, 0)
		table.Depart(flowTo(3), n, 0)
	}); allocs != 0 {
		t.Errorf("%v allocations for three packets, want none", allocs)
	}
}

func BenchmarkPerFlow(b *testing.B) {
	var table pacer.PerFlow
	var flows [64]pacer.Flow
	for i := range flows {
		flows[i] = flowTo(uint16(i))
		table.Set(flows[i], newRate(b, 950e6, pacer.Wire))
	}
	n := pacer.Size{Wire: 1538}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Depart(flows[i%len(flows)], n, 0)
	}
}
