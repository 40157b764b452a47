package cc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

func controller(t testing.TB, name string) cc.Controller {
	t.Helper()
	c, err := cc.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every controller over 100 Mbit/s and 20 ms, where a window is 167 packets and 94.0 Mbit/s
// the most. A change of behaviour shows in testdata/table.txt.
func TestTable(t *testing.T) {
	const length = 20 * time.Second
	var b strings.Builder
	fmt.Fprintln(&b, "              queue  Mbit/s  drops  resent  timeouts  full after  mean queue")
	for _, name := range cc.Names() {
		for _, paced := range []bool{false, true} {
			for _, queue := range []int{5, 20, 100} {
				ctl := controller(t, name)
				if _, ok := ctl.(cc.Pacing); ok && !paced {
					continue
				}
				p := &path{rate: 100e6, delay: 20 * time.Millisecond, queue: queue}
				f := p.add(ctl, paced, 0)
				full := time.Duration(0)
				for tenth := 100 * time.Millisecond; tenth <= length; tenth += 100 * time.Millisecond {
					before := f.una
					p.run(clock.Time(tenth))
					if full == 0 && f.goodput(before, 100*time.Millisecond) > 90 {
						full = tenth
					}
				}
				how := "unpaced"
				if paced {
					how = "paced"
				}
				fmt.Fprintf(&b, "%-5s %-7s %5d %7.1f %6d %7d %9d %11v %11.1f\n", name, how, queue, f.goodput(0, length),
					f.drops, f.resent, f.timeouts, full, float64(p.queued)/float64(p.came))
			}
		}
	}
	linktest.Golden(t, "table.txt", b.String())
}

// jain is the fairness index of Jain, Chiu and Hawe: 1 where all have the same.
func jain(x []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
		squares += v * v
	}
	return sum * sum / squares / float64(len(x))
}

// Flows of one kind share a path. They begin one after the other, half a second apart.
func TestFairness(t *testing.T) {
	for _, name := range cc.Names() {
		for _, n := range []int{2, 10} {
			for _, queue := range []int{20, 100} {
				p := &path{rate: 100e6, delay: 20 * time.Millisecond, queue: queue}
				for i := range n {
					p.add(controller(t, name), true, clock.Time(i)*500e6)
				}
				p.run(20e9)
				since := make([]int, n)
				for i, f := range p.flows {
					since[i] = f.una
				}
				p.run(50e9)
				share := make([]float64, n)
				for i, f := range p.flows {
					share[i] = f.goodput(since[i], 30*time.Second)
				}
				index := jain(share)
				t.Logf("%-5s %2d flows, queue of %3d: fairness %.3f, %.1f", name, n, queue, index, share)
				if index < 0.95 {
					t.Errorf("the fairness index is %.3f", index)
				}
			}
		}
	}
}

// The bottleneck becomes half as fast and then four times: the rate follows.
func TestStep(t *testing.T) {
	var b strings.Builder
	fmt.Fprintln(&b, "Mbit/s in each second; 100 Mbit/s from 0 s on, 50 from 5 s on, 200 from 10 s on")
	for _, name := range []string{"cubic", "bbr"} {
		for _, queue := range []int{20, 100} {
			p := &path{rate: 100e6, delay: 20 * time.Millisecond, queue: queue}
			f := p.add(controller(t, name), true, 0)
			fmt.Fprintf(&b, "%-5s queue %3d:", name, queue)
			for s := range 15 {
				switch s {
				case 5:
					p.rate = 50e6
				case 10:
					p.rate = 200e6
				}
				before := f.una
				p.run(clock.Time(s+1) * 1e9)
				fmt.Fprintf(&b, " %3.0f", f.goodput(before, time.Second))
			}
			fmt.Fprintln(&b)
		}
	}
	linktest.Golden(t, "step.txt", b.String())
}
