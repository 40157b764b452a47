package cc

import (
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// BBR is a controller after BBRv3 (draft-ietf-ccwg-bbr-04). It estimates how fast the path
// delivers and how long an empty one takes, paces at that rate, and keeps no more in flight
// than twice their product. From time to time it sends faster, to see whether the path
// holds more, until the rate does not follow or more than 2 % of a round trip are lost.
//
//	Startup -> Drain -> DOWN -> CRUISE -> REFILL -> UP -> DOWN ...
//
// ProbeRTT comes out of any of them when the least round-trip time has not been seen for
// 10 s. The zero value is ready for a new connection. What is left out of the draft, and
// what is done in another way, is in the package comment.
type BBR struct {
	model
	phase  phase
	since  clock.Time // when the phase began
	rounds int        // round trips since the last DOWN began

	full   int64 // bit/s: the path is not full while a quarter more than this is seen
	stale  int   // round trips without that
	filled bool  // the path was full once: Startup is over for good

	cycle clock.Time    // when the last DOWN began
	wait  time.Duration // from then to the next REFILL, at most
	dice  uint32        // state of the random numbers in wait (xorshift)
	raise int64         // packets that this round of UP adds to the long-term bound

	low    clock.Optional // in ProbeRTT: when little was in flight
	lowEnd int64          // a round trip from then is over when what left after so much was delivered arrives

	recovering bool
	timed      bool // a round trip was known when the rate was set last without one of delivery

	// After a timeout, what was sent before it is sent again, up to resent. Each of these
	// packets is told as lost once more, when it is; what the path loses now is not known.
	timedOut bool
	resent   pacer.Seq
}

type phase uint8

const (
	startup phase = iota
	drain
	down
	cruise
	refill
	up
	probeRTT
)

// gains are those of the rate and of the window in each phase, in percent.
var gains = [...]struct{ pacing, window int64 }{
	startup:  {277, 200},
	drain:    {50, 200},
	down:     {90, 200},
	cruise:   {100, 200},
	refill:   {100, 200},
	up:       {125, 225},
	probeRTT: {100, 50},
}

const (
	pacingMargin  = 99  // percent of the rate, so that queues empty
	fullGrowth    = 125 // percent
	fullRounds    = 3
	startupLosses = 6   // packets
	upInFlight    = 125 // percent of the BDP: more is a queue
	headroom      = 85  // percent of the long-term bound

	waitLeast    = 2 * time.Second
	waitSpread   = uint32(time.Second)
	mostRounds   = 63 // no less often than Reno would lose something
	probeRTTTime = 200 * time.Millisecond

	minPipe = 4 // packets: fewer do not keep the acknowledgements coming
	spare   = 3 // packets of window more than the model asks for
)

// Start implements Pacing: as long as nothing was delivered, the rate is Startup's with the
// window as it is.
func (b *BBR) Start(c *Conn) {
	b.timed = c.SRTT > 0
	c.PacingRate = windowRate(c, gains[startup].pacing)
}

// windowRate is so many percent of a window in a round trip, or in 1 ms where none is known
// (BBRInitPacingRate).
func windowRate(c *Conn, gain int64) int64 {
	rtt := c.SRTT
	if rtt <= 0 {
		rtt = time.Millisecond
	}
	return max(percent(rateOf(int64(c.Cwnd*c.MSS), rtt), gain), 1)
}

// Sample implements Sampler: it keeps the model, the phase and the rate.
func (b *BBR) Sample(c *Conn, s *pacer.Sample) {
	if !b.timed && c.SRTT > 0 {
		b.Start(c)
	}
	lost := s.Lost
	if b.timedOut = b.timedOut && c.Una.Before(b.resent); b.timedOut {
		lost = 0
	}
	b.update(c, s, lost, b.phase == startup || b.phase == refill || b.phase == up)
	b.step(c, s)

	gain := gains[b.phase].pacing
	if b.recovering { // what is sent again is not to be lost again
		gain = min(gain, gains[cruise].pacing)
	}
	rate := percent(b.bandwidth(), gain*pacingMargin/100)
	if rate == 0 { // no delivery rate yet
		rate = windowRate(c, gain)
	}
	if b.filled || b.recovering || rate > c.PacingRate {
		c.PacingRate = max(rate, 1)
	}
}

// step goes to the next phase if it is time.
func (b *BBR) step(c *Conn, s *pacer.Sample) {
	if b.round {
		b.rounds++
	}
	if b.phase != probeRTT && b.rttExpired(s.At) {
		b.forgetRTT()
		b.low = clock.Optional{}
		b.enter(probeRTT, s.At)
	}
	switch b.phase {
	case startup:
		lossy := b.lossy() && b.lost >= startupLosses*b.mss
		if lossy {
			b.inflightLong = max(b.bdp(100), b.pipe)
		}
		if lossy || b.plateau(s) {
			b.filled = true
			b.enter(drain, s.At)
		}
	case drain:
		if s.InFlight <= b.bdp(100) {
			b.slowDown(c, s.At)
		}
	case down:
		if b.round && b.rounds == 1 { // what UP has found is in the filter
			b.advance()
		}
		if s.InFlight <= min(b.bdp(100), b.bound()) {
			b.enter(cruise, s.At)
		}
		b.probeInTime(s)
	case cruise:
		b.probeInTime(s)
	case refill:
		if b.round {
			b.raise, b.full, b.stale = 1, b.max(), 0
			b.enter(up, s.At)
		}
	case up:
		b.probeUp(c, s)
	case probeRTT:
		b.stayLow(c, s)
	}
}

// plateau reports whether the rate has not grown for some rounds: the path is full.
func (b *BBR) plateau(s *pacer.Sample) bool {
	if !b.round || s.AppLimited {
		return false
	}
	b.stale++
	if bw := b.max(); bw >= percent(b.full, fullGrowth) {
		b.full, b.stale = bw, 0
	}
	return b.stale >= fullRounds
}

// probeInTime begins to probe when it is time. First comes REFILL, which fills the path, so
// that UP begins with no room left. What was learned from losses of late is to be learned
// anew.
func (b *BBR) probeInTime(s *pacer.Sample) {
	rounds := min(max(b.bdp(100)/b.mss, 1), mostRounds)
	if s.At.Sub(b.cycle) > b.wait || int64(b.rounds) >= rounds {
		b.bwShort, b.inflightShort = 0, 0
		b.roundEnd = s.Delivered
		b.enter(refill, s.At)
	}
}

// probeUp sees whether the path holds more. Where losses have set a bound, that is raised by
// 1, 2, 4 ... packets a round trip as long as it is what limits.
func (b *BBR) probeUp(c *Conn, s *pacer.Sample) {
	switch {
	case b.lossy():
		b.inflightLong = max(b.pipe, percent(min(b.bdp(100), int64(c.Cwnd)*b.mss), beta))
		b.slowDown(c, s.At)
	case b.inflightLong > 0 && s.InFlight+spare*b.mss >= b.inflightLong:
		b.full, b.stale = b.max(), 0
		if b.round {
			b.inflightLong += b.raise * b.mss
			b.raise = min(2*b.raise, maxWindow)
		}
	case b.plateau(s), s.At.Sub(b.since) > b.minRTT && s.InFlight >= b.bdp(upInFlight):
		b.slowDown(c, s.At)
	}
}

// slowDown enters DOWN, and says for how long not to probe. Connections that began together
// part by what is random in it: their sequence numbers are.
func (b *BBR) slowDown(c *Conn, now clock.Time) {
	if b.dice == 0 {
		b.dice = uint32(c.Una) | 1
	}
	b.dice ^= b.dice << 13
	b.dice ^= b.dice >> 17
	b.dice ^= b.dice << 5
	b.wait = waitLeast + time.Duration(b.dice%waitSpread)
	b.cycle, b.rounds = now, 0
	b.enter(down, now)
}

// stayLow keeps little in flight for a while, so that no queue is this connection's.
func (b *BBR) stayLow(c *Conn, s *pacer.Sample) {
	low, ok := b.low.Get()
	if !ok {
		if s.InFlight <= int64(b.window(c))*b.mss {
			b.low, b.lowEnd = clock.At(s.At), s.Delivered
		}
		return
	}
	if s.At.Sub(low) < probeRTTTime || s.Prior < b.lowEnd {
		return
	}
	b.renewRTT(s.At)
	if b.filled {
		b.slowDown(c, s.At)
	} else {
		b.enter(startup, s.At)
	}
}

func (b *BBR) enter(p phase, now clock.Time) { b.phase, b.since = p, now }

// bound is the most in flight that losses have left, in bytes. While nothing is probed,
// there is headroom in it for others, though not out of what the path holds without a queue.
func (b *BBR) bound() int64 {
	bound := int64(maxWindow) * b.mss
	if b.inflightLong > 0 {
		bound = min(bound, b.inflightLong)
		if b.phase == down || b.phase == cruise || b.phase == probeRTT {
			bound = min(bound, max(percent(bound, headroom), b.bdp(100)))
		}
	}
	if b.inflightShort > 0 {
		bound = min(bound, b.inflightShort)
	}
	return bound
}

// window is what the model and its bounds allow to be in flight, in packets.
func (b *BBR) window(c *Conn) int {
	if b.mss == 0 { // before the first sample
		return max(c.Cwnd, minPipe)
	}
	bytes := min(b.bdp(gains[b.phase].window)+spare*b.mss, b.bound())
	n := min((bytes+b.mss-1)/b.mss, maxWindow)
	if !b.filled {
		n = max(n, InitialWindow)
	}
	return int(max(n, minPipe))
}

// Ack implements Controller.
func (b *BBR) Ack(c *Conn, n int) {
	window := maxWindow
	if b.bandwidth() > 0 {
		window = b.window(c)
	}
	c.Cwnd = min(c.Cwnd+max(n, 0), window)
}

// Loss implements Controller. In netstack's recovery one packet is sent for each that is gone;
// it is the rate that is lowered.
func (b *BBR) Loss(c *Conn) {
	b.recovering = true
	if bw := b.bandwidth(); bw > 0 { // at once: the queue is full
		c.PacingRate = min(c.PacingRate, max(percent(bw, pacingMargin), 1))
	}
	c.Ssthresh = max(min(b.window(c), c.Outstanding)-3, minPipe)
}

// Recovered implements Controller.
func (b *BBR) Recovered(c *Conn) {
	b.recovering = false
	c.Cwnd = b.window(c)
}

// Timeout implements Controller. From one packet the window doubles up to the model's.
func (b *BBR) Timeout(c *Conn) {
	b.recovering = false
	b.timedOut, b.resent = true, c.Nxt
	c.Ssthresh = b.window(c)
	c.Cwnd = 1
}
