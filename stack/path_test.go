package stack

import (
	"fmt"
	"io"
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
// into a line of rate with a queue of queue packets, and far answers.
type path struct {
	rate  int64         // of the bottleneck, in bit/s
	rtt   time.Duration // without queues
	queue int           // packets

	congestion func() cc.Controller
	pacing     func() pacer.Pacer
	unbounded  bool
	bare       bool // near has no hold
	line       int64
	faults     *link.FaultConfig
	lose       []int // which of near's data frames are lost, counted from 0
	syns       int   // so many of near's first SYNs are lost
	keep       int   // the departures of so many of near's data frames are kept
	outage     [2]clock.Time
	farther    map[uint16]time.Duration // what a connection to this port of far has more of

	world     *World
	near, far *Host
	end       *wire.End // near's
	hold      *hold.Hold
	recorder  link.Recorder
	trace     *link.Trace
	loss      *loss
}

// The path's segments: 1448 bytes of payload take 1538 byte times on the wire.
const (
	segment = 1448
	onWire  = 1538
)

// A packet's time on the bottleneck.
func (p *path) time() time.Duration { return time.Duration(onWire * 8 * int64(time.Second) / p.rate) }

// emptyRTT is what a segment and its acknowledgement take when nothing waits: it is on the
// port, on the bottleneck and on its way, and the acknowledgement is 66 bytes at 1 Gbit/s.
func (p *path) emptyRTT() time.Duration { return p.rtt + onWire*8 + p.time() + (66+4+20)*8 }

// ceiling is the payload that the bottleneck takes, in Mbit/s.
func (p *path) ceiling() float64 { return float64(p.rate) / 1e6 * segment / onWire }

func (p *path) open(t testing.TB, seed uint64) *path {
	t.Helper()
	needsController(t, p.congestion)
	p.world = NewWorld(seed)
	clk := p.world.Clock()
	if p.line == 0 {
		p.line = 1e9
	}
	var far *wire.End
	p.end, far = wire.New(clk,
		&wire.Config{Name: "near", Line: p.line, Rate: p.rate, Delay: p.rtt / 2, QueueFrames: p.queue},
		&wire.Config{Name: "far", Rate: 1e9, Delay: p.rtt / 2})
	var bottom link.Device = p.end
	if p.faults != nil {
		bottom = link.NewFault(bottom, clk, p.faults)
	}
	p.loss = &loss{Device: bottom, clk: clk, lose: p.lose, syns: p.syns, keep: p.keep, outage: p.outage, next: make(map[pacer.Flow]pacer.Seq)}
	p.trace = link.NewTrace(p.loss, clk, &p.recorder)
	var top link.Device = p.trace
	if !p.bare {
		p.hold = hold.New(top, clk, nil)
		top = p.hold
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
		Device: &distance{Device: link.NewTrace(far, clk, &p.recorder), clk: clk, farther: p.farther},
		Addrs:  []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.world.Close() })
	return p
}

// timeouts is how often near's retransmission timers have expired.
func (p *path) timeouts() uint64 { return p.near.Stats().TCP.Timeouts.Value() }

// drops is what the bottleneck has dropped.
func (p *path) drops() uint64 {
	return p.end.Counters().Sent.Drops[link.QueueFull]
}

// inQueue is how many packets wait in the bottleneck's queue.
func (p *path) inQueue() int64 {
	c := p.end.Counters()
	return c.Get("queue_frames")
}

// waited is what has waited in the bottleneck's queue, in frames times microseconds.
func (p *path) waited() float64 {
	c := p.end.Counters()
	return float64(c.Get("queue_frame_us"))
}

// now is the time since the world was made.
func (p *path) now() time.Duration { return time.Duration(p.world.Clock().Now()) }

// A flow is a connection from near to far that sends without end.
type flow struct {
	start      time.Duration
	port       uint16               // of far; 0 is any
	congestion func() cc.Controller // nil is the path's
	rate       int64                // of payload in bit/s that it is paced by, if it is not 0

	conn  *TCPConn
	first pacer.Seq // the sequence number of its first byte
	got   int64     // bytes that far has read
}

// run has all flows send until end, and calls look each time that so much has passed.
func (p *path) run(t testing.TB, flows []*flow, end, each time.Duration, look func(now time.Duration)) {
	t.Helper()
	for i, f := range flows {
		if f.port == 0 {
			f.port = uint16(9000 + i)
		}
		p.sink(t, f)
		p.world.Go(func() {
			if f.start > 0 {
				p.world.Sleep(f.start)
			}
			f.conn = p.dial(t, f.port)
			f.first = f.conn.loop.first
			if f.congestion != nil {
				if err := f.conn.SetCongestion(f.congestion()); err != nil {
					t.Error(err)
				}
			}
			if f.rate > 0 {
				if err := f.conn.SetPacingRate(f.rate, pacer.Payload); err != nil {
					t.Error(err)
				}
			}
			b := make([]byte, 64*segment) // so that all segments are full
			for {
				if _, err := f.conn.Write(b); err != nil {
					return
				}
			}
		})
	}
	err := p.world.Run(func() {
		for p.now() < end {
			p.world.Sleep(min(each, end-p.now()))
			look(p.now())
		}
		for _, f := range flows {
			f.conn.Abort()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sink has far read from a connection until it ends, and counts.
func (p *path) sink(t testing.TB, f *flow) {
	t.Helper()
	l, err := p.far.Listen("tcp", fmt.Sprint(":", f.port))
	if err != nil {
		t.Fatal(err)
	}
	p.world.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 1<<17)
		for err == nil {
			var n int
			n, err = c.Read(b)
			f.got += int64(n)
		}
	})
}

// dial connects near to far's port, within the world.
func (p *path) dial(t testing.TB, port uint16) *TCPConn {
	c, err := p.near.Dial("tcp", fmt.Sprint("10.0.0.2:", port))
	if err != nil {
		t.Fatal(err)
	}
	return c.(*TCPConn)
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
		c := p.dial(t, 9)
		if also != nil {
			also(c)
		}
		p.write(t, c, bytes)
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

// write writes so many bytes to c, within the world.
func (p *path) write(t testing.TB, c *TCPConn, bytes int64) {
	b := make([]byte, 64*segment)
	for sent := int64(0); sent < bytes; {
		n, err := c.Write(b[:min(int64(len(b)), bytes-sent)])
		if err != nil {
			t.Error(err)
			return
		}
		sent += int64(n)
	}
}

// loss loses some of the data frames that go down.
type loss struct {
	link.Device
	clk    clock.Clock
	lose   []int
	syns   int
	outage [2]clock.Time // all is lost in between
	keep   int
	left   []link.Departure // of the first frames
	data   int              // frames so far
	again  int              // of them, that were sent before
	next   map[pacer.Flow]pacer.Seq
	stats  link.Stats
}

func (d *loss) Transmit(frames []*link.Frame) (int, error) {
	for i := range frames {
		f := frames[i]
		s, ok := pacer.ParseSegment(f.Bytes()[d.Info().Header():])
		if ok && d.syns > 0 && s.Flags&pacer.FlagSYN != 0 {
			d.syns--
			d.stats.Drop(f, link.LinkError)
			continue
		}
		if ok && f.Size.Payload > 0 {
			if len(d.left) < d.keep {
				d.left = append(d.left, f.Departure())
			}
			if next, sent := d.next[f.Flow]; sent && s.Seq.Before(next) {
				d.again++
			} else {
				d.next[f.Flow] = s.End()
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

// distance delays what some ports send.
type distance struct {
	link.Device
	clk     clock.Clock
	farther map[uint16]time.Duration
}

func (d *distance) Transmit(frames []*link.Frame) (int, error) {
	for i, f := range frames {
		by := d.farther[f.Flow.SrcPort]
		if by == 0 {
			if n, err := d.Device.Transmit(frames[i : i+1]); n == 0 {
				return i, err
			}
			continue
		}
		d.clk.AfterFunc(by, func() { d.Device.Transmit([]*link.Frame{f}) })
	}
	return len(frames), nil
}

// newController returns what makes the controllers of that name.
func newController(name string) func() cc.Controller {
	return func() cc.Controller {
		c, err := cc.New(name)
		if err != nil {
			panic(err)
		}
		return c
	}
}

// newWindow makes the pacer of a connection that is paced by its window.
func newWindow() pacer.Pacer { return new(pacer.Window) }

// A combination of congestion control and pacing.
type combination struct {
	name       string
	congestion func() cc.Controller
	pacing     func() pacer.Pacer
}

// combinations are all that there are. BBR brings its own pacer.
var combinations = []combination{
	{"reno", newController("reno"), nil},
	{"reno paced", newController("reno"), newWindow},
	{"cubic", newController("cubic"), nil},
	{"cubic paced", newController("cubic"), newWindow},
	{"bbr", newController("bbr"), nil},
}
