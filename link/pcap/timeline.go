package pcap

import (
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// A Timeline makes times that do not go back out of the time stamps of packets in the order
// of the file.
//
// A packet with an earlier stamp than the one before comes right behind that one, and those
// behind it at the gaps of their stamps: a clock that was set back is one negative gap.
// Packets that were only written in another order are the other reason for such stamps.
// They are made out by what follows: a stamp that gets past the latest again, and is
// counted from that later than what has come since, is counted from it. So a few packets
// that are out of order move nothing behind them.
type Timeline struct {
	Negative uint64 // gaps

	begun  bool
	last   clock.Time // stamp
	at     time.Duration
	latest mark // the latest stamp
}

// A mark is a stamp and when it was.
type mark struct {
	stamp clock.Time
	at    time.Duration
}

// longest bounds times, 73 years, so that they can be added up.
const longest = time.Duration(1 << 61)

// At returns when a packet with that stamp comes, from the first on.
func (l *Timeline) At(stamp clock.Time) time.Duration {
	if !l.begun {
		l.begun, l.last, l.latest = true, stamp, mark{stamp: stamp}
		return 0
	}
	gap := stamp.Sub(l.last)
	again := l.latest.at + stamp.Sub(l.latest.stamp)
	switch {
	case gap < 0:
		l.Negative++
		gap = 0
	case l.last < l.latest.stamp && stamp >= l.latest.stamp && again > l.at:
		gap = again - l.at
	}
	l.at = min(l.at+gap, longest)
	l.last = stamp
	if stamp >= l.latest.stamp {
		l.latest = mark{stamp, l.at}
	}
	return l.at
}
