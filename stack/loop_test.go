package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// counter counts what goes on between a connection and the scheduler: acknowledgements that
// arrive, and how often the pacer follows.
type counter struct {
	scheduler
	endpoint.Loop
	acks, follows int
	most          int // follows between one acknowledgement and the next
	since         int
}

func (c *counter) Do(command pacer.Command) pacer.Status {
	if command.Op == pacer.Follow {
		c.follows++
		c.since++
		c.most = max(c.most, c.since)
	}
	return c.scheduler.Do(command)
}

func (c *counter) Arrived(s *pacer.Segment, now clock.Time) {
	c.acks++
	c.since = 0
	c.Loop.Arrived(s, now)
}

// An acknowledgement has the pacer follow once, whether netstack takes it for news, for a
// duplicate, or is in recovery.
func TestOneRepaceAnACK(t *testing.T) {
	needsLayout(t)
	for _, c := range combinations[3:] {
		for _, queue := range []int{1000, 15} { // without losses and with many
			p := (&path{rate: 50e6, rtt: 20 * time.Millisecond, queue: queue, congestion: c.congestion, pacing: c.pacing}).open(t, 1)
			count := &counter{scheduler: p.near.sched}
			p.near.sched = count
			p.transfer(t, 4e6, func(conn *TCPConn) {
				p.world.Sleep(1)
				count.Loop, count.follows = &conn.loop.link, 0
				p.near.ep.Listen(conn.loop.flow, count)
			})
			t.Logf("%s: %d ACKs, %d follows, %d dropped", c.name, count.acks, count.follows, p.drops())
			if (p.drops() > 0) != (queue == 15) {
				t.Errorf("%d frames were dropped", p.drops())
			}
			if count.acks < 1000 || count.most > 1 || count.follows < count.acks-2 || count.follows > count.acks {
				t.Errorf("%s: %d acknowledgements had the pacer follow %d times, up to %d times each", c.name, count.acks, count.follows, count.most)
			}
		}
	}
}

// listener is a controller that hears of samples, and checks them.
type listener struct {
	cc.Cubic
	t       *testing.T
	clk     clock.Clock
	samples int
	acked   int64
	acks    int
	waits   bool // a sample has come, and no Ack since
	rtt     time.Duration

	recovered int
}

func (l *listener) Sample(c *cc.Conn, s *pacer.Sample) {
	l.samples++
	l.acked += s.Acked
	if now := l.clk.Now(); s.At != now || c.Now != now || s.Delivered != l.acked {
		l.t.Errorf("at %v a sample of %v, the connection's time is %v; %d bytes delivered, and told of %d", now, s.At, c.Now, s.Delivered, l.acked)
	}
	if s.RTT > 0 && (c.RTT != s.RTT || c.SRTT <= 0 || c.MinRTT > s.RTT) {
		l.t.Errorf("a sample of %v, and the connection has %v, smoothed %v, at least %v", s.RTT, c.RTT, c.SRTT, c.MinRTT)
	}
	l.waits = true
	if s.RTT > 0 {
		l.rtt = s.RTT
	}
}

func (l *listener) Ack(c *cc.Conn, n int) {
	l.acks++
	if !l.waits {
		l.t.Error("Ack comes without a sample before it")
	}
	if c.RTT != l.rtt {
		l.t.Errorf("Ack sees a round trip of %v, the sample was %v", c.RTT, l.rtt)
	}
	l.waits, l.rtt = false, 0
	l.Cubic.Ack(c, n)
}

func (l *listener) Recovered(c *cc.Conn) {
	l.recovered++
	if c.Cwnd != c.Ssthresh {
		l.t.Errorf("after recovery a window of %d, want %d", c.Cwnd, c.Ssthresh)
	}
	l.Cubic.Recovered(c)
}

// A Sampler hears of every acknowledgement at the instant of its arrival, in recovery too, and
// before Ack does.
func TestSamplerHearsOfAll(t *testing.T) {
	lossy := link.Faults{Drop: 0.01}
	p := &path{rate: 50e6, rtt: 20 * time.Millisecond, queue: 100, faults: &link.FaultConfig{Seed: 2, Sent: lossy, Received: lossy}}
	l := &listener{t: t}
	p.congestion = func() cc.Controller { return l }
	p.open(t, 1)
	l.clk = p.world.Clock()
	count := &counter{}
	got, fb := p.transfer(t, 2e6, func(conn *TCPConn) {
		p.world.Sleep(1)
		count.Loop = &conn.loop.link
		p.near.ep.Listen(conn.loop.flow, count)
	})
	if got != 2e6 || fb.Delivered != l.acked || l.acked < got-64*segment || l.samples != count.acks || l.acks >= l.samples || l.recovered == 0 || fb.Retransmits == 0 {
		t.Errorf("%d bytes arrived, %d were delivered, the controller was told of %d in %d samples of %d acknowledgements, %d of them acked; %d retransmits",
			got, fb.Delivered, l.acked, l.samples, count.acks, l.acks, fb.Retransmits)
	}
}

// Samples that nobody takes out for long are told as those of one acknowledgement.
func TestSamplesAreJoined(t *testing.T) {
	last := measured{sample: pacer.Sample{At: 1, Acked: 10, Delivered: 10, Prior: 1, RTT: 5, Rate: 7, AppLimited: true, InFlight: 9, Lost: 3}, srtt: 4, minRTT: 3}
	join(&last, measured{sample: pacer.Sample{At: 2, Acked: 20, Delivered: 30, Prior: 2, InFlight: 8, Lost: 1}, srtt: 6, minRTT: 2})
	want := measured{sample: pacer.Sample{At: 2, Acked: 30, Delivered: 30, Prior: 2, RTT: 5, Rate: 7, AppLimited: true, InFlight: 8, Lost: 4}, srtt: 6, minRTT: 2}
	if last != want {
		t.Errorf("got %+v\nwant %+v", last, want)
	}
	next := measured{sample: pacer.Sample{At: 3, RTT: 8, Rate: 9}, srtt: 7, minRTT: 2}
	join(&last, next)
	if s := last.sample; s.RTT != 8 || s.Rate != 9 || s.AppLimited || s.Acked != 30 {
		t.Errorf("got %+v", s)
	}
}

// TestStopped tells who keeps more from waiting for its departure.
func TestStopped(t *testing.T) {
	var w words
	check := func(what string, left, written pacer.Seq, want link.Stop) {
		t.Helper()
		if got := w.stopped(left, written); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("nothing is written", 10, 10, link.StopApplication)
	check("what netstack has", 10, 20, link.StopWindow)
	w.writing.Store(1)
	check("a writer is at it", 10, 10, link.StopWriter)
	check("and netstack has something", 10, 20, link.StopWindow)
	w.narrowed.Store(true)
	check("the bound", 10, 20, link.StopBound)
	w.recovering.Store(true)
	check("in recovery the window is netstack's", 10, 20, link.StopWindow)
}
