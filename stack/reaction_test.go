package stack

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// foot is the foot of a chain: it writes down when the segments with payload leave.
type foot struct {
	link.Device
	clk  clock.Clock
	left []departure
}

type departure struct {
	at   clock.Time
	size pacer.Size
}

func (p *foot) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		if f.Size.Payload > 0 {
			p.left = append(p.left, departure{p.clk.Now(), f.Size})
		}
	}
	return p.Device.Transmit(frames)
}

// reactor is a connection on a line of 1 Gbit/s, 10 ms long, that sends without end below
// a hold.Hold. With a lead the hold is above a card, which paces; else it paces itself.
type reactor struct {
	lead       time.Duration
	congestion func() cc.Controller
	pacing     func() pacer.Pacer

	world *World
	foot  foot
	conn  *TCPConn
}

// changeAt is when something changes, on a virtual clock.
const changeAt = clock.Time(100 * time.Millisecond)

// run calls change then, and looks on for 100 ms.
func (r *reactor) run(t *testing.T, change func()) {
	t.Helper()
	needsController(t, r.congestion)
	r.world = NewWorld(1)
	defer r.world.Close()
	clk := r.world.Clock()
	macs := []net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	a, b := wire.New(clk,
		&wire.Config{Address: macs[0], Rate: 1e9, Delay: 5 * time.Millisecond},
		&wire.Config{Address: macs[1], Rate: 1e9, Delay: 5 * time.Millisecond})
	r.foot = foot{Device: a, clk: clk}
	var bottom link.Device = &r.foot
	if r.lead > 0 {
		card, err := netfpga.New(clk, bottom, nil)
		if err != nil {
			t.Fatal(err)
		}
		bottom = linktest.Ahead{Device: card, Lead: r.lead}
	}
	near, err := r.world.NewHost(Config{
		Device: hold.New(bottom, clk, nil), Congestion: r.congestion, Pacing: r.pacing,
		Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	far, err := r.world.NewHost(Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		t.Fatal(err)
	}
	p := &path{world: r.world, near: near, far: far}
	p.sink(t, &flow{port: 9})
	r.world.Go(func() {
		r.conn = p.dial(t, 9)
		p.write(t, r.conn, 1<<40)
	})
	err = r.world.Run(func() {
		r.world.Sleep(time.Duration(changeAt))
		change()
		r.world.Sleep(100 * time.Millisecond)
		r.conn.Abort()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reaction returns how long after the time changed the first packet left from which on the
// gaps are those of the new rate. The gap before it is of both: what was paid of the packet
// in front by then was paid at the old one.
func (r *reactor) reaction(t *testing.T, changed clock.Time, bps int64, unit pacer.Unit) time.Duration {
	t.Helper()
	const tick = 8 // of the card
	left := r.foot.left
	gap := func(i int) time.Duration { // of the new rate, behind packet number i
		return time.Duration(int64(left[i].size.In(unit)) * 8 * int64(time.Second) / bps)
	}
	isNew := func(i int) bool {
		off := left[i+1].at.Sub(left[i].at) - gap(i)
		return -tick <= off && off <= tick+1
	}
	i := 0
	for left[i].at <= changed {
		i++
	}
	for i+4 < len(left) && !isNew(i) {
		i++
	}
	for n := range 3 {
		if !isNew(i + n) {
			t.Fatalf("behind the change no gap is the new one, or gap number %d behind it is not", n)
		}
	}
	took := left[i].at.Sub(changed)
	if most := r.lead + gap(i-1) + tick; took > most {
		t.Errorf("the first packet by the new rate left %v after the change, want at most %v", took, most)
	}
	return took
}

// The steps that the rate makes, in bit/s of the wire, and the leads.
var (
	rateSteps = [][2]int64{{1e6, 100e6}, {100e6, 1e6}, {10e6, 20e6}, {80e6, 30e6}, {50e6, 200e6}}
	leads     = []time.Duration{0, 50 * time.Microsecond, time.Millisecond}
)

// eachStep runs f for each step of the rate and each lead.
func eachStep(t *testing.T, f func(t *testing.T, from, to int64, lead time.Duration)) {
	for _, lead := range leads {
		for _, step := range rateSteps {
			t.Run(fmt.Sprintf("%d to %d Mbit per s, lead %v", step[0]/1e6, step[1]/1e6, lead), func(t *testing.T) {
				f(t, step[0], step[1], lead)
			})
		}
	}
}

// Code that sets another rate: from the call to the first departure by it, it takes at most
// the lead and one gap.
func TestReactionToSetPacingRate(t *testing.T) {
	eachStep(t, func(t *testing.T, from, to int64, lead time.Duration) {
		r := &reactor{lead: lead, pacing: func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: from} }}
		var changed clock.Time
		r.run(t, func() {
			changed = r.world.Clock().Now()
			if err := r.conn.SetPacingRate(to, pacer.Wire); err != nil {
				t.Fatal(err)
			}
		})
		t.Log(r.reaction(t, changed, to, pacer.Wire))
	})
}

// stepped is a controller that asks for one rate and, from the first acknowledgement after
// changeAt on, for another.
type stepped struct {
	cc.Reno
	from, to int64 // bit/s of payload
	changed  clock.Time
}

func (s *stepped) Start(c *cc.Conn) { c.PacingRate = s.from }

func (s *stepped) Sample(c *cc.Conn, sample *pacer.Sample) {
	c.PacingRate = s.from
	if sample.At < changeAt {
		return
	}
	c.PacingRate = s.to
	if s.changed == 0 {
		s.changed = sample.At
	}
}

// An acknowledgement has the controller ask for another rate: the same is true from its
// arrival on.
func TestReactionToASample(t *testing.T) {
	eachStep(t, func(t *testing.T, from, to int64, lead time.Duration) {
		s := &stepped{from: from * segment / onWire, to: to * segment / onWire}
		r := &reactor{lead: lead, congestion: func() cc.Controller { return s }}
		r.run(t, func() {})
		t.Log(r.reaction(t, s.changed, s.to, pacer.Payload))
	})
}
