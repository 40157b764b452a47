package stack

import (
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// says checks that err is one, and what it says.
func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want an error with %q", what, err, want)
	}
}

// connected runs f with a connection of the path's near host.
func (p *path) connected(t *testing.T, f func(c *TCPConn)) {
	t.Helper()
	p.sink(t, &flow{port: 9})
	if err := p.world.Run(func() { f(p.dial(t, 9)) }); err != nil {
		t.Fatal(err)
	}
}

// A host is not made that could not have its connections as it is told.
func TestHostRefusesWhatItCannotPace(t *testing.T) {
	needsLayout(t)
	w := NewWorld(1)
	defer w.Close()
	for want, config := range map[string]Config{
		"needs a pacer: put a hold.Hold": {Congestion: newController("bbr")},
		"nobody can pace":                {Pacing: newWindow},
		"no congestion controller":       {Congestion: func() cc.Controller { return nil }},
	} {
		config.Device, _ = wire.New(w.Clock(), nil, nil)
		config.Addrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}
		_, err := w.NewHost(config)
		says(t, "NewHost", err, want)
	}
}

// Who asks for what cannot be paced is told what to do.
func TestPacingIsRefused(t *testing.T) {
	p := (&path{rate: 1e8, rtt: time.Millisecond, queue: 10}).open(t, 1)
	p.connected(t, func(c *TCPConn) {
		says(t, "a rate of 0", c.SetPacingRate(0, pacer.Wire), "at least 1 bit/s")
		says(t, "no unit", c.SetPacingRate(1, pacer.Payload+1), "wire, IP or payload")
		says(t, "no controller", c.SetCongestion(nil), "no congestion controller")
		says(t, "no connection", p.near.Pace("x", nil, nil), "string is no connection")

		u, err := p.near.ListenPacket("udp", ":7")
		if err != nil {
			t.Error(err)
			return
		}
		far := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1}
		if err := p.near.Pace(u, far, newWindow()); err != nil {
			t.Error(err)
		}
		says(t, "UDP to nobody", p.near.Pace(u, nil, newWindow()), "give a remote address")
		says(t, "UDP to a TCP address", p.near.Pace(u, &net.TCPAddr{}, newWindow()), "give a remote address")
		says(t, "UDP without a route", p.near.Pace(u, &net.UDPAddr{IP: net.IPv4(11, 0, 0, 1), Port: 1}, newWindow()), "pace udp")
		u.Close()
		if err := p.near.Pace(u, far, newWindow()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed UDP socket: %v", err)
		}
		c.Close()
		if err := p.near.Pace(c, nil, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed connection: %v", err)
		}
	})
}

// A controller that needs a pacer brings pacer.Delivery where there is none, leaves one that
// there is, and does not let it be taken away.
func TestControllerKeepsItsPacer(t *testing.T) {
	needsLayout(t)
	p := (&path{rate: 1e8, rtt: time.Millisecond, queue: 10}).open(t, 1)
	p.connected(t, func(c *TCPConn) {
		paced := func(what string, want bool) {
			t.Helper()
			p.world.Sleep(1)
			s, told := c.host.sched.Do(pacer.Command{Flow: c.loop.flow}), c.loop.words.paced.Load()
			if s.Follows != want || told != s.Paced {
				t.Errorf("%s: %+v, and the controller sees paced %v", what, s, told)
			}
		}
		paced("at first", false)
		if err := c.SetCongestion(new(cc.BBR)); err != nil {
			t.Error(err)
		}
		paced("BBR", true)
		says(t, "SetPacing(nil)", c.SetPacing(nil), "needs a pacer")
		paced("refused", true)
		if err := c.SetCongestion(new(cc.Cubic)); err != nil {
			t.Error(err)
		}
		if err := c.SetPacingRate(5e6, pacer.IP); err != nil {
			t.Error(err)
		}
		if err := c.SetCongestion(new(cc.BBR)); err != nil {
			t.Error(err)
		}
		paced("BBR on top of a rate", false)
		if fb := c.Feedback(); fb.Rate != 5e6 {
			t.Errorf("paced at %d bit/s", fb.Rate)
		}
		if err := errors.Join(c.SetCongestion(new(cc.Reno)), c.SetPacing(nil), c.SetCongestion(new(cc.BBR))); err != nil {
			t.Error(err)
		}
		paced("all at one instant", true)
		if name := cc.Name(c.Congestion()); name != "bbr" {
			t.Errorf("the controller is %s", name)
		}
	})
}

// constant is a controller whose window stays what it is.
type constant int

func (w constant) Ack(c *cc.Conn, n int) { c.Cwnd = int(w) }
func (w constant) Loss(c *cc.Conn)       { c.Ssthresh = int(w) }
func (w constant) Recovered(c *cc.Conn)  {}
func (w constant) Timeout(c *cc.Conn)    { c.Ssthresh = int(w) }

func newConstant() cc.Controller { return constant(1000) }

// However often the rate changes, the schedule goes on: a packet is paid for bit by bit at
// the rates that there were meanwhile, to the nanosecond.
func TestRateChangesWithoutABreak(t *testing.T) {
	const start, end = changeAt, changeAt + clock.Time(100*time.Millisecond)
	type change struct {
		at  clock.Time
		bps int64
	}
	changes := []change{{0, 20e6}}
	r := &reactor{congestion: newConstant, pacing: func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: 20e6} }}
	r.run(t, func() {
		random := rand.New(rand.NewPCG(1, 2))
		for r.world.Clock().Now() < end-clock.Time(2*time.Millisecond) {
			r.world.Sleep(time.Duration(random.IntN(2e6)))
			c := change{r.world.Clock().Now(), 1e6 + random.Int64N(99e6)}
			changes = append(changes, c)
			if err := r.conn.SetPacingRate(c.bps, pacer.Wire); err != nil {
				t.Error(err)
			}
		}
	})
	// paid returns how many bits * 1e9 have been paid for between two times.
	paid := func(from, to clock.Time) *big.Int {
		sum := new(big.Int)
		for i, c := range changes {
			until := clock.Never
			if i+1 < len(changes) {
				until = changes[i+1].at
			}
			if d := min(to, until) - max(from, c.at); d > 0 {
				sum.Add(sum, new(big.Int).Mul(big.NewInt(int64(d)), big.NewInt(c.bps)))
			}
		}
		return sum
	}
	var first clock.Time
	cost, n := new(big.Int), 0
	for _, d := range r.foot.left {
		if d.at < start {
			continue
		}
		if n == 0 {
			first = d.at
		} else if paid(first, d.at).Cmp(cost) > 0 || paid(first, d.at+1).Cmp(cost) <= 0 {
			t.Fatalf("packet %d left at %v: until then %v were paid for, and a ns later %v, of %v bits*ns",
				n, d.at, paid(first, d.at), paid(first, d.at+1), cost)
		}
		cost.Add(cost, big.NewInt(int64(d.size.Wire)*8e9))
		n++
	}
	if len(changes) < 50 || n < 200 {
		t.Errorf("%d packets and %d changes", n, len(changes))
	}
}

// What Feedback says is what the port has seen: every byte, and times to the nanosecond.
func TestFeedbackIsExact(t *testing.T) {
	const (
		rate    = 10e6
		delay   = 10 * time.Millisecond
		synTime = 98 * 8 // ns on the line: 60 bytes of IP, and the acknowledgement of it
		ackTime = 90 * 8 // 52 bytes
		headers = 14 + 20 + 32
	)
	r := &reactor{congestion: newConstant, pacing: func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: rate} }}
	next := make(map[int]clock.Time) // by how many have left
	r.run(t, func() {
		for range 70 {
			r.world.Sleep(1_234_567)
			now, fb := r.world.Clock().Now(), r.conn.Feedback()
			held := r.conn.host.sched.Do(pacer.Command{Flow: r.conn.loop.flow})
			frames, bytes := int(held.Frames), int(held.Bytes)
			var sent, flying int64
			for _, d := range r.foot.left {
				sent += int64(d.size.Payload)
				if now.Sub(d.at) < delay+time.Duration(d.size.Wire*8+ackTime) {
					flying += int64(d.size.Payload)
				}
			}
			next[len(r.foot.left)] = fb.NextDeparture
			want := pacer.Feedback{
				MSS: segment, Cwnd: 1000 * segment, Rate: rate,
				Outstanding: flying + int64(bytes-frames*headers), InFlight: flying,
				Queued: int64(bytes), NextDeparture: fb.NextDeparture,
				MinRTT: delay + 2*synTime, RTT: fb.RTT, RTTVar: fb.RTTVar,
				DeliveryRate: fb.DeliveryRate, Delivered: sent - flying,
				Departures: uint64(len(r.foot.left)),
			}
			if fb != want {
				t.Fatalf("at %v:\n got %+v\nwant %+v", now, fb, want)
			}
			// # on its way from the handshake's to a full segment's
			if fb.RTT <= fb.MinRTT || fb.RTT > delay+(onWire*8+ackTime) {
				t.Errorf("the smoothed RTT is %v, the least %v", fb.RTT, fb.MinRTT)
			}
			if got, want := float64(fb.DeliveryRate), rate*float64(segment)/onWire; got < 0.95*want || got > 1.05*want {
				t.Errorf("a delivery rate of %.0f bit/s, want %.0f", got, want)
			}
			if !fb.SlowStart() || frames < 1 || frames > 4 {
				t.Errorf("%d frames wait; %+v", frames, fb)
			}
		}
	})
	for i, at := range next {
		if r.foot.left[i].at != at {
			t.Errorf("packet %d left at %v, announced for %v", i, r.foot.left[i].at, at)
		}
	}
}

// A connection that is paced at 1 Mbit/s has exactly that, counted as it was asked.
func TestGoodputIsTheRate(t *testing.T) {
	const length = 10 * time.Second
	for _, unit := range []pacer.Unit{pacer.Wire, pacer.IP, pacer.Payload} {
		t.Run(unit.String(), func(t *testing.T) {
			p := &path{rate: 1e8, rtt: 10 * time.Millisecond, queue: 100}
			p.pacing = func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: 1e6, Unit: unit} }
			p.open(t, 1)
			var f flow
			var got, departures int64 // in the second half
			p.run(t, []*flow{&f}, p.now()+2*length, length, func(time.Duration) {
				got = f.got - got
				departures = int64(f.conn.Feedback().Departures) - departures
			})
			overhead := map[pacer.Unit]int64{pacer.Wire: onWire - segment, pacer.IP: 52}[unit]
			counted := got + departures*overhead
			if off := counted - 1e6/8*int64(length/time.Second); off < -2*onWire || off > 2*onWire {
				t.Errorf("%d bytes of %v in %v, %d off", counted, unit, length, off)
			}
		})
	}
}

// Any pacer paces a connection, from the next departure on, also what waits already.
func TestSetPacing(t *testing.T) {
	const short, long = 250 * time.Microsecond, 500 * time.Microsecond
	r := &reactor{congestion: newConstant, pacing: func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: 1e6} }}
	r.run(t, func() {
		gaps, err := pacer.NewGaps([]pacer.Gap{pacer.Gap(short) * pacer.Nanosecond, pacer.Gap(long) * pacer.Nanosecond})
		if err == nil {
			err = r.conn.SetPacing(gaps)
		}
		if err != nil {
			t.Error(err)
		}
	})
	left := r.foot.left
	i := 0
	for left[i].at < changeAt {
		i++
	}
	// # 1 Mbit/s would have let 8 go
	if n := len(left) - i; n < 250 || left[i].at > changeAt+onWire*8 {
		t.Errorf("%d packets in 100 ms, the first after %v", n, left[i].at.Sub(changeAt))
	}
	for n, d := range left[i+1:] {
		if gap, want := d.at.Sub(left[i+n].at), []time.Duration{short, long}[n%2]; gap != want {
			t.Fatalf("gap %d is %v, want %v", n, gap, want)
		}
	}
}

// However a connection ends, nothing is kept of its flow.
func TestFlowsAreForgotten(t *testing.T) {
	for name, end := range map[string]func(c, peer *TCPConn){
		"closed":                      func(c, peer *TCPConn) { c.Close(); peer.Close() },
		"closed by the peer":          func(c, peer *TCPConn) { peer.Close(); c.host.world.Sleep(time.Second); c.Close() },
		"aborted":                     func(c, peer *TCPConn) { c.Abort(); c.host.world.Sleep(time.Second); peer.Close() },
		"reset by the peer":           func(c, peer *TCPConn) { peer.Abort(); c.host.world.Sleep(time.Second); c.Close() },
		"reset by both":               func(c, peer *TCPConn) { peer.Abort(); c.Abort() },
		"closed with data on its way": func(c, peer *TCPConn) { c.Write(make([]byte, 1e5)); c.Close(); peer.Abort() },
		"closed with data that waits": func(c, peer *TCPConn) {
			c.Write(make([]byte, 1e5))
			c.SetPacingRate(1e6, pacer.IP)
			c.Close()
			peer.Close()
		},
		"aborted with data that waits": func(c, peer *TCPConn) {
			c.SetPacingRate(1000, pacer.IP)
			c.Write(make([]byte, 1e5))
			c.Abort()
			peer.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := (&path{rate: 1e8, rtt: 2 * time.Millisecond, queue: 1000, pacing: newWindow}).open(t, 1)
			l, err := p.far.Listen("tcp", ":9")
			if err != nil {
				t.Fatal(err)
			}
			err = p.world.Run(func() {
				for range 10 {
					var peer net.Conn
					accepted := p.world.Go(func() { peer, _ = l.Accept() })
					c := p.dial(t, 9)
					accepted()
					end(c, peer.(*TCPConn))
					p.world.Sleep(3 * time.Minute)
				}
				// # frames of another flow, by which the hold finds those that are idle
				u, err := p.near.Dial("udp", "10.0.0.2:9")
				if err != nil {
					t.Error(err)
					return
				}
				for range 100 {
					u.Write([]byte{1})
					p.world.Sleep(time.Millisecond)
				}
			})
			if c := p.hold.Counters(); err != nil || c.Get("flows") != 1 {
				t.Errorf("%d flows are known, want one, %v", c.Get("flows"), err)
			}
		})
	}
}

// In real time all of it may be called from any goroutine, while data goes through.
func TestPacingFromManyGoroutines(t *testing.T) {
	clk := clock.NewReal()
	defer clk.Close()
	a, b := newCable(clk, 1500)
	near, err := New(clk, Config{Device: hold.New(a, clk, nil), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := New(clk, Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	l, err := far.Listen("tcp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	const bytes = 4 << 20
	var all sync.WaitGroup
	all.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if n, err := io.Copy(io.Discard, c); n != bytes || err != nil {
			t.Errorf("%d bytes arrived, %v", n, err)
		}
	})
	conn, err := near.Dial("tcp", "10.0.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*TCPConn)
	for i := range 4 {
		all.Go(func() {
			for n := range 200 {
				switch (n + i) % 4 {
				case 0:
					c.SetPacingRate(int64(1e9+n), pacer.Unit(n%3))
				case 1:
					c.SetPacing(newWindow())
				case 2:
					c.SetCongestion(combinations[n%len(combinations)].congestion())
				case 3:
					if fb := c.Feedback(); fb.InFlight < 0 || fb.Cwnd < segment || fb.Outstanding < 0 || fb.Queued < 0 {
						t.Errorf("%+v", fb)
					}
				}
			}
		})
	}
	if _, err := c.Write(make([]byte, bytes)); err != nil {
		t.Error(err)
	}
	c.SetPacingRate(1e9, pacer.Wire)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
}
