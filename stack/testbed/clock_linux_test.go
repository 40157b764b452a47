package testbed

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The thread that packets leave on does not go before others: those that receive them are
// starved by one that does.
func TestClockThreadIsNoBetter(t *testing.T) {
	ours, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	clk := StartClock()
	defer clk.Close()
	var its *unix.SchedAttr
	clk.Do(func() { its, err = unix.SchedGetAttr(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	if its.Nice != ours.Nice || its.Policy != ours.Policy || its.Runtime > ours.Runtime {
		t.Errorf("the clock's thread has %+v, the others %+v", its, ours)
	}
}
