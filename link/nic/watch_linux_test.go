package nic_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
)

func ip(t *testing.T, args string) {
	t.Helper()
	path, err := exec.LookPath("ip")
	if err != nil {
		linktest.Skip(t, "ip of iproute2 is not in PATH")
	}
	if out, err := linktest.Command(t, path, strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
}

// TestWatch hears of one interface of this namespace, and of no other.
func TestWatch(t *testing.T) {
	linktest.Namespace(t)
	ignore := goleak.IgnoreCurrent()
	ip(t, "link add cal0 type veth peer name peer0")
	ip(t, "link add br0 type bridge") // tells of its ports, too
	ip(t, "link set peer0 up")
	face, err := net.InterfaceByName("cal0")
	if err != nil {
		t.Fatal(err)
	}
	states := make(chan nic.State, 1000)
	w, err := nic.Watch(face.Index, func(s nic.State) { states <- s })
	if err != nil {
		t.Fatal(err)
	}
	hears := func(want nic.State) {
		t.Helper()
		for s, late := (nic.State{}), time.After(20*time.Second); ; {
			select {
			case s = <-states:
				if s == want {
					return
				}
			case <-late:
				t.Fatalf("the last state is %+v, want %+v", s, want)
			}
		}
	}
	hears(nic.State{MTU: 1500}) // at once
	for _, c := range []struct {
		args string
		want nic.State
	}{
		{"link set cal0 up", nic.State{Up: true, Carrier: true, MTU: 1500}},
		{"link set peer0 down", nic.State{Up: true, MTU: 1500}},
		{"link set cal0 mtu 1000", nic.State{Up: true, MTU: 1000}},
		{"link set cal0 master br0", nic.State{Up: true, MTU: 1000}},
		{"link set cal0 nomaster", nic.State{Up: true, MTU: 1000}},
		{"link set cal0 name cal1", nic.State{Up: true, MTU: 1000}},
	} {
		ip(t, c.args)
		hears(c.want)
	}
	ip(t, "link del cal1")
	for late := time.After(20 * time.Second); ; {
		select {
		case s := <-states:
			if s.Gone {
				w.Close()
				goleak.VerifyNone(t, ignore)
				return
			}
		case <-late:
			t.Fatal("nobody says that it is gone")
		}
	}
}

// TestWatchNothing watches an interface that is not there.
func TestWatchNothing(t *testing.T) {
	linktest.Namespace(t)
	states := make(chan nic.State, 10)
	w, err := nic.Watch(4711, func(s nic.State) { states <- s })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	select {
	case s := <-states:
		if !s.Gone {
			t.Errorf("%+v", s)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody says that it is not there")
	}
}
