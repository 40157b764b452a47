package stack_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack"
)

// The loop of a connection, seen from the program that uses it: it sends through a
// bottleneck of 50 Mbit/s, 10 ms away, first as the window allows and then at a rate of its
// own, and looks at what comes back.
func ExampleTCPConn_SetPacingRate() {
	w := stack.NewWorld(1)
	defer w.Close()
	a, b := wire.New(w.Clock(),
		&wire.Config{Line: 1e9, Rate: 50e6, Delay: 5 * time.Millisecond, QueueFrames: 50},
		&wire.Config{Rate: 1e9, Delay: 5 * time.Millisecond})
	near, err := w.NewHost(stack.Config{
		Device: hold.New(a, w.Clock(), nil), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
		Pacing: func() pacer.Pacer { return new(pacer.Window) },
	})
	if err != nil {
		log.Fatal(err)
	}
	far, err := w.NewHost(stack.Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := far.Listen("tcp", ":9")
	if err != nil {
		log.Fatal(err)
	}
	w.Go(func() {
		c, err := l.Accept()
		for block := make([]byte, 1<<16); err == nil; {
			_, err = c.Read(block)
		}
	})

	err = w.Run(func() {
		conn, err := near.Dial("tcp", "10.0.0.2:9")
		if err != nil {
			log.Fatal(err)
		}
		c := conn.(*stack.TCPConn)
		w.Go(func() {
			for block := make([]byte, 1<<16); err == nil; {
				_, err = c.Write(block)
			}
		})
		look := func(paced string) {
			w.Sleep(time.Second)
			fb := c.Feedback()
			fmt.Printf("%s: window %d packets, %.1f Mbit/s delivered, round trip %.1f ms, at least %.1f ms, %d bytes wait\n",
				paced, fb.Cwnd/fb.MSS, float64(fb.DeliveryRate)/1e6,
				float64(fb.RTT.Microseconds())/1e3, float64(fb.MinRTT.Microseconds())/1e3, fb.Queued)
		}
		look("by the window")
		if err := c.SetPacingRate(20e6, pacer.Payload); err != nil {
			log.Fatal(err)
		}
		look("at 20 Mbit/s ")
		c.Abort()
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// by the window: window 76 packets, 46.6 Mbit/s delivered, round trip 18.1 ms, at least 10.0 ms, 0 bytes wait
	// at 20 Mbit/s : window 76 packets, 20.0 Mbit/s delivered, round trip 10.3 ms, at least 10.0 ms, 3000 bytes wait
}
