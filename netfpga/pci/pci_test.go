package pci

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// ends is both sides of a bus, which write down what they hear of and when.
type ends struct {
	clk *clock.Virtual
	bus *Bus
	log []string
}

func newEnds(cost Cost) *ends {
	e := &ends{clk: clock.NewVirtual()}
	e.bus = New(e.clk, cost)
	e.bus.Connect(e, e)
	return e
}

func (e *ends) note(format string, args ...any) {
	e.log = append(e.log, fmt.Sprintf("%d ", int64(e.clk.Now()))+fmt.Sprintf(format, args...))
}

func (e *ends) Interrupt()                      { e.note("interrupt %03b", e.bus.Status()) }
func (e *ends) Receive(msg *drivercomm.Message) { e.note("card has %q", msg.Bytes) }
func (e *ends) Taken(queue int)                 { e.note("taken from %d", queue) }

func (e *ends) write(msg string) {
	e.bus.Write(&drivercomm.Message{Len: len(msg), Bytes: []byte(msg)})
}

func (e *ends) expect(t *testing.T, want ...string) {
	t.Helper()
	for e.clk.Step() {
	}
	if !slices.Equal(e.log, want) {
		t.Errorf("got  %q\nwant %q", e.log, want)
	}
}

func TestBusWithoutCost(t *testing.T) {
	e := newEnds(Cost{})
	e.write("to the card")
	e.bus.Offer(Generator, []byte("to the driver"))
	p := make([]byte, 100)
	if q, n := e.bus.Read(p); string(p[:n]) != "to the driver" || q != Generator {
		t.Errorf("read %q of queue %d", p[:n], q)
	}
	e.expect(t, `0 card has "to the card"`, "0 interrupt 001", "0 interrupt 010", "0 taken from 0", "0 interrupt 100")
	if s := e.bus.Stats(); s != (Stats{Transfers: 2, Bytes: 24}) {
		t.Errorf("%+v", s)
	}
}

// A transfer of 132 bytes takes 1 us at 33 MHz by 32 bit, and nothing arrives before.
func TestBusWithCost(t *testing.T) {
	e := newEnds(Cost{Transfer: 10 * time.Microsecond, Speed: 33e6 * 32})
	e.write("A")
	e.clk.RunUntil(10_000)
	if len(e.log) != 0 {
		t.Errorf("%q before the transfer is complete", e.log)
	}
	e.expect(t, `10008 card has "A"`, "10008 interrupt 001")

	e.log = nil
	e.bus.Offer(Generator, make([]byte, 132))
	e.bus.Read(make([]byte, 1592))
	e.expect(t, "10008 interrupt 010", "21008 taken from 0", "21008 interrupt 100")
}

// The generator's messages come first, and the ports take turns. As long as there is one
// more, the interrupt says so.
func TestQueuesTakeTurns(t *testing.T) {
	e := newEnds(Cost{})
	p := make([]byte, 100)
	for _, q := range []int{Received + 2, Received, Generator, Received + 3} {
		e.bus.Offer(q, fmt.Appendf(nil, "of queue %d", q))
	}
	e.log = nil
	read := func(want int) {
		t.Helper()
		if q, n := e.bus.Read(p); q != want || string(p[:n]) != fmt.Sprintf("of queue %d", want) {
			t.Errorf("read %q of queue %d, want %d", p[:n], q, want)
		}
	}
	read(Generator)
	read(Received)
	e.bus.Offer(Received, []byte("of queue 1"))
	e.bus.Offer(Generator, []byte("of queue 0"))
	read(Generator)
	read(Received + 2)
	read(Received + 3)
	read(Received)
	e.expect(t, "0 taken from 0", "0 interrupt 110", "0 taken from 1", "0 interrupt 110",
		"0 interrupt 010", "0 interrupt 010", "0 taken from 0", "0 interrupt 110",
		"0 taken from 3", "0 interrupt 110", "0 taken from 4", "0 interrupt 110", "0 taken from 1", "0 interrupt 100")
}

func TestStopAbandonsTransfer(t *testing.T) {
	e := newEnds(Measured())
	e.write("lost")
	e.bus.Stop()
	e.expect(t)
	e.write("found")
	e.expect(t, `28038 card has "found"`, "28038 interrupt 001")
}
