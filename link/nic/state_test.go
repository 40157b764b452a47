package nic

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// changes returns what a device has counted of its interface: downs, ms, changes of the MTU.
func changes(d *Device) string {
	c := d.Counters()
	return fmt.Sprint(c.Get("downs"), c.Get("down_ns")/1e6, c.Get("mtu_changes"))
}

// TestChanges counts and tells what becomes of the interface.
func TestChanges(t *testing.T) {
	clk := clock.NewVirtual()
	var told []string
	var err error
	d := newFake(t, clk, &fake{onWrite: func([]byte) error { return err }}, &told)
	up := State{Up: true, Carrier: true, MTU: 1500}
	at := func(ms int, s State) {
		clk.RunUntil(clock.Time(ms) * 1e6)
		d.changed(s)
	}
	at(0, up) // how it is at first
	if len(told) != 0 || changes(d) != "0 0 0" {
		t.Fatalf("%q, %s", told, changes(d))
	}
	at(10, State{Carrier: true, MTU: 1500})
	at(11, State{MTU: 1500}) // nothing more than that it is down
	at(30, State{Up: true, MTU: 1500})
	if c := changes(d); c != "1 20 0" {
		t.Error(c)
	}
	at(40, up)
	at(50, State{Up: true, MTU: 1500})
	err = ErrNoRoom
	if n, _ := one(d, 100); n != 1 || d.Counters().Sent.Drops[link.LinkDown] != 1 {
		t.Error("without a carrier a frame waits for room")
	}
	at(55, up)
	at(60, State{Up: true, Carrier: true, MTU: 9000})
	at(61, State{Up: true, Carrier: true, MTU: 1000})
	at(62, up)
	if c := changes(d); c != "2 35 3" {
		t.Error(c)
	}
	want := []string{"taken down", "up again, after 30ms", "no carrier", "up again, after 5ms", "MTU is 1000 now", "MTU is 1500 again"}
	if len(told) != len(want) {
		t.Fatalf("told %q", told)
	}
	for i, w := range want {
		if !strings.Contains(told[i], w) || !strings.HasPrefix(told[i], `fake interface "fake0": `) {
			t.Errorf("told %q, want %q", told[i], w)
		}
	}
	for i := range 1000 { // it flaps
		at(100+2*i, State{})
		at(101+2*i, up)
	}
	if n := len(told); n != 10 || !strings.Contains(told[n-1], "not told") {
		t.Errorf("told %d times: %q", n, told[n-1])
	}
	if c := changes(d); c != "1002 1035 3" {
		t.Error(c)
	}
	if d.Err() != nil {
		t.Errorf("it has failed: %v", d.Err())
	}
	d.changed(State{Gone: true})
	if !errors.Is(d.Err(), ErrGone) {
		t.Errorf("it was removed, and has %v", d.Err())
	}
	d = newFake(t, clk, &fake{}, &told)
	d.Close()
	d.changed(State{Gone: true}) // which it is by our own doing
	if d.Err() != nil {
		t.Errorf("it was closed, and has %v", d.Err())
	}
}

// TestChangedLost has a device go on as it is, with a word of it, when the kernel is not heard
// any more.
func TestChangedLost(t *testing.T) {
	var told []string
	d := newFake(t, clock.NewVirtual(), &fake{}, &told)
	d.changed(State{Up: true, Carrier: true, MTU: 1500})
	d.changed(State{Lost: unix.EIO})
	if len(told) != 1 || !strings.Contains(told[0], unix.EIO.Error()) || !d.state.usable() || d.Err() != nil || changes(d) != "0 0 0" {
		t.Errorf("told %q, %+v, %v, %s", told, d.state, d.Err(), changes(d))
	}
}
