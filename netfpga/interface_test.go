package netfpga_test

import (
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A frame takes the wire for what it says, but not for less than it has, and not for more than
// a frame can have.
func TestLengthOnTheWire(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	var frames []*link.Frame
	for _, wire := range []int{84, 2000, 324, 84} {
		f := frame(200, 0)
		f.Size.Wire = wire
		frames = append(frames, f)
	}
	card.Transmit(frames)
	run(clk)
	if len(dev.sent) != 3 || dev.sent[1] != 224*8 || dev.sent[2] != (224+324)*8 {
		t.Errorf("left at %v", dev.sent)
	}
	if c := card.Counters(); c.Sent.Drops[link.TooLong] != 1 {
		t.Errorf("%+v", c)
	}
}

// The card notes when it was offered a frame, if nobody above did.
func TestEnqueued(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	var got []clock.Time
	dev.onFrame = func(f *link.Frame) { got = append(got, f.Enqueued.Or(clock.Never)) }
	card := newCard(t, clk, dev, nil)
	clk.RunUntil(1000)
	offered := frame(60, 5000)
	offered.Enqueued = clock.At(5)
	card.Transmit([]*link.Frame{offered, frame(60, 9000)})
	run(clk)
	if len(got) != 2 || got[0] != 5 || got[1] != 1000 {
		t.Errorf("enqueued at %v", got)
	}
}

// A device below that stamps is the one that says when a frame has left.
func TestStampsBelow(t *testing.T) {
	for _, stamps := range []bool{false, true} {
		clk, dev := clock.NewVirtual(), newBelow()
		dev.info.Stamps = stamps
		card := newCard(t, clk, dev, nil)
		card.Transmit([]*link.Frame{frame(60, 800)})
		run(clk)
		if want := map[bool]clock.Time{false: 800, true: clock.Never}[stamps]; len(dev.sent) != 1 || dev.sent[0] != want {
			t.Errorf("stamps %v: left at %v, want %v", stamps, dev.sent, want)
		}
	}
}

// A sender that has sent all that it had is not told of room any more.
func TestReadyOnce(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	ready := 0
	rest := []*link.Frame{frame(1514, 0)}
	newFeed(card, func() (f *link.Frame) {
		if ready++; len(rest) > 0 {
			f, rest = rest[0], rest[1:]
		}
		return f
	})
	var many []*link.Frame
	for range 40 {
		many = append(many, frame(1514, 1_000_000))
	}
	if _, err := card.Transmit(many); err != link.ErrFull {
		t.Fatal(err)
	}
	run(clk)
	told := ready
	sender := card.NewSender(netfpga.SenderConfig{})
	for sender.Inject(describe(1518, 2_000_000, true)) == nil {
	}
	run(clk)
	if told == 0 || ready != told {
		t.Errorf("told %d times, and %d times more when another one waited", told, ready-told)
	}
}

// A sender that has found room before it was told of it is not told.
func TestRoomFound(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	transmit := func(n int) (err error) {
		for ; n > 0 && err == nil; n-- {
			_, err = card.Transmit([]*link.Frame{frame(1514, 1_000_000)})
		}
		return err
	}
	ready, found := 0, 0
	newFeed(card, func() *link.Frame {
		if ready++; ready == 1 && transmit(40) != link.ErrFull {
			t.Error("there is room for 40")
		}
		return nil
	})
	sender := card.NewSender(netfpga.SenderConfig{Ready: func() {
		if found++; transmit(1) != nil {
			t.Error("there is no room for one")
		}
	}})
	if transmit(40) != link.ErrFull || sender.Inject(describe(1518, 1_000_000, true)) != link.ErrFull {
		t.Fatal("there is room for all")
	}
	run(clk)
	if found != 1 || ready != 1 {
		t.Errorf("told of room %d times, the sender %d times", ready, found)
	}
}

// A packet whose departure was cut is relative to the sender's own one before it. With a frame
// between them it is absolute, as the card counts from that.
func TestFrameBetweenPackets(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{Truncate: true})
	sender := card.NewSender(netfpga.SenderConfig{})
	if err := sender.Inject(describe(64, 1001, true)); err != nil {
		t.Fatal(err)
	}
	card.Transmit([]*link.Frame{frame(60, 2015)})
	if err := sender.Inject(describe(64, 8000, false)); err != nil {
		t.Fatal(err)
	}
	run(clk)
	if len(dev.sent) != 3 || dev.sent[0] != 1000 || dev.sent[1] != 2008 || dev.sent[2] != 9000 {
		t.Errorf("left at %v", dev.sent)
	}
}

// lateClock calls its functions late, as a real one does.
type lateClock struct {
	*clock.Virtual
	late clock.Time
}

func (c *lateClock) Now() clock.Time { return c.Virtual.Now() + c.late }

// A clock that calls late makes frames late, but not by less than a tick.
func TestLateClock(t *testing.T) {
	clk := &lateClock{Virtual: clock.NewVirtual()}
	card := newCard(t, clk, newBelow(), nil)
	for _, c := range []struct{ late, want int64 }{{0, 0}, {7, 0}, {8, 1}, {1000, 2}} {
		clk.late = 0
		card.Transmit([]*link.Frame{frame(60, clk.Now()+8000-clk.Now()%8)})
		clk.late = clock.Time(c.late)
		run(clk.Virtual)
		if got := card.Counters(); got.Get("late_clock") != c.want || late(got) != c.want {
			t.Errorf("%d ns late: %+v, want %d by the clock", c.late, got, c.want)
		}
	}
}

// What the program of a faithful card launches late is late by the card or by its line; a
// policy it has, if any, of its own.
func TestFaithfulLateness(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, &netfpga.Config{Firmware: &netfpga.Firmware{}})
	newFeed(card, schedule(300, 60, 2000, 1)).pump()
	run(clk)
	if c := card.Counters(); c.Sent.Frames != 300 || c.Get("late_policy") != 0 || c.Get("late_card") == 0 {
		t.Errorf("%+v", c)
	}
}
