package pci

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

func (e *ends) Interrupt()         { e.note("interrupt %03b", e.bus.Status()) }
func (e *ends) Receive(msg []byte) { e.note("card has %q", msg) }
func (e *ends) Taken()             { e.note("taken") }

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
	e.bus.Write([]byte("to the card"))
	e.bus.Offer([]byte("to the driver"))
	p := make([]byte, 100)
	if n := e.bus.Read(p); string(p[:n]) != "to the driver" {
		t.Errorf("read %q", p[:n])
	}
	e.expect(t, `0 card has "to the card"`, "0 interrupt 001", "0 interrupt 010", "0 taken", "0 interrupt 100")
	if s := e.bus.Stats(); s != (Stats{Transfers: 2, Bytes: 24}) {
		t.Errorf("%+v", s)
	}
}

// A transfer of 132 bytes takes 1 us at 33 MHz by 32 bit, and nothing arrives before.
func TestBusWithCost(t *testing.T) {
	e := newEnds(Cost{Transfer: 10 * time.Microsecond, Speed: 33e6 * 32})
	msg := make([]byte, 132)
	copy(msg, "A")
	e.bus.Write(msg[:1])
	e.clk.RunUntil(10_000)
	if len(e.log) != 0 {
		t.Errorf("%q before the transfer is complete", e.log)
	}
	e.expect(t, `10008 card has "A"`, "10008 interrupt 001")

	e.log = nil
	e.bus.Offer(msg)
	e.bus.Read(make([]byte, 1592))
	e.expect(t, "10008 interrupt 010", "21008 taken", "21008 interrupt 100")
}

func TestStopAbandonsTransfer(t *testing.T) {
	e := newEnds(Measured())
	e.bus.Write([]byte("lost"))
	e.bus.Stop()
	e.expect(t)
	e.bus.Write([]byte("found"))
	e.expect(t, `28038 card has "found"`, "28038 interrupt 001")
}
