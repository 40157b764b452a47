package stack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// jain is the fairness index of Jain, Chiu and Hawe: 1 where all flows have the same.
func jain(x []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
		squares += v * v
	}
	return sum * sum / squares / float64(len(x))
}

// shares runs flows and returns what each of them had in Mbit/s in the last third of the time.
func (p *path) shares(t testing.TB, flows []*flow, length time.Duration) []float64 {
	before := make([]int64, len(flows))
	p.run(t, flows, length, length/3, func(now time.Duration) {
		if now < length {
			for i, f := range flows {
				before[i] = f.got
			}
		}
	})
	shares := make([]float64, len(flows))
	for i, f := range flows {
		shares[i] = mbits(f.got-before[i], length/3)
	}
	return shares
}

// Flows through one bottleneck, one after the other, and what each has in the last third
// of the time.
//
// Many of one kind: the index is to be 0.95 at least. Then two of one kind of which one has
// three times the round trip, and one each of CUBIC and BBR; what they have is only told.
func TestShares(t *testing.T) {
	needsLayout(t)
	if slow || testing.Short() {
		t.Skip("takes a quarter of an hour of virtual time")
	}
	type run struct {
		combination
		what  string
		flows int
		path  path
		last  time.Duration
		start func(i int) flow
		jain  bool
	}
	var runs []run
	long := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	for _, c := range combinations {
		for _, r := range []run{
			{flows: 2, path: path{rate: 20e6, rtt: long(20), queue: 30}, last: 30 * time.Second},
			{flows: 10, path: path{rate: 20e6, rtt: long(40), queue: 60}, last: 45 * time.Second},
			{flows: 100, path: path{rate: 100e6, rtt: long(60), queue: 500}, last: 30 * time.Second},
		} {
			if r.flows == 100 && c.name != "cubic paced" && c.name != "bbr" {
				continue
			}
			r.combination, r.jain = c, true
			r.what = fmt.Sprint(r.flows, " flows")
			r.start = func(i int) flow { return flow{start: time.Duration(i) * time.Second / time.Duration(r.flows)} }
			runs = append(runs, r)
		}
	}
	for _, c := range combinations {
		runs = append(runs, run{combination: c, what: "20 and 60 ms", flows: 2, last: 30 * time.Second,
			path:  path{rate: 20e6, rtt: long(20), queue: 30, farther: map[uint16]time.Duration{9001: long(40)}},
			start: func(i int) flow { return flow{port: uint16(9000 + i)} }})
	}
	for _, queue := range []int{10, 30, 100} {
		runs = append(runs, run{combination: combinations[3], what: fmt.Sprint("bbr, queue ", queue), flows: 2, last: 30 * time.Second,
			path: path{rate: 20e6, rtt: long(20), queue: queue},
			start: func(i int) flow {
				if i == 0 {
					return flow{}
				}
				return flow{start: long(500), congestion: newController("bbr")}
			}})
	}
	rows := make([]string, len(runs))
	t.Run("runs", func(t *testing.T) {
		for i, r := range runs {
			t.Run(r.name+" "+r.what, func(t *testing.T) {
				t.Parallel()
				p := r.path
				p.congestion, p.pacing = r.congestion, r.pacing
				p.open(t, 1)
				flows := make([]*flow, r.flows)
				for j := range flows {
					f := r.start(j)
					flows[j] = &f
				}
				shares := p.shares(t, flows, r.last)
				sum, least, most := 0.0, shares[0], shares[0]
				for _, s := range shares {
					sum += s
					least, most = min(least, s), max(most, s)
				}
				index := jain(shares)
				each := fmt.Sprintf("%.2f - %.2f", least, most)
				if r.flows == 2 {
					each = fmt.Sprintf("%.2f : %.2f", shares[0], shares[1])
				}
				rows[i] = fmt.Sprintf("%s\t%s\t%.1f\t%s\t%.3f\t%d\t%d\t\n", r.name, r.what, sum, each, index, p.loss.again, p.timeouts())
				// BBR does not come to it in general: one of many can wait for long for
				// netstack's timer, which has backed off. The table tells.
				if r.jain && index < 0.95 && (r.name != "bbr" || r.flows == 2) {
					t.Errorf("the index is %.3f", index)
				}
			})
		}
	})
	linktest.Golden(t, "shares.golden", aligned("control\twith\tMbit/s\teach\tindex\tsent again\ttimeouts\t\n"+strings.Join(rows, "")))
}
