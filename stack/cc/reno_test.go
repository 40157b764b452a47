package cc_test

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// A story tells a controller what happens to its connection. What it says goes to the log,
// so that a failing test reads as what happened up to the failure.
type story struct {
	*testing.T
	ctl cc.Controller
	c   cc.Conn
}

func newStory(t *testing.T, ctl cc.Controller) *story {
	return &story{T: t, ctl: ctl, c: cc.Conn{
		Cwnd: cc.InitialWindow, Ssthresh: cc.NoSsthresh, MSS: mss, Limited: true, Paced: true,
	}}
}

func (s *story) say(line string) {
	s.Helper()
	s.Log("# " + line)
}

// ack acknowledges n packets after d.
func (s *story) ack(n int, d time.Duration) {
	s.c.Now = s.c.Now.Add(d)
	s.c.Una += pacer.Seq(n) * mss
	s.c.Nxt = s.c.Una + pacer.Seq(s.c.Cwnd)*mss
	s.c.Outstanding = s.c.Cwnd
	s.ctl.Ack(&s.c, n)
}

// window acknowledges a window, one packet at a time, within rtt.
func (s *story) window(rtt time.Duration) {
	start, n := s.c.Now, s.c.Cwnd
	for i := range n {
		s.ack(1, start.Add(rtt*time.Duration(i+1)/time.Duration(n)).Sub(s.c.Now))
	}
}

// loss is a fast recovery from which the connection comes back.
func (s *story) loss() {
	s.c.Outstanding = s.c.Cwnd
	s.ctl.Loss(&s.c)
	s.c.Cwnd = s.c.Ssthresh
	s.ctl.Recovered(&s.c)
	s.Logf("a loss: the window is %d", s.c.Cwnd)
}

func (s *story) want(cwnd, ssthresh int) {
	s.Helper()
	if s.c.Cwnd != cwnd || s.c.Ssthresh != ssthresh {
		s.Fatalf("window %d and threshold %d, want %d and %d", s.c.Cwnd, s.c.Ssthresh, cwnd, ssthresh)
	}
}

func TestRenoGrowsByOnePerRoundTrip(t *testing.T) {
	s := newStory(t, new(cc.Reno))
	s.c.Cwnd, s.c.Ssthresh = 40, 40
	for i := range 100 {
		s.window(time.Millisecond)
		s.want(41+i, 40)
	}

	s.say("what one window leaves over counts in the next")
	s = newStory(t, new(cc.Reno))
	s.c.Cwnd, s.c.Ssthresh = 10, 10
	for range 3 {
		s.ack(3, 0)
	}
	s.want(10, 10)
	s.ack(3, 0) // 12 packets: one window of 10, and 2 of the next
	s.want(11, 10)
	s.ack(8, 0)
	s.want(11, 10)
	s.ack(1, 0)
	s.want(12, 10)

	s.say("an acknowledgement of several windows, and one of nothing")
	s.ack(12+13+14, 0)
	s.want(15, 10)
	s.ack(0, 0)
	s.ack(-1, 0)
	s.want(15, 10)

	s.say("a window that is not used does not grow")
	s.c.Limited = false
	s.window(time.Millisecond)
	s.want(15, 10)
}

func TestRenoSlowStart(t *testing.T) {
	s := newStory(t, new(cc.Reno))
	s.say("one packet for each that is acknowledged")
	s.window(time.Millisecond)
	s.want(20, cc.NoSsthresh)
	s.say("an acknowledgement is good for two at most")
	s.ack(5, 0)
	s.want(22, cc.NoSsthresh)

	s.say("a loss: half of what is outstanding")
	s.c.Outstanding = 21
	s.ctl.Loss(&s.c)
	s.want(22, 10)
	s.say("and at least two")
	s.c.Outstanding = 3
	s.ctl.Loss(&s.c)
	s.want(22, 2)
}

func TestRenoTimeout(t *testing.T) {
	s := newStory(t, new(cc.Reno))
	s.c.Cwnd, s.c.Outstanding = 40, 40
	s.ctl.Timeout(&s.c)
	s.want(1, 20)
	s.say("a second timeout of the same packet leaves the threshold alone")
	s.c.Outstanding = 1
	s.ctl.Timeout(&s.c)
	s.want(1, 20)

	s.say("one packet for an acknowledgement, also for one of many")
	s.ack(1, 0)
	s.want(2, 20)
	s.ack(30, 0)
	s.want(3, 20)

	s.say("from the threshold on, one per round trip")
	for s.c.Cwnd < 20 {
		s.ack(1, 0)
	}
	s.want(20, 20)
	s.window(time.Millisecond)
	s.want(21, 20)

	s.say("a timeout of a later packet is another")
	s.c.Outstanding = 21
	s.ctl.Timeout(&s.c)
	s.want(1, 10)
}

func TestNew(t *testing.T) {
	for _, name := range cc.Names() {
		if controller(t, name) == nil {
			t.Errorf("%s is nil", name)
		}
	}
	if _, ok := controller(t, "").(*cc.Cubic); !ok {
		t.Errorf("the default is %T", controller(t, ""))
	}
	const want = `cc: no congestion controller is called "vegas": take one of bbr, cubic, reno`
	if _, err := cc.New("vegas"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever happens to a connection, its window and threshold can be used.
func FuzzControllers(f *testing.F) {
	f.Add([]byte("\x00\x10\x20\x30\x01\x02\x03\x00\xff\x04\x05\x06\x07\x08"))
	f.Add([]byte("aaaaaaaalaaaatarasssss\x00\x01\x02\x03\x04\x05\x06\x07zzzz"))
	f.Fuzz(func(t *testing.T, what []byte) {
		for _, name := range cc.Names() {
			ctl := controller(t, name)
			c := cc.Conn{Cwnd: cc.InitialWindow, Ssthresh: cc.NoSsthresh, MSS: mss}
			var s pacer.Sample
			for _, w := range what {
				size := int64(1) << (w >> 2 & 63)
				c.Now += clock.Time(size >> 12)
				c.Limited, c.Paced = w&4 != 0, w&8 != 0
				c.Outstanding = int(size >> 43)
				switch w & 3 {
				case 0:
					c.Una += pacer.Seq(size)
					c.Nxt = c.Una + pacer.Seq(c.Cwnd*mss)
					c.RTT, c.SRTT = time.Duration(size>>8), time.Duration(size>>7)
					ctl.Ack(&c, int(size>>20)-1)
				case 1:
					s = pacer.Sample{At: c.Now, Acked: size >> 10, Delivered: s.Delivered + size>>10, Prior: s.Delivered,
						RTT: c.RTT, Rate: size, InFlight: size >> 5, Lost: size >> 20}
					if sampler, ok := ctl.(cc.Sampler); ok {
						sampler.Sample(&c, &s)
					}
				case 2:
					ctl.Loss(&c)
					c.Cwnd = c.Ssthresh
					ctl.Recovered(&c)
				case 3:
					ctl.Timeout(&c)
				}
				if c.Cwnd < 1 || c.Cwnd > 1<<20 || c.Ssthresh < 2 || c.PacingRate < 0 {
					t.Fatalf("%s: window %d, threshold %d, rate %d", name, c.Cwnd, c.Ssthresh, c.PacingRate)
				}
			}
		}
	})
}
