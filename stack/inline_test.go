package stack

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
)

// This netstack passes the proof, and so worlds are not slower than they need to be.
func TestInlineIsProven(t *testing.T) {
	if err := proveInline(); err != nil {
		t.Error(err)
	}
	w, near, _ := world(t, 1)
	if w.resting != restProven || near.inline == nil {
		t.Error("a world's host does not process segments inline")
	}
}

// A scenario is something that happens in a small world.
type scenario struct {
	name   string
	rate   int64
	queue  int
	faults link.Faults
	addr   string // far's; "" is that with IPv4
	paced  bool
	direct bool // segments of connections that are known are among it
	local  bool // some stay within near, where its goroutine and a process take turns as they come
	run    func(s *scene)
}

// scene is a world that a scenario runs in.
type scene struct {
	t         *testing.T
	world     *World
	near, far *Host
	addr      string
	rng       *rand.Rand
}

// connection has near send up bytes to far and get down bytes back, then both close; or
// near aborts when it has sent.
func (s *scene) connection(port, up, down int, abort bool) (wait func()) {
	l, err := s.far.Listen("tcp", fmt.Sprint(":", port))
	if err != nil {
		s.t.Fatal(err)
	}
	served := s.world.Go(func() {
		defer l.Close()
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := io.CopyN(io.Discard, c, int64(up)); err == nil {
			c.Write(make([]byte, down))
		}
	})
	dialled := s.world.Go(func() {
		c, err := s.near.Dial("tcp", net.JoinHostPort(s.addr, fmt.Sprint(port)))
		if err != nil {
			return // of losses
		}
		defer c.Close()
		c.Write(make([]byte, up))
		if abort {
			c.(*TCPConn).Abort()
			return
		}
		io.Copy(io.Discard, c)
	})
	return func() { served(); dialled() }
}

// connections runs n of them, of random sizes, that begin within a time, and then lets
// retransmissions and TIME-WAIT go on.
func (s *scene) connections(n, size int, abort bool) {
	var waits []func()
	for i := range n {
		s.world.Sleep(time.Duration(s.rng.IntN(int(time.Millisecond))))
		waits = append(waits, s.connection(1000+i, 1+s.rng.IntN(size), 1+s.rng.IntN(size), abort))
	}
	s.world.Sleep(500 * time.Millisecond)
	if s.world.live > 1 && !abort {
		for _, wait := range waits {
			wait()
		}
	}
	s.world.Sleep(time.Second)
}

var scenarios = []scenario{
	{name: "one connection", direct: true, run: func(s *scene) { s.connection(1, 2<<20, 1, false)() }},
	{name: "paced", direct: true, paced: true, run: func(s *scene) { s.connection(1, 1<<20, 1, false)() }},
	{name: "both ways", run: func(s *scene) {
		a, b := s.connection(1, 1<<20, 1<<20, false), s.connection(2, 1, 1<<20, false)
		a()
		b()
	}},
	{name: "IPv6", addr: "fd00::2", run: func(s *scene) { s.connections(5, 100_000, false) }},
	{name: "a hundred", run: func(s *scene) { s.connections(100, 20_000, false) }},
	{name: "a hundred with losses", queue: 10, faults: link.Faults{Drop: 0.01, Reorder: 0.01, Duplicate: 0.01, Corrupt: 0.005},
		run: func(s *scene) { s.connections(100, 20_000, false) }},
	{name: "paced with losses", queue: 20, paced: true, faults: link.Faults{Drop: 0.01, Reorder: 0.01},
		run: func(s *scene) { s.connections(10, 200_000, false) }},
	{name: "aborted", run: func(s *scene) { s.connections(20, 50_000, true) }},
	{name: "aborted with losses", faults: link.Faults{Drop: 0.05}, run: func(s *scene) { s.connections(20, 50_000, true) }},
	{name: "UDP beside TCP", run: func(s *scene) {
		u, err := s.far.ListenPacket("udp", ":9")
		if err != nil {
			s.t.Fatal(err)
		}
		s.world.Go(func() { io.Copy(io.Discard, reader{u}) })
		wait := s.connection(1, 300_000, 300_000, false)
		c, err := s.near.Dial("udp", net.JoinHostPort(s.addr, "9"))
		if err != nil {
			s.t.Fatal(err)
		}
		for range 200 {
			c.Write(make([]byte, 1+s.rng.IntN(1400)))
			s.world.Sleep(50 * time.Microsecond)
		}
		wait()
		u.Close()
	}},
	{name: "refused", run: func(s *scene) {
		if _, err := s.near.Dial("tcp", net.JoinHostPort(s.addr, "7")); err == nil {
			s.t.Error("a connection to a closed port")
		}
	}},
	{name: "backlog", run: func(s *scene) { // more than it holds connect, and nobody accepts for a while
		l, err := s.far.Listen("tcp", ":1")
		if err != nil {
			s.t.Fatal(err)
		}
		for range 300 {
			s.world.Go(func() {
				c, err := s.near.Dial("tcp", net.JoinHostPort(s.addr, "1"))
				if err == nil {
					c.Write(make([]byte, 3000))
					c.Close()
				}
			})
		}
		s.world.Sleep(100 * time.Millisecond)
		for range 100 {
			c, err := l.Accept()
			if err != nil {
				s.t.Error(err)
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
		l.Close() // on the rest of them
		s.world.Sleep(2 * time.Second)
	}},
	{name: "to itself", local: true, run: func(s *scene) {
		l, err := s.near.Listen("tcp", ":1")
		if err != nil {
			s.t.Fatal(err)
		}
		wait := s.connection(2, 100_000, 100_000, false)
		s.world.Go(func() {
			c, err := l.Accept()
			if err != nil {
				s.t.Error(err)
				return
			}
			io.Copy(c, c)
			c.Close()
		})
		c, err := s.near.Dial("tcp", "10.0.0.1:1")
		if err != nil {
			s.t.Fatal(err)
		}
		for range 20 {
			c.Write(make([]byte, 2000))
			io.ReadFull(c, make([]byte, 2000))
		}
		c.Close()
		wait()
	}},
}

// reader reads the datagrams of a packet connection.
type reader struct{ net.PacketConn }

func (r reader) Read(b []byte) (int, error) {
	n, _, err := r.ReadFrom(b)
	return n, err
}

// trace runs the scenario and returns the fingerprint of all frames, and how many there were.
func (sc *scenario) trace(t *testing.T, seed uint64, how resting) string {
	w := NewWorld(seed)
	w.resting = how
	defer w.Close()
	rate, queue := sc.rate, sc.queue
	if rate == 0 {
		rate = 100e6
	}
	if queue == 0 {
		queue = 100
	}
	config := wire.Config{Rate: rate, Delay: time.Millisecond, QueueFrames: queue}
	a, b := config, config
	a.Name, b.Name = "near", "far"
	x, y := wire.New(w.Clock(), &a, &b)
	var r link.Recorder
	host := func(d link.Device, last string) *Host {
		top := d
		if sc.faults != (link.Faults{}) {
			top = link.NewFault(top, w.Clock(), &link.FaultConfig{Seed: seed, Sent: sc.faults})
		}
		top = link.NewTrace(top, w.Clock(), &r)
		c := Config{MinRTO: 20 * time.Millisecond, Addrs: []netip.Prefix{
			netip.MustParsePrefix("10.0.0." + last + "/24"), netip.MustParsePrefix("fd00::" + last + "/64")}}
		if sc.paced {
			top = hold.New(top, w.Clock(), nil)
			c.Congestion, c.Pacing = newController("bbr"), nil
			needsController(t, c.Congestion)
		}
		c.Device = top
		h, err := w.NewHost(c)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	s := &scene{t: t, world: w, addr: sc.addr, rng: rand.New(rand.NewPCG(seed, 7))}
	if s.addr == "" {
		s.addr = "10.0.0.2"
	}
	s.near, s.far = host(x, "1"), host(y, "2")
	if how == restInline && s.near.inline == nil {
		t.Error("not inline")
	}
	if err := w.Run(func() { sc.run(s) }); err != nil && !errors.Is(err, ErrDeadlock) {
		t.Fatal(err)
	}
	if how == restInline && (s.near.inline.woken.Load() || s.far.inline.woken.Load()) {
		t.Error("netstack's goroutine is waited for at each event")
	}
	if how == restInline && sc.direct && s.far.inline.known.lastIs == nil {
		t.Error("no segment was known")
	}
	trace := fmt.Sprint(r.Hash(), " at ", w.Clock().Now(), counted(s.far))
	if !sc.local {
		trace += counted(s.near)
	}
	return trace
}

// counted returns what netstack has counted, if it is not 0.
func counted(h *Host) string {
	var b strings.Builder
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		if c, ok := v.Interface().(*tcpip.StatCounter); ok {
			if n := c.Value(); n != 0 {
				fmt.Fprint(&b, "\n", name, " ", n)
			}
			return
		}
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					walk(name+"."+f.Name, v.Field(i))
				}
			}
		}
	}
	walk("", reflect.ValueOf(h.Stats()))
	return b.String()
}

// Segments processed inline give the same frames as netstack's goroutine gives that is
// waited for, on any number of processors, and however often memory is collected.
func TestInlineIsPause(t *testing.T) {
	seeds := uint64(3)
	if slow {
		seeds = 1
	}
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			for seed := uint64(1); seed <= seeds; seed++ {
				want := sc.trace(t, seed, restPause)
				for _, procs := range []int{1, 2, 4} {
					for _, gc := range []int{5, 400} {
						undo, before := runtime.GOMAXPROCS(procs), debug.SetGCPercent(gc)
						got := sc.trace(t, seed, restInline)
						runtime.GOMAXPROCS(undo)
						debug.SetGCPercent(before)
						if got != want {
							t.Fatalf("seed %d, GOMAXPROCS %d, GOGC %d: inline %s, and with Pause %s", seed, procs, gc, got, want)
						}
					}
				}
			}
		})
	}
}
