package netfpga_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// printer is a device in memory: what leaves the card is printed.
type printer struct{ link.Bottom }

func (printer) Info() link.Info {
	return link.Info{Name: "printer", MTU: 1500, Address: make([]byte, 6)}
}
func (printer) Attach(link.Handler) {}
func (printer) Close() error        { return nil }

func (printer) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		fmt.Printf("%d bytes, asked for %v = tick %.2f, left at tick %d\n",
			f.Len(), f.Depart, float64(f.Depart)/8, f.Sent.Or(clock.Never)/8)
		f.Free()
	}
	return len(frames), nil
}

// A card sends ten frames of 1518 bytes (1514 and FCS), one every 13,560 ns from 1001 ns
// on, in virtual time.
func Example() {
	clk := clock.NewVirtual()
	card, err := netfpga.New(clk, printer{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer card.Close()

	var frames []*link.Frame
	for i := range 10 {
		f := link.NewFrame(1514)
		f.Paced = true
		f.Depart = clock.Time(1001).Add(time.Duration(i) * 13560)
		frames = append(frames, f)
	}
	if _, err := card.Transmit(frames); err != nil {
		log.Fatal(err)
	}
	for clk.Step() {
	}

	s := card.Counters()
	fmt.Printf("%d frames in %d messages, %d late\n", s.Sent.Frames, s.Get("driver_messages"), s.Get("pktgen_late"))
	// Output:
	// 1514 bytes, asked for 0.000001001s = tick 125.12, left at tick 126
	// 1514 bytes, asked for 0.000014561s = tick 1820.12, left at tick 1821
	// 1514 bytes, asked for 0.000028121s = tick 3515.12, left at tick 3516
	// 1514 bytes, asked for 0.000041681s = tick 5210.12, left at tick 5211
	// 1514 bytes, asked for 0.000055241s = tick 6905.12, left at tick 6906
	// 1514 bytes, asked for 0.000068801s = tick 8600.12, left at tick 8601
	// 1514 bytes, asked for 0.000082361s = tick 10295.12, left at tick 10296
	// 1514 bytes, asked for 0.000095921s = tick 11990.12, left at tick 11991
	// 1514 bytes, asked for 0.000109481s = tick 13685.12, left at tick 13686
	// 1514 bytes, asked for 0.000123041s = tick 15380.12, left at tick 15381
	// 10 frames in 11 messages, 0 late
}

// Two ports of a card that is 50 ppm fast send what a generator describes: 30,000 packets,
// one every 13,333 ns, the first one absolute and the others relative, in turn by one port
// and the other. Marks keep no more than 200 of them in the driver.
func ExampleSender() {
	clk := clock.NewVirtual()
	var first, last clock.Time
	left := [2]int{}
	port := func(n int) link.Device {
		return &counter{leave: func(f *link.Frame) {
			last, _ = f.Sent.Get()
			if left[0]+left[1] == 0 {
				first = last
			}
			left[n]++
		}}
	}
	card, err := netfpga.New(clk, port(0), &netfpga.Config{Below: []link.Device{port(1)}, ClockPPM: 50})
	if err != nil {
		log.Fatal(err)
	}
	defer card.Close()
	clk.RunUntil(200_000_000) // it has learned how its clock runs

	sent := 0
	var sender *netfpga.Sender
	burst := func() {
		for range 100 {
			d := netfpga.Description{
				Src: netip.MustParseAddrPort("10.0.0.1:1000"), Dst: netip.MustParseAddrPort("10.0.0.2:2000"),
				Port: sent % 2, Departure: 13_333, Payload: 1470,
			}
			if sent == 0 {
				d.Departure, d.Absolute = clk.Now().Add(time.Millisecond), true
			}
			if err := sender.Inject(&d); err != nil {
				log.Fatal(err)
			}
			sent++
		}
		if err := sender.Mark(uint32(sent)); err != nil {
			log.Fatal(err)
		}
	}
	sender = card.NewSender(netfpga.SenderConfig{Hit: func(uint32) {
		if sent < 30_000 {
			burst()
		}
	}})
	burst()
	burst()
	for clk.Step() {
	}
	s := card.Counters()
	fmt.Printf("%d and %d packets, %d late, in %d messages\n", left[0], left[1], s.Get("pktgen_late"), s.Get("driver_messages"))
	fmt.Printf("%d ns from the first to the last, asked for %d\n", last-first, 29_999*13_333)
	fmt.Printf("the card's clock is %.2f ppm fast\n", card.Clock().DriftPPM)
	// Output:
	// 15000 and 15000 packets, 0 late, in 1284 messages
	// 399976666 ns from the first to the last, asked for 399976667
	// the card's clock is 50.00 ppm fast
}

// counter is a device in memory that calls a function with what leaves.
type counter struct {
	printer
	leave func(*link.Frame)
}

func (c *counter) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		c.leave(f)
		f.Free()
	}
	return len(frames), nil
}
