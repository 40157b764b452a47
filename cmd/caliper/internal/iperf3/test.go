package iperf3

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Times of the running test.
const (
	// silence is how long a test may run without a byte in either direction.
	silence = 120 * time.Second
	// grace is how long the control connection has to explain why a stream broke.
	grace = 5 * time.Second
)

// A test is one side of one test, once its parameters are known. The task that reads the
// control connection owns it.
type test struct {
	host   Host
	ctl    *control
	server bool
	cut    int // see Client
	cookie string
	params Params // complete
	report *reporter

	mu      sync.Mutex
	streams []*stream // a server's grow in another task until all are there
	socket  func()    // closes the socket of a server's UDP streams, nil if there is none

	payload  []byte    // what TCP streams send and datagrams begin as
	epoch    time.Time // that datagrams' stamps count from
	start    time.Time // of the measurement; moved when the omitted time is over
	last     time.Time // end of the last interval
	end      time.Time // of the measurement
	cpu      cpuMeter
	quietest int64     // bytes when progress was last seen
	progress time.Time // and when

	started  bool // the server has sent TEST_START ahead of its turn
	omitting atomic.Bool
	stopping atomic.Bool  // senders shall stop
	aborted  atomic.Bool  // and what has not left does not matter
	over     atomic.Bool  // the amount asked for has passed
	senders  atomic.Int32 // that have something left to write
	blocks   atomic.Int64 // left to be written
	received atomic.Int64 // bytes, when a client waits for an amount
}

// wanted returns the amount that ends a client's test in bytes, 0 if it is time that does.
func (t *test) wanted() int64 {
	if t.server {
		return 0
	}
	if t.params.Blocks > math.MaxInt64/int64(t.params.Length) {
		return math.MaxInt64
	}
	return max(t.params.Bytes, t.params.Blocks*int64(t.params.Length))
}

// add takes a stream that has been opened.
func (t *test) add(conn dataConn, reader io.Reader) *stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := len(t.streams)
	s := newStream(i, t.params.sends(i, t.server), conn, reader)
	t.streams = append(t.streams, s)
	return s
}

// complete tells whether all streams are there.
func (t *test) complete() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.streams) == t.params.streams()
}

// begin starts a task for every stream.
func (t *test) begin() error {
	p := &t.params
	t.payload = payload(p.Length, p.RepeatingPayload, t.cut > 0)
	limit := p.Blocks
	if p.Bytes > 0 {
		limit = (p.Bytes-1)/int64(p.Length) + 1
	}
	t.blocks.Store(limit)
	t.omitting.Store(p.Omit > 0)
	for _, s := range t.streams {
		if !p.UDP && s.ask(t.host) {
			s.baseResent = s.info.Retransmits
		}
		if !s.sends {
			continue
		}
		t.senders.Add(1)
		if conn, ok := s.conn.(net.Conn); ok && !p.UDP && p.Congestion != "" {
			if err := t.host.SetCongestion(conn, p.Congestion); err != nil {
				return fmt.Errorf("cannot set congestion control (-C) %q: %w", p.Congestion, err)
			}
		}
		departs, err := t.host.Pace(pacedConn(s.conn), s.conn.RemoteAddr(), p.rate())
		switch {
		case err == nil:
			t.report.result.Paced = true
			s.paced, s.departs = true, departs
		case !errors.Is(err, ErrNotPaced):
			return fmt.Errorf("cannot pace stream %d at %d bit/s: %w", s.id, p.rate(), err)
		}
		s.opening, _ = t.host.Outgoing(pacedConn(s.conn), s.conn.RemoteAddr())
	}
	t.cpu = startCPU(t.host)
	t.start = t.host.Now()
	for _, s := range t.streams {
		t.run(s)
	}
	return nil
}

// run starts the task of one stream, if it has one.
func (t *test) run(s *stream) {
	var task func(*stream) error
	switch {
	case s.sends && t.params.UDP:
		task = t.sendUDP
	case s.sends:
		task = t.sendTCP
	case s.reader == nil:
		return
	case t.params.UDP:
		task = t.receiveUDP
	default:
		task = t.receiveTCP
	}
	s.wait = t.host.Go(func() {
		err := task(s)
		if s.sends && (err == nil || t.stopping.Load()) {
			t.drain(s)
		}
		switch {
		case t.stopping.Load():
		case err != nil:
			s.fail(fmt.Errorf("stream %d: %w", s.id, err))
			t.ctl.wake()
		case t.senders.Add(-1) == 0: // there is nothing left to be written
			t.finish()
		}
	})
}

// measure counts until the test that has begun is over: until the peer speaks, whose state
// is returned, until this side ends it, with heard false, or until it fails.
func (t *test) measure() (st state, heard bool, err error) {
	var tick, ends, omitted, broken time.Time
	t.last, t.progress = t.start, t.start
	schedule := func() {
		tick, ends = time.Time{}, time.Time{}
		if t.report.Interval > 0 {
			tick = t.start.Add(t.report.Interval)
		}
		ends = t.lasts()
	}
	schedule()
	if t.params.Omit > 0 {
		omitted, ends = t.start.Add(t.params.Omit), time.Time{}
	}
	for {
		if t.over.Load() {
			return 0, false, nil
		}
		if broken.IsZero() && t.broken() != nil {
			broken = t.host.Now().Add(grace)
		}
		st, err := t.ctl.state(earliest(tick, ends, omitted, broken, t.progress.Add(t.patience())))
		switch {
		case err == nil:
			return st, true, nil
		case errors.Is(err, errWoken):
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, false, err
		}
		now := t.host.Now()
		reached := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
		switch {
		case reached(omitted):
			if t.report.Interval > 0 {
				t.interval(now)
			}
			t.restart(now)
			omitted = time.Time{}
			schedule()
		case reached(ends) && t.server:
			return 0, false, fmt.Errorf("the client has not ended the test when its time was over")
		case reached(ends): // and a stream that has failed meanwhile makes it fail
			return 0, false, t.broken()
		case reached(broken):
			return 0, false, t.broken()
		case reached(tick):
			t.interval(now)
			for reached(tick) {
				tick = tick.Add(t.report.Interval)
			}
		}
		if !t.moving(now) {
			return 0, false, fmt.Errorf("no data has passed for %v: the peer has gone silent", t.patience())
		}
	}
}

// lasts returns when the measurement that has begun is over; zero if time does not end it.
// A server waits for the client's word, but not forever.
func (t *test) lasts() time.Time {
	switch {
	case t.params.Duration == 0 && t.server:
		return t.start.Add(maxTime)
	case t.params.Duration == 0:
		return time.Time{}
	case t.server:
		return t.start.Add(t.params.Duration + patience)
	}
	return t.start.Add(t.params.Duration)
}

// take takes one block from those that are left, and is false if there is none. While
// the beginning is omitted there is no end.
func (t *test) take() bool {
	return t.wanted() == 0 || t.omitting.Load() || t.blocks.Add(-1) >= 0
}

// arrived notes n bytes received, for a client that waits for an amount. What has come
// while the beginning was omitted is part of it, as iperf3's sender counts it: it stops
// when it has sent so much in all.
func (t *test) arrived(n int) {
	w := t.wanted()
	if w > 0 && t.received.Add(int64(n)) >= w && !t.omitting.Load() {
		t.finish()
	}
}

// finish says that the amount asked for has passed.
func (t *test) finish() {
	if !t.over.Swap(true) {
		t.ctl.wake()
	}
}

// restart begins the measurement anew when the omitted time is over.
func (t *test) restart(now time.Time) {
	for _, s := range t.streams {
		if !t.params.UDP {
			s.ask(t.host)
		}
		s.reset(t.passed(s))
	}
	t.omitting.Store(false)
	t.start, t.last = now, now
	t.arrived(0) // it may all have come
}

// broken returns why a stream ended before its time, if one did.
func (t *test) broken() error {
	for _, s := range t.streams {
		if err := s.failure(); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long the test may stand still: longer than a slow rate takes for a block.
func (t *test) patience() time.Duration {
	if r := t.params.rate(); r > 0 {
		block := float64(t.params.Length) * 8 / float64(r)
		return silence + time.Duration(min(block, maxTime.Seconds())*2*float64(time.Second))
	}
	return silence
}

// moving tells whether anything has passed for as long as the test may stand still.
func (t *test) moving(now time.Time) bool {
	var sum int64
	for _, s := range t.streams {
		sum += t.passed(s).bytes
	}
	if sum != t.quietest {
		t.quietest, t.progress = sum, now
	}
	return now.Before(t.progress.Add(t.patience()))
}

// halt ends the measurement: the senders stop, and if it is to be drained the test is over
// when what they have written has left and was acknowledged. The rest is reported as the
// last interval. Receivers go on, uncounted, so that the peer is not stuck on a full pipe.
func (t *test) halt(drain bool) {
	if !drain {
		t.aborted.Store(true)
	}
	t.end = t.host.Now()
	t.stopping.Store(true)
	for _, s := range t.streams {
		if s.sends {
			s.conn.SetWriteDeadline(past(t.host))
		}
	}
	for _, s := range t.streams {
		if s.sends {
			s.join()
			if s.drained.After(t.end) {
				t.end = s.drained
			}
		}
	}
	t.interval(t.end)
	t.cpu.stop(t.host)
}

// cutShort tells whether nobody waits for the end of the test any more.
func (t *test) cutShort() bool { return t.aborted.Load() || t.ctl.stopped.Load() }

// close ends all tasks and connections of the streams.
func (t *test) close() {
	t.aborted.Store(true)
	t.stopping.Store(true)
	t.mu.Lock()
	streams := t.streams
	t.mu.Unlock()
	for _, s := range streams {
		s.conn.Close()
	}
	if t.socket != nil {
		t.socket()
		t.socket = nil
	}
	for _, s := range streams {
		s.join()
	}
}

// earliest returns the first of those times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
