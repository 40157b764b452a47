package stack

import (
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/stack/cc"
)

// opening is what the first segments of a connection tell: when they left, from the Dial on.
type opening struct {
	handshake time.Duration
	left      []time.Duration
}

// begin has near dial when start has passed, or listen and far dial, and send p.keep segments.
func (p *path) begin(t *testing.T, start time.Duration, listens bool) (o opening) {
	t.Helper()
	p.open(t, 1)
	p.world.RunFor(start)
	from, to := p.near, p.far
	if listens {
		from, to = to, from
	}
	l, err := to.Listen("tcp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	var dialed, accepted *TCPConn
	p.world.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		accepted = c.(*TCPConn)
	})
	err = p.world.Run(func() {
		c, err := from.Dial("tcp", to.Addrs()[0].Addr().String()+":9")
		if err != nil {
			t.Error(err)
			return
		}
		dialed = c.(*TCPConn)
		for accepted == nil {
			p.world.Sleep(p.rtt)
		}
		sender, receiver := dialed, accepted
		if listens {
			sender, receiver = accepted, dialed
		}
		o.handshake = sender.Feedback().MinRTT
		p.world.Go(func() {
			for b, err := make([]byte, 1<<16), error(nil); err == nil; {
				_, err = receiver.Read(b)
			}
		})
		p.write(t, sender, int64(p.keep*segment))
		for len(p.loss.left) < p.keep {
			p.world.Sleep(time.Millisecond)
		}
		sender.Abort()
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range p.loss.left {
		o.left = append(o.left, time.Duration(d.Sent)-start)
	}
	return o
}

// A connection that begins at time 0 is one like any other: the round trip of its handshake is
// known, and the window paces what leaves from the first segment on.
func TestBeginAtZero(t *testing.T) {
	for _, c := range combinations {
		for _, listens := range []bool{false, true} {
			made := path{rate: 100e6, rtt: 10 * time.Millisecond, queue: 100, keep: 60, congestion: c.congestion, pacing: c.pacing}
			var want opening
			for i, start := range []time.Duration{0, 1, time.Millisecond, time.Second} {
				p := made
				got := p.begin(t, start, listens)
				if i == 0 {
					want = got
				}
				if got.handshake < made.rtt || got.handshake > made.emptyRTT() {
					t.Errorf("%s, listening %v, from %v on: the handshake took %v", c.name, listens, start, got.handshake)
				}
				if !slices.Equal(got.left, want.left) {
					t.Errorf("%s, listening %v: from %v on segments left after\n%v, from 0 on after\n%v", c.name, listens, start, got.left, want.left)
				}
			}
		}
	}
}

// The first window is paced as every other, to the nanosecond, and nothing is late on a line
// that is idle: at Startup's rate with the window in the round trip of the handshake, or in
// 1 ms where the first SYN was lost and no round trip is known; and never faster than the line.
func TestFirstWindowIsPaced(t *testing.T) {
	for _, test := range []struct {
		rtt     time.Duration
		listens bool
		syns    int
	}{
		{10 * time.Millisecond, false, 0}, {10 * time.Millisecond, true, 0}, {400 * time.Microsecond, false, 0},
		{10 * time.Millisecond, false, 1}, {2 * time.Microsecond, false, 0},
	} {
		p := &path{rate: 1e9, rtt: test.rtt, queue: 1000, keep: 200, syns: test.syns, congestion: newController("bbr")}
		o := p.begin(t, 0, test.listens)
		rtt := o.handshake
		if test.syns > 0 {
			if rtt != 0 {
				t.Errorf("%+v: a handshake of two SYNs has told a round trip of %v", test, rtt)
			}
			rtt = time.Millisecond
		}
		gap := float64(segment*8) / (2.77 * cc.InitialWindow * segment * 8 / float64(rtt))
		gap = max(gap, onWire*8)
		left := p.loss.left
		for i, d := range left[:cc.InitialWindow] {
			want := float64(i) * gap
			if got := float64(d.Sent - left[0].Sent); got < want-1 || got > want*1.001+1 {
				t.Errorf("%+v: segment %d left after %.0f ns, want %.0f", test, i, got, want)
			}
		}
		for i, d := range left {
			if !d.Paced || d.Sent != d.Depart || d.Sched != d.Depart {
				t.Errorf("%+v: segment %d: paced %v, asked for %v, scheduled for %v, left at %v", test, i, d.Paced, d.Depart, d.Sched, d.Sent)
				break
			}
		}
		if r := p.trace.Departures.Report(); r.Late != 0 {
			t.Errorf("%+v: %v", test, r)
		}
	}
}
