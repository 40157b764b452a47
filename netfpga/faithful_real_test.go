package netfpga_test

import (
	"errors"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/pacer/clock"
)

// In real time the faithful card sends all that it is given, in order and not before its
// time, however slow the machine is on this computer, and lets the clock go on meanwhile. Where
// the computer holds the machine up, it is behind the clock, and says so.
func TestFaithfulInRealTime(t *testing.T) {
	for name, machine := range map[string]netthreads.Config{
		"the original's": {},
		"slow":           {Plain: true, CPUs: 4, Memory: &netthreads.Memory{}},
	} {
		t.Run(name, func(t *testing.T) {
			clk := clock.NewReal()
			defer clk.Close()
			dev := newBelow()
			const n = 50
			left := make(chan int, n)
			const held = 2 * time.Millisecond
			dev.onFrame = func(f *link.Frame) {
				left <- f.Len()
				if name == "slow" && f.Len() == 142+n/2 {
					for until := clk.Now().Add(held); clk.Now() < until; {
					}
				}
			}
			var card *netfpga.Card
			var sender *netfpga.Sender
			d := describe(64, 0, true)
			i := 0
			send := func() {
				for ; i < n; i++ {
					d.Payload = 100 + i
					err := sender.Inject(d)
					if errors.Is(err, link.ErrFull) {
						return
					}
					if err != nil {
						t.Error(err)
					}
					d.Departure, d.Absolute = 50_000, false
				}
			}
			clk.Do(func() {
				card = newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{Machine: machine}})
				sender = card.NewSender(netfpga.SenderConfig{Ready: send})
				d.Departure = clk.Now().Add(10 * time.Millisecond)
				send()
			})
			for k := range n {
				select {
				case b := <-left:
					if b != 142+k {
						t.Fatalf("packet %d has %d bytes", k, b)
					}
				case <-time.After(time.Minute):
					t.Fatalf("%d packets left: %v", k, card.Err())
				}
			}
			clk.Do(func() {
				for i, at := range dev.sent {
					if at < dev.asked[i]-7 { // cut to ticks
						t.Errorf("packet %d asked for %v and left at %v", i, dev.asked[i], at)
					}
				}
				s := card.Counters()
				if s.Sent.Frames != n || s.Get("foreign") != 0 || s.Sent.Dropped() != 0 || card.Err() != nil || s.Get("machine_slots") != 10 {
					t.Errorf("%+v, %v", s, card.Err())
				}
				if name == "slow" && s.Get("machine_behind_ns") < int64(held/2) {
					t.Errorf("behind by %d ns", s.Get("machine_behind_ns"))
				}
				card.Close()
			})
		})
	}
}
