package hold_test

import (
	"fmt"
	"log"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// An uplink is a line of 100 Mbit/s that counts the bytes of the wire by destination port.
type uplink map[uint16]int

func (u uplink) Info() link.Info         { return link.Info{Name: "uplink", MTU: 1500, Speed: 100e6} }
func (u uplink) Attach(link.Handler)     {}
func (u uplink) Close() error            { return nil }
func (u uplink) Below() link.Device      { return nil }
func (u uplink) Counters() link.Counters { return link.Counters{Kind: "uplink"} }

func (u uplink) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		u[f.Flow.DstPort] += f.Size.Wire
		f.Left(f.Sched.Or(f.Depart))
		f.Free()
	}
	return len(frames), nil
}

// Calls and backups share a line of 100 Mbit/s. There are two calls, to ports 5004 and 5005,
// paced at 2 Mbit/s each by their class, and two backups, of an office and of a home, each of
// which would have the whole line. Rates, weights and policies change while frames wait.
func Example() {
	rule := func(s string) pacer.Rule {
		r, err := pacer.ParseRule(s)
		if err != nil {
			log.Fatal(err)
		}
		return r
	}
	call, err := pacer.ParsePolicy("rate:2M", nil)
	if err != nil {
		log.Fatal(err)
	}
	calls := hold.Class{Name: "calls", Rule: rule("dport=5004-5005"), Policy: call}
	office := hold.Class{Name: "office", Rule: rule("dport=873"), Weight: 3}
	home := hold.Class{Name: "home", Rule: rule("dport=874")}

	clk, line := clock.NewVirtual(), make(uplink)
	held := hold.New(line, clk, &hold.Config{Classes: []hold.Class{calls, office, home}})

	// Each of them has 16 frames waiting at any time.
	ports := []uint16{5004, 5005, 873, 874}
	send := func() {
		for _, port := range ports {
			flow := pacer.Flow{DstPort: port, Proto: pacer.ProtoUDP}
			for n := held.Do(pacer.Command{Flow: flow}).Frames; n < 16; n++ {
				f := link.NewFrame(1514)
				f.Flow, f.Depart = flow, clk.Now()
				f.Size.Wire = link.WireBytes(f.Len())
				held.Transmit([]*link.Frame{f})
			}
		}
	}
	second := func(what string) {
		clear(line)
		for end := clk.Now().Add(time.Second); clk.Now() < end; clk.Step() {
			send()
		}
		fmt.Printf("%-28s", what)
		for _, port := range ports {
			fmt.Printf("  %d: %4.1f", port, float64(line[port])*8/1e6)
		}
		fmt.Println(" Mbit/s")
	}

	second("by weight, 3 to 1")
	if err := held.SetRate("office", 30e6); err != nil {
		log.Fatal(err)
	}
	second("office at most 30 Mbit/s")
	if call, err = pacer.ParsePolicy("rate:8M", nil); err != nil {
		log.Fatal(err)
	}
	calls.Policy, office.Weight = call, 1
	if err := held.SetClasses([]hold.Class{calls, office, home}, hold.Class{}); err != nil {
		log.Fatal(err)
	}
	second("calls of 8 Mbit/s, 1 to 1")
	for _, c := range held.Classes() {
		fmt.Printf("%s: %d frames\n", c.Name, c.Frames)
	}
	if err := held.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// by weight, 3 to 1             5004:  2.0  5005:  2.0  873: 72.0  874: 24.0 Mbit/s
	// office at most 30 Mbit/s      5004:  2.0  5005:  2.0  873: 30.0  874: 66.0 Mbit/s
	// calls of 8 Mbit/s, 1 to 1     5004:  8.0  5005:  8.0  873: 40.0  874: 40.0 Mbit/s
	// default: 0 frames
	// calls: 1954 frames
	// office: 11542 frames
	// home: 10564 frames
}
