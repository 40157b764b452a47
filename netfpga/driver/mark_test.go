package driver

import (
	"fmt"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
)

// process is one that sets marks, and writes down which were hit.
type process struct {
	hits  []uint32
	onHit func()
}

func (p *process) Hit(seq uint32) {
	p.hits = append(p.hits, seq)
	if p.onHit != nil {
		p.onHit()
	}
}

func (p *process) expect(t *testing.T, what, want string) {
	t.Helper()
	if got := fmt.Sprint(p.hits); got != want {
		t.Errorf("%s: hits %s, want %s", what, got, want)
	}
}

// A mark is hit when the buffer with the last packet has been copied to the card.
func TestMarks(t *testing.T) {
	c := newCard(t, pci.Cost{Transfer: 1000})
	a, b := new(process), new(process)
	c.driver.Up()
	c.clk.RunUntil(1000)
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	c.clk.RunUntil(2000)

	c.driver.Mark(a, 1)
	a.expect(t, "with nothing to be copied", "[1]")

	c.send(1, 100)
	c.driver.Mark(a, 2) // its buffer is being copied
	c.send(1, 1514)     // these wait
	c.driver.Mark(a, 3)
	c.driver.Mark(b, 3)
	c.driver.Mark(a, 4)
	c.send(1, 1514)
	c.driver.Mark(b, 5)
	a.expect(t, "before the first transfer is complete", "[1]")
	c.clk.RunUntil(3000)
	a.expect(t, "after the first transfer", "[1 2]")
	b.expect(t, "after the first transfer", "[]")
	c.clk.RunUntil(4000)
	a.expect(t, "after the second transfer", "[1 2 3 4]")
	b.expect(t, "after the second transfer", "[3]")
	c.clk.RunUntil(5000)
	b.expect(t, "after the third transfer", "[3 5]")
}

// One that has gone is not told, and the others are.
func TestForget(t *testing.T) {
	c := newUpCard(t)
	a, b := new(process), new(process)
	for range 9 {
		c.send(1, 1514)
	}
	c.driver.Mark(a, 1)
	c.driver.Mark(b, 2)
	c.driver.Mark(a, 3)
	c.send(1, 1514)
	c.driver.Mark(a, 4)
	c.driver.Forget(a)
	c.answer(drivercomm.Quota, 4)
	a.expect(t, "the one that has gone", "[]")
	b.expect(t, "the other one", "[2]")
}

// A mark that is hit may forget others of the same buffer, set another, and send.
func TestMarksFromWithin(t *testing.T) {
	c := newUpCard(t)
	a, b := new(process), new(process)
	for range 9 {
		c.send(1, 1514)
	}
	c.driver.Mark(a, 1)
	c.driver.Mark(b, 2)
	a.onHit = func() {
		a.onHit = nil
		c.driver.Forget(b)
		c.send(1, 100)
		c.driver.Mark(a, 3)
	}
	c.answer(drivercomm.Quota, 4)
	a.expect(t, "the first of the buffer", "[1 3]")
	b.expect(t, "the one that it forgot", "[]")
	if len(c.messages) != 10 {
		t.Errorf("%d messages, want 10", len(c.messages))
	}
}

// What a marker asks for takes bounded memory.
func TestMarksAreBounded(t *testing.T) {
	c := newUpCard(t)
	a, b := new(process), new(process)
	for range 9 {
		c.send(1, 1514)
	}
	for i := range uint32(maxMarks) {
		if !c.driver.Mark(a, i) {
			t.Fatalf("mark %d was refused", i)
		}
	}
	if c.driver.Mark(b, 0) {
		t.Error("one too many was taken")
	}
	c.driver.Forget(a)
	if !c.driver.Mark(b, 1) {
		t.Error("refused though all others are forgotten")
	}
	c.answer(drivercomm.Quota, 4)
	b.expect(t, "the other one", "[1]")
}

// When the interface goes down all marks are told, as nothing waits any more.
func TestDownTellsMarks(t *testing.T) {
	c := newUpCard(t)
	a, b := new(process), new(process)
	for range 9 {
		c.send(1, 1514)
	}
	c.driver.Mark(a, 1)
	c.send(1, 1514)
	c.driver.Mark(b, 2)
	c.driver.Mark(a, 3)
	c.driver.Down()
	a.expect(t, "after Down", "[1 3]")
	b.expect(t, "after Down", "[2]")
	c.driver.Mark(a, 4)
	a.expect(t, "with nothing to be copied", "[1 3 4]")
	c.send(1, 100)
	c.driver.Mark(a, 5)
	a.expect(t, "behind a packet that waits for Up", "[1 3 4]")
	c.driver.Up()
	c.answer(drivercomm.ResetDone, drivercomm.StartQuota)
	a.expect(t, "after Up", "[1 3 4 5]")
}
