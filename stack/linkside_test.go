package stack

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// desk is a scheduler without a wire, on a line of 100 Mbit/s.
type desk struct {
	link.Device
	status pacer.Status
}

func (*desk) Info() link.Info                   { return link.Info{Speed: 100e6} }
func (d *desk) Do(c pacer.Command) pacer.Status { return d.status }

// alone returns the link's side of a loop whose other sides have said no more than that so many
// bytes were written and sent.
func alone(first pacer.Seq, written int) (*linkSide, *desk) {
	d := &desk{}
	s := &shared{host: &Host{below: d, sched: d, softirq: &softirq{soon: func() {}}}, first: first}
	s.words.written.Store(int64(written))
	s.words.next.Store(first + pacer.Seq(written))
	s.words.mss.Store(1000)
	l := &linkSide{shared: s}
	l.begin()
	return l, d
}

// asked returns what was left to the softirq since.
func (l *linkSide) asked() uint32 { return l.todo.Swap(0) }

// netstack is asked for more when half of the bound is left, and once.
func TestAskedForMoreAtHalf(t *testing.T) {
	for _, first := range []pacer.Seq{0, 1<<32 - 3000} {
		l, _ := alone(first, 10_000)
		l.words.waiting.Store(10_000)
		leave := func(from, to pacer.Seq) { l.Departed(first+from, first+to, clock.At(1), 1) }
		leave(0, 1000)
		if l.asked() != 0 {
			t.Error("asked for more, and the window is the controller's")
		}
		l.words.clamped.Store(true)
		leave(1000, 4999)
		if l.asked() != 0 {
			t.Error("asked for more when more than half was left")
		}
		leave(4999, 5000)
		if l.asked() != todoPush {
			t.Error("not asked for more when half was left")
		}
		leave(5000, 6000)
		if l.asked() != 0 {
			t.Error("asked twice")
		}
	}
}

// A writer that waits is woken when less than half of its lead is left, and once.
func TestWriterIsWokenAtHalf(t *testing.T) {
	l, _ := alone(7, 10_000)
	l.words.lead.Store(10_000)
	leave := func(from, to pacer.Seq) { l.Departed(7+from, 7+to, clock.At(1), 1) }
	l.words.full.Store(true)
	leave(0, 5000)
	if l.asked() != 0 {
		t.Error("woken when half was left")
	}
	leave(5000, 5001)
	if l.asked() != todoWake {
		t.Error("not woken when less than half was left")
	}
	leave(5001, 6000)
	if l.asked() != 0 {
		t.Error("woken twice, or without waiting")
	}
}

// What leaves last of all that was written is limited by the application, but for recovery.
func TestLimitedByTheApplication(t *testing.T) {
	for _, c := range []struct {
		name       string
		end        pacer.Seq
		waiting    int
		recovering bool
		want       bool
	}{
		{"all has left", 10_000, 0, false, true},
		{"something waits, to be sent again", 10_000, 1, false, false},
		{"more was written", 9_999, 0, false, false},
		{"recovery", 10_000, 0, true, false},
	} {
		l, _ := alone(0, 10_000)
		l.words.recovering.Store(c.recovering)
		l.Departed(0, c.end, clock.At(1), c.waiting)
		l.Arrived(&pacer.Segment{Flags: pacer.FlagACK, Ack: c.end}, clock.Time(time.Second))
		l.samples.take(func(m *measured) {
			if m.sample.AppLimited != c.want {
				t.Errorf("%s: %v", c.name, m.sample.AppLimited)
			}
		})
	}
}

// Who waits until the peer has all is woken by the acknowledgement of the last byte, and of the
// FIN behind it.
func TestAllIsAcknowledged(t *testing.T) {
	for _, last := range []pacer.Seq{10_000, 10_001} {
		l, _ := alone(0, 10_000)
		l.Departed(0, 10_000, clock.At(1), 0)
		ack := func(n pacer.Seq, flags uint8) uint32 {
			l.Arrived(&pacer.Segment{Flags: flags, Ack: n}, 2)
			return l.asked()
		}
		if ack(9_999, pacer.FlagACK) != 0 || ack(10_002, pacer.FlagACK) != 0 || ack(10_000, pacer.FlagACK|pacer.FlagRST) != 0 {
			t.Error("woken too early")
		}
		if ack(last, pacer.FlagACK) != todoWake {
			t.Error("not woken")
		}
		if l.words.srtt.Load() != 1 {
			t.Errorf("the others see a round trip of %d ns", l.words.srtt.Load())
		}
		if ack(last, pacer.FlagACK) != 0 || l.words.acked.Load() != 10_000 {
			t.Error("woken twice")
		}
	}
}

// The bounds are those of the rate, of a pacer or of the line, from the command on that sets it.
func TestBoundsFollowThePacer(t *testing.T) {
	l, d := alone(0, 0)
	for _, c := range []struct {
		name   string
		status pacer.Status
		want   bounds
	}{
		{"nobody", pacer.Status{}, bounds{12_500, mostLead}},
		{"a list of gaps", pacer.Status{Paced: true}, bounds{12_500, 250_000}},
		{"a given rate", pacer.Status{Paced: true, Rate: 80e6}, bounds{10_000, 200_000}},
		{"the same one, which follows", pacer.Status{Paced: true, Follows: true, Rate: 80e6}, bounds{10_000, mostLead}},
		{"and given again", pacer.Status{Paced: true, Rate: 80e6}, bounds{10_000, 200_000}},
		{"nobody again", pacer.Status{}, bounds{12_500, mostLead}},
	} {
		d.status = c.status
		l.pace(pacer.Command{})
		if got := l.words.bounds(); got != c.want || l.words.paced.Load() != c.status.Paced || l.words.follows.Load() != c.status.Follows {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	// # a schedule's rate changes by itself, and an acknowledgement shows it
	d.status = pacer.Status{Paced: true, Rate: 80e6}
	l.pace(pacer.Command{})
	d.status.Rate = 160e6
	l.Arrived(&pacer.Segment{Flags: pacer.FlagACK}, 1)
	if got, want := l.words.bounds(), (bounds{20_000, 400_000}); got != want {
		t.Errorf("after a change by itself: %+v, want %+v", got, want)
	}
	l.host.unbounded = true
	l.pace(pacer.Command{})
	if got := l.words.waiting.Load(); got != 0 {
		t.Errorf("a bound of %d where there is none", got)
	}
}
