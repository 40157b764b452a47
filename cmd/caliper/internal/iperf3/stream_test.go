package iperf3

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestStreamNumbers(t *testing.T) {
	for i, want := range []struct{ id, socket int }{{1, 5}, {3, 7}, {4, 9}, {5, 11}} {
		if s := newStream(i, true, nil, nil); s.id != want.id || s.socket != want.socket {
			t.Errorf("stream %d has id %d and socket %d, want %+v", i, s.id, s.socket, want)
		}
	}
}

func TestReceive(t *testing.T) {
	const ms = time.Millisecond
	type packet struct {
		number   int64
		sent, at time.Duration
	}
	for _, test := range []struct {
		name    string
		packets []packet
		want    counts
	}{
		{"in order", []packet{{1, 0, 5 * ms}, {2, ms, 6 * ms}, {3, 2 * ms, 7 * ms}},
			counts{bytes: 300, packets: 3}},
		{"the sender's clock is ahead", []packet{{1, time.Hour, 0}, {2, time.Hour + ms, ms}},
			counts{bytes: 200, packets: 2}},
		{"two lost", []packet{{1, 0, 0}, {4, 0, 0}},
			counts{bytes: 200, packets: 4, lost: 2}},
		{"the first lost", []packet{{2, 0, 0}},
			counts{bytes: 100, packets: 2, lost: 1}},
		{"overtaken", []packet{{1, 0, 0}, {3, 0, 0}, {2, 0, 0}, {4, 0, 0}},
			counts{bytes: 400, packets: 4, disorders: 1}},
		{"twice", []packet{{1, 0, 0}, {1, 0, 0}, {2, 0, 0}},
			counts{bytes: 300, packets: 2, disorders: 1}},
		{"16 ms of jitter once", []packet{{1, 0, 0}, {2, 0, 16 * ms}},
			counts{bytes: 200, packets: 2, jitter: 0.001}},
		{"and then none", []packet{{1, 0, 0}, {2, 0, 16 * ms}, {3, 0, 16 * ms}},
			counts{bytes: 300, packets: 3, jitter: 0.001 * 15 / 16}},
	} {
		for _, wide := range []bool{false, true} {
			s := newStream(0, false, nil, nil)
			b := payload(100, false, false)
			for _, p := range test.packets {
				putHead(b, p.sent, p.number, wide)
				s.receive(b, p.at, wide)
			}
			got := s.snapshot()
			if math.Abs(got.jitter-test.want.jitter) > 1e-12 {
				t.Errorf("%s: jitter %v, want %v", test.name, got.jitter, test.want.jitter)
			}
			got.jitter = test.want.jitter
			if got != test.want {
				t.Errorf("%s, 64 bits %v: got %+v, want %+v", test.name, wide, got, test.want)
			}
		}
	}
}

func TestReceiveStrange(t *testing.T) {
	b := payload(100, false, false)
	s := newStream(0, false, nil, nil)

	// # a hello, sent twice, is no data
	s.receive(hello, 0, true)
	if s.snapshot() != (counts{}) {
		t.Errorf("got %+v", s.snapshot())
	}

	// # the numbers of 32 bits start anew
	for _, n := range []int64{1<<32 - 1, 1 << 32, 1<<32 + 1} {
		s.total.packets = n - 1
		putHead(b, 0, n, false)
		s.receive(b, 0, false)
		if c := s.snapshot(); c.packets != n || c.lost != 0 || c.disorders != 0 {
			t.Errorf("number %d: got %+v", n, c)
		}
	}

	// # a number of 64 bits out of all reason does not overflow
	for range 3 {
		putHead(b, math.MaxInt64, -1, true)
		s.receive(b, 0, true)
	}
	if c := s.snapshot(); c.lost < 0 || c.packets < 0 {
		t.Errorf("got %+v", c)
	}
}

// TestThrottle checks that the schedule neither drifts nor overflows.
func TestThrottle(t *testing.T) {
	start := time.Unix(0, 0)
	for _, test := range []struct {
		rate, sent int64
		want       time.Duration
	}{
		{0, 1 << 40, 0},
		{8, 1, time.Second},
		{1e9, 125_000_000, time.Second},
		{3, 1, 2_666_666_666},
		{950_000_000, 1448, 12_193},
		{950_000_000, 1448 * 1_000_000, 12_193_684_210}, // and not a million times 12,193
		{1e15, 1 << 62, 36_893_488_147_419},
		{1, math.MaxInt64, math.MaxInt64},
	} {
		th := throttle{rate: test.rate, start: start, sent: test.sent}
		if got := th.due().Sub(start); got != test.want {
			t.Errorf("%d bytes at %d bit/s are due after %v, want %v", test.sent, test.rate, got, test.want)
		}
	}
}

func TestPayload(t *testing.T) {
	if got := string(payload(12, true, false)); got != "012345678901" {
		t.Errorf("got %q", got)
	}
	one, other := payload(100, false, false), payload(100, false, false)
	if !bytes.Equal(one, other) {
		t.Error("the noise is not the same twice")
	}
}

// TestNoAllocations counts what a datagram costs at either end.
func TestNoAllocations(t *testing.T) {
	s := newStream(0, false, nil, nil)
	b := payload(1448, false, false)
	te := &test{host: KernelHost{}}
	th := throttle{rate: 1e12, start: time.Now()}
	n := int64(0)
	if got := testing.AllocsPerRun(100, func() {
		n++
		te.pace(s, &th)
		putHead(b, time.Second, n, true)
		s.count(len(b), 1)
		s.receive(b, time.Second, true)
	}); got != 0 {
		t.Errorf("%v allocations a datagram", got)
	}
}
