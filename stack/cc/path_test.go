package cc_test

import (
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// A path is a bottleneck with a tail-drop queue and a delay, and flows that send without
// end. An acknowledgement comes back for each packet; none is lost, and it tells exactly
// which packet has arrived. Nothing in it is random.
type path struct {
	rate  int64         // of the bottleneck, in bit/s of the wire
	delay time.Duration // round trip without queue
	queue int           // packets
	flows []*flow

	now    clock.Time
	free   clock.Time // when the bottleneck has sent all that it has
	queued int        // sum over all packets of how many they met in the queue
	came   int        // packets
}

const (
	mss  = 1420
	wire = 1510 // bytes that a packet takes on the wire
	line = 1e9  // the sender's own, in bit/s
)

// A packet is what its sender knows of it.
type packet struct {
	left               clock.Time // at last
	delivered          int        // packets, before it left
	deliveredAt, first clock.Time // as the delivery rate needs them
	sent               int        // times, since it was last taken for lost by a timeout
	waits              bool       // for its departure
	arrived, lost      bool
}

func (k *packet) toResend() bool { return k.lost && k.sent == 1 && !k.arrived && !k.waits }

type ack struct {
	at  clock.Time
	seq int
}

// A flow is a sender with a Controller. Its recovery is netstack's: RFC 6675, with the
// window at the threshold and three, and a timeout for what is lost twice.
type flow struct {
	ctl   cc.Controller
	conn  cc.Conn
	first pacer.Seq // sequence number
	start clock.Time

	packets           []packet
	una, nxt, high    int // numbers of packets; high is the highest that has arrived
	outstanding       int
	flight            int   // left, and neither arrived nor lost
	waiting           []int // for departure
	next              clock.Time
	acks              []ack
	recover           int // the last packet of the recovery, -1 outside
	done              int // that of the recovery before
	rto               clock.Time
	backoff           uint
	delivered, lost   int
	deliveredAt, sent clock.Time // last delivery, and when that packet had left
	srtt, dev         time.Duration

	drops, resent, timeouts int
}

// add puts a flow with a new controller onto the path. It knows the round trip from its
// handshake.
func (p *path) add(ctl cc.Controller, paced bool, start clock.Time) *flow {
	f := &flow{ctl: ctl, start: start, next: start, first: pacer.Seq(len(p.flows)+1) * 2654435761,
		recover: -1, done: -1, high: -1, rto: clock.Never}
	f.conn = cc.Conn{Cwnd: cc.InitialWindow, Ssthresh: cc.NoSsthresh, MSS: mss, Limited: true, Paced: paced}
	f.measure(p.delay)
	if s, ok := ctl.(cc.Pacing); ok {
		s.Start(&f.conn)
	}
	p.flows = append(p.flows, f)
	return f
}

// goodput returns the Mbit/s that f has had delivered in order, from packet number since on.
func (f *flow) goodput(since int, in time.Duration) float64 {
	return float64(f.una-since) * mss * 8 / in.Seconds() / 1e6
}

// run goes on until the time end.
func (p *path) run(end clock.Time) {
	const (
		begin = iota
		arrival
		departure
		timeout
	)
	for {
		var f *flow
		at, what := end, begin
		earlier := func(g *flow, t clock.Time, w int) {
			if t < at {
				f, at, what = g, t, w
			}
		}
		for _, g := range p.flows {
			if g.nxt == 0 {
				earlier(g, g.start, begin)
			}
			if len(g.acks) > 0 {
				earlier(g, g.acks[0].at, arrival)
			}
			if len(g.waiting) > 0 {
				earlier(g, max(g.next, p.now), departure)
			}
			earlier(g, g.rto, timeout)
		}
		p.now = at
		if f == nil {
			return
		}
		f.conn.Now = at
		switch what {
		case arrival:
			seq := f.acks[0].seq
			f.acks = f.acks[1:]
			f.arrive(seq)
		case departure:
			p.depart(f)
		case timeout:
			f.timeout()
		}
		f.send()
	}
}

// send gives the pacer what the window allows, lost packets first.
func (f *flow) send() {
	for seq := f.una; f.outstanding < f.conn.Cwnd; seq++ {
		if seq == f.nxt {
			f.packets = append(f.packets, packet{})
			f.nxt++
		} else if !f.packets[seq].toResend() {
			continue
		} else {
			f.resent++
		}
		f.packets[seq].sent++
		f.packets[seq].waits = true
		f.waiting = append(f.waiting, seq)
		f.outstanding++
	}
}

// depart takes the next packet of f to the bottleneck.
func (p *path) depart(f *flow) {
	seq := f.waiting[0]
	f.waiting = f.waiting[1:]
	if f.flight == 0 {
		f.deliveredAt, f.sent = p.now, p.now
	}
	f.flight++
	k := &f.packets[seq]
	k.waits, k.left = false, p.now
	k.delivered, k.deliveredAt, k.first = f.delivered, f.deliveredAt, f.sent
	f.next = p.now + wire*8*1e9/line
	if rate := f.rate(); f.conn.Paced && rate > 0 {
		f.next = max(f.next, p.now+clock.Time(mss*8*1e9/rate))
	}
	if f.rto == clock.Never {
		f.rearm()
	}

	time := clock.Time(wire * 8 * 1e9 / p.rate)
	queued := int((max(p.free-p.now, 0) + time - 1) / time)
	p.queued += queued
	p.came++
	if queued > p.queue { // one of them is being sent
		f.drops++
		return
	}
	p.free = max(p.free, p.now) + time
	f.acks = append(f.acks, ack{p.free.Add(p.delay), seq})
}

// rate is the pacer's, in bit/s of payload: what the controller asks for, else what the
// window makes of it.
func (f *flow) rate() int64 {
	if _, ok := f.ctl.(cc.Pacing); ok {
		return f.conn.PacingRate
	}
	gain := int64(12)
	if f.conn.Cwnd < f.conn.Ssthresh {
		gain = 20
	}
	return int64(max(f.conn.Cwnd, f.outstanding)) * mss * 8 * gain * 1e8 / int64(f.srtt)
}

// arrive takes in the acknowledgement that seq has arrived.
func (f *flow) arrive(seq int) {
	c := &f.conn
	s := pacer.Sample{At: c.Now}
	c.RTT = 0
	if k := &f.packets[seq]; !k.arrived {
		k.arrived = true
		if !k.waits && (!k.lost || k.sent > 1) {
			f.flight--
		}
		f.delivered++
		f.deliveredAt, f.sent = c.Now, k.left
		s.Acked, s.Prior = mss, int64(k.delivered)*mss
		if !k.lost && k.sent == 1 {
			c.RTT = c.Now.Sub(k.left)
			f.measure(c.RTT)
		}
		if d := max(c.Now.Sub(k.deliveredAt), k.left.Sub(k.first)); d >= c.MinRTT {
			s.Rate = int64(f.delivered-k.delivered) * mss * 8e9 / int64(d)
		}
	}
	f.high = max(f.high, seq)
	before := f.una
	for f.una < f.nxt && f.packets[f.una].arrived {
		f.una++
	}
	news := f.una - before
	c.Una, c.Nxt = f.first+pacer.Seq(f.una)*mss, f.first+pacer.Seq(f.nxt)*mss
	f.judge()
	if sampler, ok := f.ctl.(cc.Sampler); ok {
		s.RTT, s.Delivered = c.RTT, int64(f.delivered)*mss
		s.InFlight, s.Lost = int64(f.flight)*mss, int64(f.lost)*mss
		sampler.Sample(c, &s)
	}
	f.lost = 0

	switch {
	case f.recover >= 0 && f.una > f.recover:
		f.leave()
	case f.recover < 0 && f.una > f.done && f.una < f.nxt && f.packets[f.una].lost:
		c.Outstanding = f.nxt - f.una
		f.ctl.Loss(c)
		c.Cwnd = c.Ssthresh + 3
		f.recover = f.nxt - 1
	}
	if news > 0 {
		f.backoff = 0
		f.rearm()
		if f.recover < 0 {
			c.Outstanding = f.outstanding
			f.ctl.Ack(c, news)
		}
	}
	f.count()
}

func (f *flow) leave() {
	f.done, f.recover = f.recover, -1
	f.conn.Cwnd = f.conn.Ssthresh
	f.ctl.Recovered(&f.conn)
}

// judge takes packets for lost when three behind them have arrived.
func (f *flow) judge() {
	above := 0
	for seq := f.high; seq >= f.una; seq-- {
		switch k := &f.packets[seq]; {
		case k.arrived:
			above++
		case above >= 3 && !k.lost && !k.waits:
			k.lost = true
			f.flight--
			f.lost++
		}
	}
}

// count counts what is outstanding (RFC 6675: pipe).
func (f *flow) count() {
	f.outstanding = f.nxt - f.una
	if f.high < f.una && f.recover < 0 && f.una > f.done {
		return // nothing is missing
	}
	f.outstanding = 0
	for seq := f.una; seq < f.nxt; seq++ {
		if k := &f.packets[seq]; k.waits || !k.arrived && (!k.lost || k.sent > 1) {
			f.outstanding++
		}
	}
}

// timeout takes all for lost that has not arrived.
func (f *flow) timeout() {
	c := &f.conn
	f.timeouts++
	f.backoff = min(f.backoff+1, 6)
	if f.recover >= 0 {
		f.leave()
	}
	f.done = f.nxt - 1
	c.Outstanding = f.outstanding
	f.ctl.Timeout(c)
	for seq := f.una; seq < f.nxt; seq++ {
		k := &f.packets[seq]
		if k.arrived || k.waits {
			continue
		}
		if !k.lost || k.sent > 1 {
			f.flight--
		}
		k.lost, k.sent = true, 1
	}
	f.count()
	f.rearm()
}

func (f *flow) rearm() {
	f.rto = f.conn.Now.Add(max(f.srtt+4*f.dev, 200*time.Millisecond) << f.backoff)
}

func (f *flow) measure(rtt time.Duration) {
	c := &f.conn
	if f.srtt == 0 {
		f.srtt, f.dev, c.MinRTT = rtt, rtt/2, rtt
	}
	off := f.srtt - rtt
	f.dev += (max(off, -off) - f.dev) / 4
	f.srtt -= off / 8
	c.SRTT, c.MinRTT = f.srtt, min(c.MinRTT, rtt)
}
