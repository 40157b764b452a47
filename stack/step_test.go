package stack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// The bottleneck goes from 100 to 50 to 200 Mbit/s, and the loop follows: the window, the
// round trip, the rate that is paced at, and what arrives, each 100 ms from before a step on
// and each second later.
func TestStep(t *testing.T) {
	if slow || testing.Short() {
		t.Skip("a golden table takes too long under the race detector")
	}
	const (
		tenth = 100 * time.Millisecond
		down  = 4 * time.Second
		up    = 8 * time.Second
		end   = 14 * time.Second
	)
	var b strings.Builder
	for _, c := range combinations[3:] {
		fmt.Fprintf(&b, "%s\n", c.name)
		p := (&path{rate: 100e6, rtt: 20 * time.Millisecond, queue: 100, congestion: c.congestion, pacing: c.pacing}).open(t, 1)
		p.world.Clock().AfterFunc(down-p.now(), func() { p.end.SetRate(50e6) })
		p.world.Clock().AfterFunc(up-p.now(), func() { p.end.SetRate(200e6) })
		f := &flow{}
		table := "s\tMbit/s\tcwnd\tRTT ms\tpaced at\tarrives\tqueue\t\n"
		var before int64
		p.world.RunFor(tenth - p.now())
		p.run(t, []*flow{f}, end, tenth, func(now time.Duration) {
			fb := f.conn.Feedback()
			rate := 100
			switch {
			case now > up:
				rate = 200
			case now > down:
				rate = 50
			}
			near := func(step time.Duration) bool { return now > step-2*tenth && now <= step+10*tenth }
			if near(down) || near(up) || now%time.Second == 0 {
				table += fmt.Sprintf("%.1f\t%d\t%d\t%.1f\t%.1f\t%.1f\t%d\t\n", now.Seconds(), rate, fb.Cwnd/segment,
					float64(fb.RTT.Microseconds())/1e3, float64(fb.Rate)/1e6, mbits(f.got-before, tenth), p.inQueue())
			}
			before = f.got
		})
		b.WriteString(aligned(table))
	}
	linktest.Golden(t, "step.golden", b.String())
}
