package stack

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// path is two hosts with a bottleneck between them: near sends from a port of 1 Gbit/s
// into a line of Rate with a queue of Queue packets, and far answers.
type path struct {
	rate  int64         // of the bottleneck, in bit/s
	rtt   time.Duration // without queues
	queue int           // packets

	congestion func() cc.Controller
	pacing     func() pacer.Pacer
	unbounded  bool
	bare       bool  // near has no hold
	lose       []int // which of near's data frames are lost, counted from 0
	outage     [2]clock.Time

	world     *World
	near, far *Host
	end       *wire.End // near's
	recorder  link.Recorder
	trace     *link.Trace
	loss      *loss
	spy       func(link.Device) link.Device
}

func (p *path) open(t testing.TB, seed uint64) *path {
	t.Helper()
	p.world = NewWorld(seed)
	clk := p.world.Clock()
	var far *wire.End
	p.end, far = wire.New(clk,
		&wire.Config{Name: "near", Line: 1e9, Rate: p.rate, Delay: p.rtt / 2, QueueFrames: p.queue},
		&wire.Config{Name: "far", Rate: 1e9, Delay: p.rtt / 2})
	p.loss = &loss{Device: p.end, clk: clk, lose: p.lose, outage: p.outage}
	p.trace = link.NewTrace(p.loss, clk, &p.recorder)
	var top link.Device = p.trace
	if p.spy != nil {
		top = p.spy(top)
	}
	if !p.bare {
		top = hold.New(top, clk, nil)
	}
	var err error
	p.near, err = p.world.NewHost(Config{
		Device: top, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, MinRTO: 200 * time.Millisecond,
		Congestion: p.congestion, Pacing: p.pacing, Unbounded: p.unbounded,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.far, err = p.world.NewHost(Config{
		Device: link.NewTrace(far, clk, &p.recorder), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.world.Close() })
	return p
}

// sink has far read from all connections to its port until they end, and counts.
func (p *path) sink(t testing.TB, port string, got *int64) {
	l, err := p.far.Listen("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	p.world.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.world.Go(func() {
				b := make([]byte, 1<<17)
				for {
					n, err := c.Read(b)
					*got += int64(n)
					if err != nil {
						c.Close()
						return
					}
				}
			})
		}
	})
}

// dial connects near to far's port, within the world.
func (p *path) dial(t testing.TB, port string) *TCPConn {
	c, err := p.near.Dial("tcp", "10.0.0.2"+port)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*TCPConn)
}

// send writes to c until the time end.
func (p *path) send(c *TCPConn, end clock.Time) {
	b := make([]byte, 1<<17)
	c.SetWriteDeadline(p.near.Clock().Wall(end))
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// transfer runs one connection that sends so many bytes, until far has them and it ended.
func (p *path) transfer(t testing.TB, bytes int64, also func(c *TCPConn)) (got int64, last pacer.Feedback) {
	t.Helper()
	l, err := p.far.Listen("tcp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	served := p.world.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		got, _ = io.Copy(io.Discard, c)
	})
	err = p.world.Run(func() {
		c := p.dial(t, ":9")
		if also != nil {
			also(c)
		}
		b := make([]byte, 1<<16)
		for sent := int64(0); sent < bytes; {
			n, err := c.Write(b[:min(int64(len(b)), bytes-sent)])
			if err != nil {
				t.Error(err)
				return
			}
			sent += int64(n)
		}
		c.CloseWrite()
		served()
		last = c.Feedback()
		c.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, last
}

// loss loses some of the data frames that go down.
type loss struct {
	link.Device
	clk    clock.Clock
	lose   []int
	outage [2]clock.Time // all is lost in between
	data   int           // frames so far
	again  int           // of them, that were sent before
	next   uint32
	stats  link.Stats
}

func (d *loss) Transmit(frames []*link.Frame) (int, error) {
	for i := range frames {
		f := frames[i]
		if s, ok := pacer.ParseSegment(f.Bytes()[d.Info().Header():]); ok && f.Size.Payload > 0 {
			if d.data > 0 && before(s.Seq, d.next) {
				d.again++
			} else {
				d.next = s.Seq + uint32(f.Size.Payload)
			}
			d.data++
			now := d.clk.Now()
			if slices.Contains(d.lose, d.data-1) || d.outage[0] <= now && now < d.outage[1] {
				f.Left(now)
				d.stats.Drop(f, link.LinkError)
				continue
			}
		}
		if _, err := d.Device.Transmit(frames[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(frames), nil
}

var _ net.Conn = (*TCPConn)(nil)
