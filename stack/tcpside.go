package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// tcpSide is TCP's side of a loop, and netstack's congestion control. The connection is
// locked in all its methods, but where they lock it.
type tcpSide struct {
	*shared
	ep         *tcp.Endpoint
	snd        *sender // nil if it cannot be read and set
	controller cc.Controller
	sampler    cc.Sampler // the controller, if it is one
	conn       cc.Conn
	usage      usage
	recovering bool // netstack sets the window
	window     int  // what netstack's window was last set to
}

// leastPayload is what segments carry at least, in bytes, whatever the peer says that it can
// receive: an MSS of 256, Linux' min_adv_mss, less the options. A host must be able to
// receive 536 (RFC 879), and who announces a byte has each byte sent in a packet. A device may
// take less.
const leastPayload = 256 - 40

// begin puts the controller in charge.
func (t *tcpSide) begin(controller cc.Controller) error {
	if t.host.layout != nil {
		t.beginBuiltin(controller)
		return nil
	}
	defer t.lock()()
	var err error
	if t.snd, err = install(t.ep, t); err != nil {
		return err
	}
	const headers = 40 + 60 // of IPv6 and of TCP, with all options
	t.snd.MaxPayloadSize = max(t.snd.MaxPayloadSize, min(leastPayload, t.host.below.Info().MTU-headers))
	t.conn = cc.Conn{Cwnd: t.snd.SndCwnd, Ssthresh: t.snd.Ssthresh}
	t.first = pacer.Seq(t.snd.SndNxt)
	t.usage.end = t.first
	t.window = t.snd.SndCwnd
	t.take(controller)
	t.look()
	t.snd.superSize(false, 0)
	t.firstMSS = t.conn.MSS
	t.say()
	return nil
}

// lock locks the connection, for whoever has not been called by netstack.
func (t *tcpSide) lock() (unlock func()) {
	t.host.touch()
	t.ep.LockUser()
	return t.ep.UnlockUser
}

// open has the controller say the rate of its first window, if it says rates.
func (t *tcpSide) open() {
	defer t.lock()()
	t.hear()
	t.start()
}

// replace puts another controller in charge, which goes on with the window that there is.
func (t *tcpSide) replace(controller cc.Controller) {
	if t.builtin() { // the controller is the one that there is
		return
	}
	defer t.lock()()
	t.hear()
	t.take(controller)
	t.start()
}

func (t *tcpSide) take(controller cc.Controller) {
	t.controller = controller
	t.sampler, _ = controller.(cc.Sampler)
	_, needs := controller.(cc.Pacing)
	t.words.hears.Store(t.sampler != nil)
	t.words.needsPacer.Store(needs)
}

func (t *tcpSide) start() {
	t.conn.PacingRate = 0
	if p, ok := t.controller.(cc.Pacing); ok {
		t.conn.Paced = t.words.paced.Load()
		p.Start(&t.conn)
	}
	t.say()
}

// hear tells the controller of what was measured since it was last told.
func (t *tcpSide) hear() bool {
	t.conn.Paced = t.words.paced.Load()
	return t.samples.take(func(m *measured) {
		s := &t.conn
		s.SRTT, s.MinRTT = m.srtt, m.minRTT
		if m.opening {
			return
		}
		s.Now = m.sample.At
		if m.sample.RTT > 0 {
			s.RTT = m.sample.RTT
		}
		if t.sampler != nil {
			t.sampler.Sample(s, &m.sample)
		}
	})
}

// sentTo returns the sequence number behind what netstack has sent, which is more than words
// say between two acknowledgements.
func (t *tcpSide) sentTo() pacer.Seq {
	if t.builtin() {
		return t.words.left.Load()
	}
	defer t.lock()()
	return pacer.Seq(t.snd.SndNxt)
}

// look takes in what netstack knows.
func (t *tcpSide) look() {
	s := &t.conn
	t.snd.fullSize()
	s.MSS = t.snd.MaxPayloadSize
	// After a timeout netstack starts from 0, and what was sent before counts it down.
	s.Outstanding = max(0, t.snd.Outstanding)
	s.Una, s.Nxt = pacer.Seq(t.snd.SndUna), pacer.Seq(t.snd.SndNxt)
	s.Now = t.host.clk.Now()
	if t.snd.SndCwnd != t.window { // netstack set it, after the connection was idle
		s.Cwnd = t.snd.SndCwnd
	}
}

// apply gives netstack the controller's window. Where more than the bound would wait for
// its departure, the window is narrower until some of it has left: netstack sends all that
// the window allows, and a sender's window must not be parked in its own pacer (Linux has
// TCP small queues for that).
func (t *tcpSide) apply() {
	s, w := &t.conn, &t.words
	s.Cwnd = max(s.Cwnd, 1)
	// Set before what has left is read: whatever leaves from then on asks for more.
	w.clamped.Store(true)
	window := w.bounds().clamp(s.Cwnd, s.Outstanding, s.Nxt.From(w.left.Load()), s.MSS)
	if window == s.Cwnd {
		w.clamped.Store(false)
	}
	t.snd.Ssthresh, t.snd.SndCwnd, t.window = s.Ssthresh, window, window
	t.snd.superSize(w.nagle.Load(), t.writtenTo().From(s.Nxt))
}

// say says what others are to know.
func (t *tcpSide) say() {
	s, w := &t.conn, &t.words
	mss := int64(s.MSS)
	cwnd, ssthresh := int64(s.Cwnd)*mss, int64(0)
	if s.Ssthresh != cc.NoSsthresh {
		ssthresh = int64(s.Ssthresh) * mss
	}
	w.next.Store(s.Nxt)
	w.mss.Store(mss)
	w.cwnd.Store(cwnd)
	w.ssthresh.Store(ssthresh)
	w.rate.Store(s.PacingRate)
	w.recovering.Store(t.recovering)
	w.narrowed.Store(t.window < s.Cwnd)
}

// decided is say, and has the pacer follow what the controller has decided.
func (t *tcpSide) decided() {
	t.say()
	if t.words.follows.Load() {
		t.askRepace()
	}
}

// Update implements netstack's interface: packets were acknowledged, outside of recovery.
func (t *tcpSide) Update(packets int, _ time.Duration, _ tcpip.MonotonicTime) {
	t.hear()
	t.look()
	t.conn.Limited = t.usage.seen(&t.conn, t.snd.Outstanding+packets)
	t.controller.Ack(&t.conn, packets)
	t.conn.RTT = 0
	t.apply()
	t.decided()
}

// HandleLossDetected implements netstack's interface: fast recovery begins.
func (t *tcpSide) HandleLossDetected() {
	t.hear()
	t.look()
	t.recovering = true
	t.controller.Loss(&t.conn)
	t.conn.Ssthresh = max(t.conn.Ssthresh, 1)
	t.snd.Ssthresh = t.conn.Ssthresh
	t.decided()
}

// PostRecovery implements netstack's interface: fast recovery is over.
func (t *tcpSide) PostRecovery() {
	t.hear()
	t.look()
	t.recovering = false
	t.conn.Cwnd = t.snd.SndCwnd
	t.controller.Recovered(&t.conn)
	t.apply()
	t.decided()
}

// HandleRTOExpired implements netstack's interface. What follows is sent again from the
// first segment on that is not acknowledged.
func (t *tcpSide) HandleRTOExpired() {
	t.hear()
	t.look()
	t.recovering = false
	t.controller.Timeout(&t.conn)
	t.conn.Cwnd = max(t.conn.Cwnd, 1)
	t.snd.Ssthresh, t.snd.SndCwnd, t.window = t.conn.Ssthresh, t.conn.Cwnd, t.conn.Cwnd
	t.words.clamped.Store(false)
	t.decided()
}

// hearNow tells the controller of an acknowledgement that netstack has nothing to say about.
func (t *tcpSide) hearNow() {
	if t.builtin() {
		t.readBuiltin()
		return
	}
	defer t.lock()()
	if t.hear() {
		t.decided()
	}
}

// setNagle says whether Nagle's algorithm is used.
func (t *tcpSide) setNagle(on bool) {
	defer t.lock()()
	t.words.nagle.Store(on)
	if t.builtin() {
		return
	}
	t.snd.superSize(on, t.writtenTo().From(pacer.Seq(t.snd.SndNxt)))
}

// push has netstack send what the window allows now.
func (t *tcpSide) push() {
	unlock := t.lock()
	heard := t.hear()
	if !t.snd.FastRecovery.Active {
		t.look()
		t.apply()
	}
	t.say()
	if heard {
		t.decided()
	}
	unlock()
	// To switch Nagle's algorithm off is netstack's way to say: send what you have.
	t.ep.SocketOptions().SetDelayOption(false)
	if t.words.nagle.Load() {
		t.ep.SocketOptions().SetDelayOption(true)
	}
}
