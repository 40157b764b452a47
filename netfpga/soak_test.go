package netfpga_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// process is a sender of a soak test. It numbers its marks, and injects and marks again
// from within what it is told.
type process struct {
	sender      *netfpga.Sender
	marks, hits uint32
	want        int // packets to be sent
	sent        int
}

// Senders, interfaces and marks of four ports in random order: every packet that was taken
// leaves, those of a port in the order in which they were given to the driver, and every
// mark is hit once, in order, unless its sender has gone.
func TestSoak(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		cfg := netfpga.Config{Receive: netfpga.Route(seed % 2)}
		if seed%3 == 0 {
			cfg.PCI = pci.Measured()
		}
		if seed%5 == 0 {
			cfg.ClockPPM = 100
		}
		if seed%4 == 1 {
			cfg.Firmware = &netfpga.Firmware{}
		}
		clk := clock.NewVirtual()
		var given, left [4][]uint16 // packets are numbered by their source port
		number := uint16(0)
		devs := []*below{newBelow(), newBelow(), newBelow(), newBelow()}
		for p, dev := range devs {
			dev.onFrame = func(f *link.Frame) {
				left[p] = append(left[p], f.Flow.SrcPort)
			}
		}
		card := newCardOf(t, clk, cfg, devs...)
		card.Attach(&linktest.Null{})

		inject := func(s *process) bool {
			d := describe(64+rng.IntN(1454), clock.Time(rng.IntN(20_000)), false)
			d.Port = rng.IntN(4)
			d.Data = make([]byte, rng.IntN(d.Payload+1))
			number++
			d.Src = netip.AddrPortFrom(d.Src.Addr(), number)
			given[d.Port] = append(given[d.Port], number)
			err := s.sender.Inject(d)
			if errors.Is(err, link.ErrFull) {
				given[d.Port] = given[d.Port][:len(given[d.Port])-1]
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
			s.sent++
			return true
		}
		var all []*process
		for range 5 {
			s := &process{want: 300}
			pump := func() {
				for s.sent < s.want && inject(s) {
					if rng.IntN(10) == 0 {
						s.marks++
						if err := s.sender.Mark(s.marks); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			s.sender = card.NewSender(netfpga.SenderConfig{
				Ready: pump,
				Hit: func(seq uint32) {
					if s.hits++; seq != s.hits {
						t.Fatalf("seed %d: hit %d, want %d", seed, seq, s.hits)
					}
					if rng.IntN(2) == 0 {
						pump()
					}
				},
			})
			all = append(all, s)
			clk.AfterFunc(time.Duration(rng.IntN(1_000_000)), pump)
		}
		frames := 0
		var transmit func()
		transmit = func() {
			f := frame(60+rng.IntN(1454), clk.Now().Add(time.Duration(rng.IntN(100_000))))
			number++
			f.Flow.SrcPort = number
			given[0] = append(given[0], number)
			if n, _ := card.Transmit([]*link.Frame{f}); n == 1 {
				frames++
			} else {
				given[0] = given[0][:len(given[0])-1]
				f.Free()
			}
			if frames < 300 {
				clk.AfterFunc(time.Duration(rng.IntN(50_000)), transmit)
			}
		}
		transmit()
		gone := all[4]
		clk.AfterFunc(2*time.Millisecond, func() { gone.sender.Close(); gone.want = 0 })
		run(clk)

		sum := frames
		for _, s := range all {
			sum += s.sent
			if s != gone && (s.sent != s.want || s.hits != s.marks) {
				t.Errorf("seed %d: %d of %d packets, %d of %d marks", seed, s.sent, s.want, s.hits, s.marks)
			}
		}
		for p := range left {
			if !slices.Equal(left[p], given[p]) {
				t.Errorf("seed %d: port %d was given %d packets, and others or in another order left, %d", seed, p, len(given[p]), len(left[p]))
			}
		}
		if s := card.Counters(); s.Sent.Dropped() != 0 || s.Sent.Frames != uint64(sum) {
			t.Errorf("seed %d: %d were sent; %+v", seed, sum, s)
		}
		card.Close()
	}
}
