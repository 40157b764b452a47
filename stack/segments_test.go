package stack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
)

// sizes is what segments with data a device was given, by payload, and those with SACK blocks.
type sizes struct {
	link.Device
	of      map[int]int
	longest int // IP packet
	sacks   int // segments with data and SACK blocks
}

func (s *sizes) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		s.longest = max(s.longest, f.Len())
		seg, ok := pacer.ParseSegment(f.Bytes())
		if ok && seg.Payload > 0 {
			s.of[seg.Payload]++
			if len(seg.SACK()) > 0 {
				s.sacks++
			}
		}
	}
	return s.Device.Transmit(frames)
}

// TestSegmentsAreFull has data go both ways with losses: segments carry all that the MTU has
// room for beside a time stamp, those with SACK blocks what these leave, and none is longer.
func TestSegmentsAreFull(t *testing.T) {
	needsLayout(t)
	for _, mtu := range []int{1500, 1280, 9000} {
		for _, remote := range []string{"10.0.0.2:80", "[fd00::2]:80"} {
			for _, whole := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s MTU %d whole %v", remote, mtu, whole), func(t *testing.T) { segmentsAreFull(t, mtu, remote, whole) })
			}
		}
	}
}

func segmentsAreFull(t *testing.T, mtu int, remote string, whole bool) {
	w := NewWorld(uint64(mtu))
	defer w.Close()
	c := &wire.Config{Rate: 1e9, Delay: time.Millisecond, MTU: mtu}
	a, b := wire.New(w.Clock(), c, c)
	lost := link.Faults{Drop: 0.01}
	lossy := link.NewFault(a, w.Clock(), &link.FaultConfig{Seed: 1, Sent: lost, Received: lost})
	left := [2]*sizes{{Device: lossy, of: map[int]int{}}, {Device: b, of: map[int]int{}}}
	var hosts [2]*Host
	for i := range hosts {
		var top link.Device = left[i]
		if whole { // super-segments are cut by the hold, else by the endpoint
			top = hold.New(top, w.Clock(), nil)
		}
		var err error
		if hosts[i], err = w.NewHost(Config{Device: top, Addrs: hostAddrs(i + 1), MinRTO: 20 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	const size = 3 << 20
	data := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	l, err := hosts[1].Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	both := func(c *TCPConn) {
		w.Go(func() {
			c.Write(data)
			c.CloseWrite()
		})
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d arrived as they were sent: %v", len(got), size, err)
		}
		done++
	}
	w.Go(func() {
		if c, err := l.Accept(); err == nil {
			both(c.(*TCPConn))
		}
	})
	if err := w.Run(func() {
		c, err := hosts[0].Dial("tcp", remote)
		if err != nil {
			t.Error(err)
			return
		}
		both(c.(*TCPConn))
		w.Sleep(time.Second)
	}); err != nil || done != 2 {
		t.Fatalf("%d ends are done: %v", done, err)
	}
	headers := 20 + 32
	if remote[0] == '[' {
		headers += 20
	}
	for i, s := range left {
		all, full := 0, s.of[mtu-headers]
		for payload, n := range s.of {
			if all += n; payload > mtu-headers {
				t.Errorf("host %d has sent %d segments of %d bytes", i, n, payload)
			}
		}
		if s.longest != mtu {
			t.Errorf("the longest packet of host %d has %d bytes", i, s.longest)
		}
		if s.sacks == 0 || full < (all-2*s.sacks)*9/10 {
			t.Errorf("host %d: %d segments of %d are full, and %d have SACK blocks", i, full, all, s.sacks)
		}
	}
}
