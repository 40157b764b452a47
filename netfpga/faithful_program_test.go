package netfpga_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/image"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// numbered returns n frames that tell their numbers, of different lengths.
func numbered(n int, o link.Origin) []*link.Frame {
	var frames []*link.Frame
	for i := range n {
		f := frame(60+i, 0)
		binary.BigEndian.PutUint32(f.Bytes()[30:], uint32(i))
		f.Origin, f.Cookie = o, i
		frames = append(frames, f)
	}
	return frames
}

// told notes which frames an Origin was told of.
type told struct{ left, dropped []int }

func (o *told) Departed(f *link.Frame) {
	if i := f.Cookie.(int); f.Sent.IsSet() {
		o.left = append(o.left, i)
	} else {
		o.dropped = append(o.dropped, i)
	}
}

// A program may drop frames, change their order, change them, and make others: of every
// eight this one drops number 3, sends 5 behind 6, and changes 7.
func TestForeignProgram(t *testing.T) {
	file, err := os.ReadFile("testdata/foreign/foreign.elf")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := image.ReadELF(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{Image: foreign}})
	var left []uint32
	dev.onFrame = func(f *link.Frame) {
		left = append(left, binary.BigEndian.Uint32(f.Bytes()[30:]))
	}
	var origin told
	const n = 800
	frames := numbered(n, &origin)
	card.Attach(&linktest.Null{})
	taken := 0
	for taken < n {
		k, err := card.Transmit(frames[taken:])
		if taken += k; err != nil && !errors.Is(err, link.ErrFull) {
			t.Fatal(err)
		}
		clk.RunUntil(clk.Now() + 100_000)
	}
	run(clk)

	var want []uint32
	var with, without []int
	for i := 0; i < n; i += 8 {
		at := uint32(i)
		want = append(want, at, at+1, at+2, at+4, at+6, at+5, at+7, 0xeeeeeeee)
		with = append(with, i, i+1, i+2, i+4, i+6, i+5)
		without = append(without, i+3, i+7)
	}
	if !slices.Equal(left, want) {
		t.Errorf("%d frames left, in the order %v", len(left), left)
	}
	if !slices.Equal(origin.left, with) {
		t.Errorf("Origins were told that these left: %v", origin.left)
	}
	overtaken := len(origin.dropped)
	if s := card.Counters(); s.Get("foreign") != n/4 || s.Sent.Drops[link.LinkError] != uint64(overtaken) || overtaken == 0 {
		t.Errorf("%d foreign, %d dropped; %+v", s.Get("foreign"), overtaken, s.Sent.Drops)
	}
	card.Close()
	if !slices.Equal(origin.dropped, without) {
		t.Errorf("Origins were told that these were dropped: %v", origin.dropped)
	}
	if s := card.Counters(); s.Sent.Dropped() != n/4 {
		t.Errorf("%+v", s.Sent.Drops)
	}
}

// A program that does not know the driver's language sends it what it does not know.
func TestWrongProgram(t *testing.T) {
	for _, name := range []string{"bounce", "hello"} {
		img, err := programs.Image(name)
		if err != nil {
			t.Fatal(err)
		}
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{Image: img}})
		var origin told
		n, err := card.Transmit(numbered(200, &origin))
		if !errors.Is(err, link.ErrFull) {
			t.Errorf("%s: Transmit = %d, %v", name, n, err)
		}
		clk.RunUntil(100_000_000)
		if s := card.Counters(); len(dev.sent) != 0 || card.Err() != nil || name == "bounce" && s.Get("driver_malformed") != 1 {
			t.Errorf("%s: %+v, %v", name, s, card.Err())
		} else if takes := name == "bounce"; s.Get("machine_slots") > 0 != takes || s.Get("pktgen_messages") > 0 != takes || s.Get("pktgen_packets") != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		card.Close()
		if len(origin.dropped) != n {
			t.Errorf("%s: %d of %d dropped", name, len(origin.dropped), n)
		}
	}
}

// assembled returns a program whose first thread executes these words, and whose others
// do nothing.
func assembled(words ...uint32) *netthreads.Image {
	const threads, apart = 8, netthreads.ThreadText / 4
	text := make([]uint32, threads*apart)
	text = append(text, words...)
	for t := range threads {
		self := uint32(netthreads.TextBase/4 + t*apart + 1)
		text[t*apart+1] = 0x08000000 | self&0x03ffffff // j self
	}
	text[1] = 0x08000000 | (netthreads.TextBase/4+threads*apart)&0x03ffffff // j words
	img := &netthreads.Image{}
	for _, w := range text {
		img.Text = binary.BigEndian.AppendUint32(img.Text, w)
	}
	return img
}

// crash is a program that gives the hardware one slot, and fails with the first message.
func crash() *netthreads.Image {
	return assembled(
		0x3c01e000, // lui $1,0xe000
		0xac200000, // sw $0,0($1)
		0x3c02a000, // lui $2,0xa000
		0x8c430000, // loop: lw $3,0($2)
		0x24640001, // addiu $4,$3,1
		0x1080fffd, // beq $4,$0,loop
		0xffffffff, // no instruction
	)
}

// flood is a program that gives the hardware one slot, and then launches packets of n
// bytes as fast as it can, to MAC 0, MAC 1 and the host.
func flood(n int) *netthreads.Image {
	const ports = 0b111
	return assembled(
		0x3c01e000,                         // lui $1,0xe000
		0xac200000,                         // sw $0,0($1)
		0x3c020800,                         // lui $2,0x0800
		0x3c030000|ports,                   // lui $3,ports
		0xac430000,                         // sw $3,0($2)
		0x3c042000,                         // lui $4,0x2000
		0xac820000,                         // sw $2,0($4), the start
		0x24450000|uint32(n+7),             // addiu $5,$2,n+7
		0x3c064000,                         // lui $6,0x4000
		0xacc50000,                         // sw $5,0($6), the last byte
		0x24070000|0x101>>uint32(n&7)&0xff, // addiu $7,$0,which of 8 that is
		0x3c086000,                         // lui $8,0x6000
		0xad070000,                         // sw $7,0($8)
		0x3c098000,                         // lui $9,0x8000
		0x8d2a0000,                         // loop: lw $10,0($9), the launch
		0x1000fffe,                         // beq $0,$0,loop
	)
}

// A program may launch more than the line and the driver take, and what is no frame.
func TestFlood(t *testing.T) {
	for _, n := range []int{1, 60, 1514, 1592, 5000} {
		clk, dev := clock.NewVirtual(), newBelow()
		length := 0
		dev.onFrame = func(f *link.Frame) { length = f.Len() }
		card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{Image: flood(n)}})
		clk.RunUntil(20_000_000)
		card.Close()
		clk.RunUntil(30_000_000)
		s := card.Counters()
		frames := uint64(len(dev.sent))
		onLine := uint64(20_000_000 / 8 / link.WireBytes(n))
		switch {
		case n > 1514 && (frames != 0 || s.Get("machine_too_long") < s.Get("pktgen_packets")):
			t.Errorf("%d bytes: %d frames left; %+v", n, frames, s)
		case n <= 1514 && (frames > onLine+1 || frames < onLine-100 || length != n || s.Get("foreign") < int64(frames) || s.Sent.Frames != frames):
			t.Errorf("%d bytes: %d frames of %d left; %+v", n, frames, length, s)
		case n == 1514 && s.Get("machine_queue_full") == 0, s.Get("machine_no_port") > 0, s.Get("machine_launched") < int64(frames), n < 48 && s.Get("driver_malformed") == 0, card.Err() != nil:
			t.Errorf("%d bytes: %+v, %v", n, s, card.Err())
		}
	}
}

// A card whose machine fails stops, says why, and keeps no frame.
func TestFault(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{Receive: netfpga.ByCard, Firmware: &netfpga.Firmware{Image: crash()}})
	above := newFeed(card, func() *link.Frame { return nil })
	var origin told
	if n, err := card.Transmit(numbered(10, &origin)); n != 10 || err != nil {
		t.Fatalf("Transmit = %d, %v", n, err)
	}
	dev.handler.Receive([]*link.Frame{frame(60, 0)})
	var failed []error
	sender := card.NewSender(netfpga.SenderConfig{})
	clk.AfterFunc(0, func() {
		for sender.Inject(describe(1518, 0, true)) == nil {
		}
	})
	ready := card.NewSender(netfpga.SenderConfig{Ready: func() { failed = append(failed, card.Err()) }})
	clk.RunUntil(1000)
	if err := ready.Inject(describe(1518, 0, true)); !errors.Is(err, link.ErrFull) {
		t.Fatal(err)
	}
	run(clk)

	var fault *netthreads.Fault
	if err := card.Err(); !errors.As(err, &fault) || fault.Word != 0xffffffff || fault.Thread != 0 {
		t.Fatalf("Err = %v", err)
	}
	// The reset is there after 28 us and the time of 60 bytes.
	if at := clock.Time(fault.Cycle * 8); at < 28_455 || at > 28_800 {
		t.Errorf("it failed at %v", at)
	}
	if len(failed) != 1 || failed[0] != card.Err() {
		t.Errorf("the sender that waited for room was told of %v", failed)
	}
	f := frame(60, 0)
	if n, err := card.Transmit([]*link.Frame{f}); n != 0 || err != card.Err() {
		t.Errorf("Transmit = %d, %v", n, err)
	}
	f.Free()
	if err := sender.Inject(describe(60, 0, true)); err != card.Err() {
		t.Errorf("Inject = %v", err)
	}
	dev.handler.Receive([]*link.Frame{frame(60, 0)})
	s := card.Counters()
	if len(dev.sent) != 0 || len(origin.dropped) != 10 || int64(s.Sent.Drops[link.LinkError]) != 10+s.Get("injected") {
		t.Errorf("%d left, %d dropped; %+v", len(dev.sent), len(origin.dropped), s.Sent.Drops)
	}
	if above.received != 0 || s.Received.Drops[link.LinkError] != 2 {
		t.Errorf("%d received; %+v", above.received, s.Received)
	}
	if err := card.Close(); err != nil || dev.closed != 1 {
		t.Errorf("Close = %v", err)
	}
}

// What leaves is what was in the card's memory: of every frame 200 bytes and zeros, whatever
// its protocol, and all of it if that is asked for.
func TestFaithfulBytes(t *testing.T) {
	for _, whole := range []bool{false, true} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{FullPayload: whole}})
		rng := rand.New(rand.NewPCG(1, 2))
		var want [][]byte
		dev.onFrame = func(f *link.Frame) {
			if !bytes.Equal(f.Bytes(), want[0]) {
				t.Fatalf("full payload %v: a frame has other bytes below than above:\n%x, want\n%x", whole, f.Bytes(), want[0])
			}
			want = want[1:]
		}
		i := 0
		newFeed(card, func() *link.Frame {
			if i++; i > 500 {
				return nil
			}
			f := frame(60+rng.IntN(1455), clk.Now())
			for j := range f.Bytes() {
				f.Bytes()[j] = byte(rng.Uint32())
			}
			if i%3 == 0 { // zeros at the end
				clear(f.Bytes()[rng.IntN(f.Len()):])
			}
			f.Flow.Proto = []uint8{pacer.ProtoUDP, pacer.ProtoTCP, 0}[i%3]
			b := bytes.Clone(f.Bytes())
			if !whole && len(b) > 200 {
				clear(b[200:])
			}
			want = append(want, b)
			return f
		}).pump()
		run(clk)
		if s := card.Counters(); s.Sent.Frames != 500 || s.Get("foreign") != 0 || s.Sent.Dropped() != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// The time register wraps after 34.36 s, and the driver may have to learn what it shows. The
// bound of the error is the time that the program takes for the answer to a reset.
func TestFaithfulOwnClock(t *testing.T) {
	const wrap = time.Duration(8 << 32)
	for _, c := range []netfpga.Config{
		{ClockPPM: 100}, {ClockPPM: -100, ClockOffset: time.Hour}, {ClockOffset: wrap - 120*time.Millisecond},
	} {
		c.Firmware = &netfpga.Firmware{}
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &c)
		clk.RunUntil(110_000_000)
		const gap, ahead, n = 100_000, 1_000_000, 200
		for range n {
			clk.RunUntil(clk.Now() + gap)
			f := frame(100, clk.Now()+ahead+7)
			if taken, err := card.Transmit([]*link.Frame{f}); taken != 1 {
				t.Fatal(err)
			}
		}
		run(clk)
		bound := card.Clock().Error
		for i, at := range dev.sent {
			if miss := at.Sub(dev.asked[i]); miss < -bound || miss > bound+8 || bound > 100*time.Microsecond {
				t.Fatalf("%v, %v: frame %d missed its departure by %v, bound %v", c.ClockPPM, c.ClockOffset, i, miss, bound)
			}
		}
		if len(dev.sent) != n {
			t.Errorf("%d left", len(dev.sent))
		}
	}
}

// A machine that rests costs no events, and has the time when it is needed again.
func TestFaithfulRests(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{}})
	run(clk)
	if at := clk.Now(); at > 3_000_000 {
		t.Errorf("it came to rest at %v", at)
	}
	for _, at := range []clock.Time{1e9, 30e9, 40e9, 1000e9} { // it wraps after 34 s
		clk.RunUntil(at - 1_000_000)
		if n, err := card.Transmit([]*link.Frame{frame(60, at)}); n != 1 {
			t.Fatal(err)
		}
		run(clk)
		if last := dev.sent[len(dev.sent)-1]; last != at {
			t.Errorf("left at %v, want %v", last, at)
		}
	}
}

// The machine is ahead of the clock, and skips what it can. Neither that nor the clock's
// other events change what it does.
func TestFaithfulIsReproducible(t *testing.T) {
	var want []clock.Time
	for _, c := range []struct{ events, plain bool }{{}, {events: true}, {plain: true}} {
		clk, dev := clock.NewVirtual(), newBelow()
		card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{Machine: netthreads.Config{Plain: c.plain}}})
		var tick func()
		tick = func() {
			if clk.Now() < 40_000_000 {
				clk.AfterFunc(777, tick)
			}
		}
		if c.events {
			tick()
		}
		sender := card.NewSender(netfpga.SenderConfig{})
		rng := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			clk.RunUntil(clk.Now() + clock.Time(rng.IntN(200_000)))
			d := describe(64+rng.IntN(1455), clk.Now()+clock.Time(rng.IntN(400_000)), true)
			if err := sender.Inject(d); err != nil {
				t.Fatal(err)
			}
		}
		run(clk)
		if want == nil {
			want = dev.sent
		}
		if len(want) != 300 || !slices.Equal(dev.sent, want) {
			t.Errorf("%+v changes what the card does", c)
		}
	}
}

func TestFaithfulDoesNotAllocate(t *testing.T) {
	if slow {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	clk := clock.NewVirtual()
	card := newCard(t, clk, &linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, &netfpga.Config{Firmware: &netfpga.Firmware{}})
	var pool link.Pool
	batch := make([]*link.Frame, 8)
	send := func() {
		for i := range batch {
			f := pool.Frame(1000)
			f.Depart, f.Paced = clk.Now()+200_000, true
			batch[i] = f
		}
		if n, err := card.Transmit(batch); n != len(batch) {
			t.Fatal(err)
		}
		clk.RunUntil(clk.Now() + 400_000)
	}
	send()
	if n := testing.AllocsPerRun(100, send); n != 0 {
		t.Errorf("%v allocations for %d frames", n, len(batch))
	}
}

func TestFaithfulRefuses(t *testing.T) {
	firmware := &netfpga.Firmware{}
	for _, c := range []netfpga.Config{
		{Firmware: firmware, Late: pktgen.Late{Policy: pktgen.Drop}},
		{Firmware: firmware, PCI: pci.Cost{Speed: 1e9}},
		{Firmware: &netfpga.Firmware{Image: &netthreads.Image{}}},
		{Firmware: &netfpga.Firmware{Machine: netthreads.Config{CPUs: 100}}},
	} {
		if _, err := netfpga.New(clock.NewVirtual(), newBelow(), &c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
