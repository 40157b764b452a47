package stack

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// outcome is what one connection did that sent all the time.
type outcome struct {
	whole, half float64       // goodput in Mbit/s, of all the time and of its second half
	full        time.Duration // until the path was full for the first time
	drops       uint64        // of the bottleneck's queue
	again       int           // segments sent again
	timeouts    uint64
	queue       float64 // packets in the bottleneck's queue on average, in the second half
}

// bulk has one connection send for so long.
func (p *path) bulk(t testing.TB, length time.Duration) (b outcome) {
	var f flow
	start := p.now()
	var before, half int64
	var queue float64 // frames times time that have waited in the first half, us
	const tenth = 100 * time.Millisecond
	p.run(t, []*flow{&f}, start+length, tenth, func(now time.Duration) {
		if b.full == 0 && mbits(f.got-before, tenth) >= 0.9*p.ceiling() {
			b.full = now - start
		}
		before = f.got
		if now-start == length/2 {
			half, queue = f.got, p.waited()
		}
		b.queue = (p.waited() - queue) / float64((now - start - length/2).Microseconds())
	})
	b.whole, b.half = mbits(f.got, length), mbits(f.got-half, length-length/2)
	b.drops, b.again, b.timeouts = p.drops(), p.loss.again, p.timeouts()
	return b
}

// mbits is a rate in Mbit/s.
func mbits(bytes int64, d time.Duration) float64 { return float64(bytes) * 8 / 1e6 / d.Seconds() }

const outcomeHead = "control\tqueue\tMbit/s\t2nd half\tdrops\tsent again\ttimeouts\tfull after\tmean queue\t\n"

func (b outcome) row(name string, queue int) string {
	full := "never"
	if b.full > 0 {
		full = fmt.Sprint(b.full)
	}
	return fmt.Sprintf("%s\t%d\t%.1f\t%.1f\t%d\t%d\t%d\t%s\t%.1f\t\n", name, queue,
		b.whole, b.half, b.drops, b.again, b.timeouts, full, b.queue)
}

// aligned sets a table whose cells end with tabs.
func aligned(s string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, s)
	w.Flush()
	return b.String()
}

// Every controller through a bottleneck of 100 Mbit/s, 20 ms away, with queues of 3, 12
// and 60 % of what the path holds. 94.0 Mbit/s are the most; the path is full when it
// takes nine tenths of that for 100 ms.
func TestTable(t *testing.T) {
	needsLayout(t)
	if slow || testing.Short() {
		t.Skip("takes 5 minutes of virtual time")
	}
	queues := []int{5, 20, 100}
	rows := make([]string, len(combinations)*len(queues))
	t.Run("runs", func(t *testing.T) {
		for i, c := range combinations {
			for j, queue := range queues {
				t.Run(fmt.Sprintf("%s %d", c.name, queue), func(t *testing.T) {
					t.Parallel()
					p := (&path{rate: 100e6, rtt: 20 * time.Millisecond, queue: queue, congestion: c.congestion, pacing: c.pacing}).open(t, 1)
					b := p.bulk(t, 20*time.Second)
					rows[i*len(queues)+j] = b.row(c.name, queue)
					b.reach(t, c.name, queue)
				})
			}
		}
	})
	p := (&path{rate: 100e6, rtt: 20 * time.Millisecond, queue: 5, bare: true}).open(t, 1)
	_, err := p.world.NewHost(Config{Device: p.trace, Addrs: p.near.Addrs(), Congestion: newController("bbr")})
	linktest.Golden(t, "table.golden", aligned(outcomeHead+strings.Join(rows, ""))+fmt.Sprintf("\nbbr without a hold: %v\n", err))
}

// reach checks what is to be reached.
func (b outcome) reach(t *testing.T, name string, queue int) {
	switch name {
	case "cubic paced":
		least := map[int]float64{5: 79, 20: 85, 100: 92}
		most := map[int]int{5: 417, 20: 685, 100: 708}
		if b.whole < least[queue] || b.again >= most[queue] || b.timeouts > 0 {
			t.Errorf("%+v, want %v Mbit/s, less than %d segments sent again, and no timeout", b, least[queue], most[queue])
		}
	case "bbr":
		if b.whole < 90 || b.queue > 10 || b.timeouts > 0 {
			t.Errorf("%+v, want 90 Mbit/s, a short queue and no timeout", b)
		}
	}
}

// BBR finds out that the path is full, and empties the queue, where nothing is lost that
// would tell it: a sender that fills its window is not limited by the application.
func TestBBRLeavesStartup(t *testing.T) {
	p := (&path{rate: 10e6, rtt: 50 * time.Millisecond, queue: 100, congestion: newController("bbr")}).open(t, 1)
	b := p.bulk(t, 8*time.Second)
	if b.drops > 0 || b.half < 9 || b.queue > 5 {
		t.Errorf("%+v, want 9 Mbit/s, nothing dropped, and 5 packets in the queue", b)
	}
}
