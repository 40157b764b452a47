package nic

import (
	"net"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Info says that the device stamps, and is otherwise the back end's.
func TestInfo(t *testing.T) {
	d := newFake(t, clock.NewVirtual(), &fake{}, nil)
	if i := d.Info(); !i.Stamps || i.Name != "fake0" || i.MTU != 1500 || d.Below() != nil {
		t.Errorf("%+v", i)
	}
	if c := d.Counters(); c.Kind != "fake" || c.Name != "fake0" {
		t.Errorf("%+v", c)
	}
}

// The address is one of ours whatever the interface has, and always the same.
func TestAnother(t *testing.T) {
	for face, want := range map[string]string{
		"00:1b:21:aa:bb:cc": "12:1b:21:aa:bb:cc",
		"02:00:00:00:00:01": "12:00:00:00:00:01",
		"12:00:00:00:00:01": "02:00:00:00:00:01",
		"fe:ff:ff:ff:ff:ff": "ee:ff:ff:ff:ff:ff",
	} {
		a, err := net.ParseMAC(face)
		if err != nil {
			t.Fatal(err)
		}
		if got := Another(a); got.String() != want || a.String() != face {
			t.Errorf("%v of %s, want %s", got, face, want)
		}
	}
}
