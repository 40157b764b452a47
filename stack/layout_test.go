package stack

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// anotherLayout is set in the environment of a test binary that is to find another gVisor.
const anotherLayout = "CALIPER_ANOTHER_LAYOUT"

func init() {
	if os.Getenv(anotherLayout) != "" {
		forceAnotherLayout()
	}
}

func forceAnotherLayout() { checkLayout = func() error { return errLayout("it is another") } }

// needsLayout skips a test of what there is only with the gVisor whose layout is known: our
// controllers, segments that are full, the bound of what waits, the MSS of the path.
func needsLayout(t testing.TB) {
	t.Helper()
	if err := CheckGVisor(); err != nil {
		t.Skip(err)
	}
}

// needsController skips a test that needs another controller than CUBIC.
func needsController(t testing.TB, congestion func() cc.Controller) {
	t.Helper()
	if congestion != nil {
		if _, cubic := congestion().(*cc.Cubic); !cubic {
			needsLayout(t)
		}
	}
}

// With another gVisor all the package's tests pass that do not need the layout, and most do
// not.
func TestSuiteWithAnotherLayout(t *testing.T) {
	if slow {
		t.Skip("all of the suite again takes too long under the race detector")
	}
	needsLayout(t) // this is the test binary that it has run
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Examples cannot be skipped: that one's output is our controller's.
	cmd := exec.Command(self, "-test.short", "-test.v", "-test.timeout=5m", "-test.skip=^ExampleTCPConn_SetPacingRate$")
	cmd.Env = append(os.Environ(), anotherLayout+"=1")
	out, err := cmd.CombinedOutput()
	lines := strings.Split(string(out), "\n")
	count := func(begin, rest string) (n int) {
		for _, l := range lines {
			if strings.HasPrefix(l, begin) && strings.Contains(l, rest) {
				n++
			}
		}
		return n
	}
	passed, skipped := count("--- PASS:", ""), count("--- SKIP:", "")
	t.Logf("%d tests passed, %d were skipped", passed, skipped)
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	if passed < 2*skipped {
		t.Errorf("%d tests passed, and %d were skipped", passed, skipped)
	}
	if n := count("W", errLayout("it is another").Error()); n != 1 {
		t.Errorf("it is told %d times that it is another gVisor, want once", n)
	}
}

// With another gVisor a connection has netstack's CUBIC: all arrives and is counted, window,
// rate and round trip are known, and a pacer paces. What cannot be had is refused, and it is
// said why.
func TestAnotherLayout(t *testing.T) {
	defer func(f func() error) { checkLayout = f }(checkLayout)
	forceAnotherLayout()
	refused := func(what string, err error) {
		if err == nil || !strings.Contains(err.Error(), "it is another") || !strings.Contains(err.Error(), "go.mod") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("CheckGVisor", CheckGVisor())
	for seed := uint64(1); seed <= 8; seed++ { // each with its own first sequence number
		p := (&path{rate: 50e6, rtt: 10 * time.Millisecond, queue: 30, lose: []int{0, 50, 51, 300},
			congestion: newController("cubic")}).open(t, seed)
		const size = 2_000_000
		var samples, grown, recovering int
		got, fb := p.transfer(t, size, func(c *TCPConn) {
			p.world.Go(func() {
				for ; c.Outgoing().Acknowledged < size; p.world.Sleep(time.Millisecond) {
					fb, o := c.Feedback(), c.Outgoing()
					samples++
					if fb.Cwnd > 10*fb.MSS {
						grown++
					}
					if o.Acknowledged > o.Left.Bytes || o.Left.Bytes > o.Written.Bytes || fb.Outstanding != fb.InFlight {
						t.Errorf("%+v, %+v", o, fb)
					}
					if c.loop.words.recovering.Load() {
						recovering++
						if fb.Cwnd != fb.Ssthresh {
							t.Errorf("in recovery the window is %d, want %d", fb.Cwnd, fb.Ssthresh)
						}
					}
				}
			})
		})
		if got != size || p.loss.again < 4 || fb.MSS != 1420 || fb.RTT < p.rtt || fb.MinRTT < p.rtt || fb.DeliveryRate == 0 || fb.Ssthresh == 0 {
			t.Errorf("%d bytes, %d sent again, %+v", got, p.loss.again, fb)
		}
		if grown == 0 || recovering == 0 {
			t.Errorf("of %d looks %d show a larger window, %d a recovery", samples, grown, recovering)
		}
	}
	p := (&path{rate: 1e9, rtt: time.Millisecond, queue: 1000}).open(t, 1)
	if got := p.near.ep.SupportedGSO(); got != gstack.GSONotSupported {
		t.Errorf("netstack is told that it may make super-segments (%v), and makes uneven ones", got)
	}
	p.connected(t, func(c *TCPConn) {
		for _, name := range []string{"bbr", "reno"} {
			refused(name, c.SetCongestion(newController(name)()))
		}
		if err := c.SetCongestion(new(cc.Cubic)); err != nil || cc.Name(c.Congestion()) != "cubic" {
			t.Errorf("CUBIC: %v, %s", err, cc.Name(c.Congestion()))
		}
		if fb := c.Feedback(); fb.Cwnd != 10*1420 || fb.Ssthresh != 0 || c.PMTU() != 1500 || c.SendWindow() != 0 {
			t.Errorf("at the start: %+v, PMTU %d, peer's window %d", fb, c.PMTU(), c.SendWindow())
		}
		if err := c.SetPacingRate(8e6, pacer.Wire); err != nil {
			t.Error(err)
		}
		begin := c.host.Now()
		if _, err := io.WriteString(c, strings.Repeat("x", 100_000)); err != nil {
			t.Error(err)
		}
		if err := c.Drain(begin.Add(time.Second)); err != nil {
			t.Error(err)
		}
		if took := c.host.Now().Sub(begin); took < 100*time.Millisecond || took > 120*time.Millisecond {
			t.Errorf("100 kB at 8 Mbit/s took %v", took)
		}
		if o := c.Outgoing(); o.Acknowledged != 100_000 || o.Left.Bytes != 100_000 || o.Waiting.Bytes != 0 {
			t.Errorf("%+v", o)
		}
	})
	_, err := p.world.NewHost(Config{Device: p.trace, Addrs: p.near.Addrs(), Congestion: newController("reno")})
	refused("a host with Reno", err)
}

// Where the first sequence number is not known, an acknowledgement counts nothing before data
// has left, and then from the first that has.
func TestFirstNumberIsLearnt(t *testing.T) {
	l, _ := alone(0, 10_000)
	l.host.layout = errLayout("it is another")
	l.begin()
	ack := func(n pacer.Seq) int64 {
		l.Arrived(&pacer.Segment{Flags: pacer.FlagACK, Ack: n}, 2)
		return l.words.acked.Load()
	}
	if n := ack(5000); n != 0 {
		t.Errorf("%d bytes are acknowledged before one has left", n)
	}
	for _, seq := range []pacer.Seq{5000, 6000} {
		l.Departed(seq, seq+1000, clock.At(1), 0)
	}
	if n := ack(6000); n != 1000 || l.words.leftBytes.Load() != 2000 {
		t.Errorf("%d bytes are acknowledged, and %d have left: want 1000 and 2000", n, l.words.leftBytes.Load())
	}
}
