package pacer

import (
	"math"
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// The ratios of a Window that are used where none is set, in percent: Linux's own.
const (
	DefaultSSRatio = 200
	DefaultCARatio = 120
)

// Window paces a TCP connection by its window: a window a round trip, times a ratio that
// leaves room for the window to grow. It is what Linux does for controllers that ask for no
// rate (tcp_update_pacing_rate), with the ratios of net.ipv4.tcp_pacing_ss_ratio and
// tcp_pacing_ca_ratio:
//
//	rate = ratio * max(cwnd, outstanding) / smoothed RTT
//
// The first ratio holds up to half of the slow start threshold, from where on slow start
// would overshoot, and the second from there on.
//
// The rate counts payload, whatever Unit says, as windows do. Before the first sample of
// the RTT the connection is not paced, unless InitialRTT is set: in most cases the
// handshake has given a sample before the first window leaves.
type Window struct {
	Rate
	SSRatio uint16 // percent; 0 is DefaultSSRatio
	CARatio uint16 // percent; 0 is DefaultCARatio

	// InitialRTT stands for the RTT until it is measured; 0 means that the connection is
	// not paced so long.
	InitialRTT time.Duration
}

// Follow implements Follower. Where the state makes for the same rate as before it changes
// nothing.
func (w *Window) Follow(fb *Feedback, now clock.Time) {
	rtt := fb.RTT
	if rtt <= 0 {
		rtt = w.InitialRTT
	}
	w.Unit = Payload
	w.follow(windowRate(max(fb.Cwnd, fb.Outstanding), w.ratio(fb), rtt), now)
}

// ratio returns the ratio that holds, in percent.
func (w *Window) ratio(fb *Feedback) uint16 {
	if fb.Ssthresh == 0 || fb.Cwnd < fb.Ssthresh/2 {
		return ratioOr(w.SSRatio, DefaultSSRatio)
	}
	return ratioOr(w.CARatio, DefaultCARatio)
}

func ratioOr(percent, otherwise uint16) uint16 {
	if percent == 0 {
		return otherwise
	}
	return percent
}

// windowRate returns the rate of so many percent of a window of bytes in the time d, in
// bit/s rounded down and at least 1; 0 if there is no window or no time.
func windowRate(window int64, percent uint16, d time.Duration) int64 {
	if window <= 0 || d <= 0 {
		return 0
	}
	// bytes * 8 bits * 1e9 ns/s * percent/100, over ns
	hi, lo := bits.Mul64(uint64(window), uint64(percent)*8e7)
	if hi >= uint64(d) {
		return math.MaxInt64
	}
	bps, _ := bits.Div64(hi, lo, uint64(d))
	return int64(max(1, min(bps, math.MaxInt64)))
}
