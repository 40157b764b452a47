package stack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
)

// firstSeq returns the sequence number of the first byte that near sends if it dials at once.
func (p path) firstSeq(t *testing.T, seed uint64) (first pacer.Seq) {
	t.Helper()
	p.open(t, seed)
	p.connected(t, func(c *TCPConn) {
		if _, err := c.Write([]byte{0}); err != nil {
			t.Error(err)
		}
		p.world.Sleep(p.rtt)
		first = firstOf(c)
		c.Abort()
	})
	return first
}

// firstOf returns the sequence number of the first byte that the connection has sent.
func firstOf(c *TCPConn) pacer.Seq { return c.loop.first + c.loop.link.origin }

// wait lets so much time pass, in whole milliseconds as TCP's time stamps count, that near's
// first byte has the number to, or is up to 15,625 bytes before it: initial sequence numbers
// grow by one each 64 ns (RFC 6528 has some 4 us).
func (p *path) wait(now, to pacer.Seq) {
	d := time.Duration(uint32(to-now)) * 64
	p.world.RunFor(d.Truncate(time.Millisecond))
}

// What becomes of a connection does not depend on the sequence numbers that it begins with,
// nor on the time: near 0, on both sides of 2^31 and across it, and where they wrap on the way,
// in slow start or later. The connection is paced below what the path takes for a second, so
// that it is the application that limits it, and then the path becomes slower than that.
func TestSequenceNumbers(t *testing.T) {
	const mega = 1 << 20
	begins := []pacer.Seq{1 * mega, 1<<31 - 5*mega, 1<<31 - 40_000, 1<<31 + mega, 3 << 30, 1<<32 - 5*mega, 1<<32 - 40_000}
	if slow || testing.Short() {
		begins = begins[:4]
	}
	stories := make([]string, 4)
	for i, c := range combinations[:4] {
		t.Run(c.name, func(t *testing.T) {
			want := ""
			made := path{rate: 100e6, rtt: 20 * time.Millisecond, queue: 100, congestion: c.congestion, pacing: c.pacing}
			now := made.firstSeq(t, 3)
			for _, first := range begins {
				p := made
				p.open(t, 3)
				p.wait(now, first)
				f := &flow{port: 9}
				if c.pacing == nil {
					f.rate = 90e6
				}
				got := p.story(t, f, 2*time.Second, func(at time.Duration) {
					if at == time.Second {
						p.end.SetRate(20e6)
					}
				})
				begin := firstOf(f.conn)
				if off := first.From(begin); off < 0 || off >= 1e6/64 {
					t.Fatalf("the first byte has number %d, not %d", begin, first)
				}
				if want == "" {
					want = got
				} else if got != want {
					t.Errorf("from %d on:\n%sfrom %d on:\n%s", begins[0], want, first, got)
				}
			}
			stories[i] = c.name + "\n" + want
		})
	}
	needsLayout(t)
	linktest.Golden(t, "sequence.golden", strings.Join(stories, ""))
}

// Whatever the seed, and so the sequence numbers: a window that is not used does not grow,
// and where the rate falls the loss is that of the queue.
func TestSeeds(t *testing.T) {
	needsLayout(t)
	halves := make(map[pacer.Seq]int)
	want := ""
	for seed := uint64(1); seed <= 8; seed++ {
		p := (&path{rate: 1e9, rtt: 400 * time.Microsecond, queue: 50, congestion: newController("cubic")}).open(t, seed)
		f := &flow{rate: 100e6}
		got := p.story(t, f, 400*time.Millisecond, func(at time.Duration) {
			if at == 200*time.Millisecond {
				p.end.SetRate(20e6)
			}
			// # 10 packets leave in a round trip, and twice that many fill a window
			if cwnd := f.conn.Feedback().Cwnd / segment; at <= 200*time.Millisecond && cwnd > 30 {
				t.Errorf("seed %d: after %v the window is %d packets", seed, at, cwnd)
			}
		})
		halves[f.first>>31]++
		if want == "" {
			want = got
		} else if got != want {
			t.Errorf("seed 1:\n%sseed %d:\n%s", want, seed, got)
		}
	}
	if len(halves) != 2 {
		t.Errorf("all of the first numbers were on one side of 2^31: %v", halves)
	}
	linktest.Golden(t, "seeds.golden", want)
}

// story has f send for so long, and tells what became of it, each tenth of the time.
func (p *path) story(t *testing.T, f *flow, length time.Duration, look func(at time.Duration)) string {
	t.Helper()
	var b strings.Builder
	start := p.now()
	b.WriteString("ms\tcwnd\tssthresh\tRTT us\tpaced at\tarrived\tlost\tsent again\ttimeouts\t\n")
	p.run(t, []*flow{f}, start+length, length/10, func(now time.Duration) {
		look(now - start)
		fb := f.conn.Feedback()
		fmt.Fprintf(&b, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", (now - start).Milliseconds(), fb.Cwnd/segment, fb.Ssthresh/segment,
			fb.RTT.Microseconds(), fb.Rate, f.got, p.drops(), fb.Retransmits, p.timeouts())
	})
	return aligned(b.String())
}
