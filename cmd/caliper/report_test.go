package main

import (
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/testbed"
)

// TestCount counts what waits for its departure, and what was dropped since the test before.
func TestCount(t *testing.T) {
	b, err := testbed.New(testbed.Config{
		Hosts: []testbed.HostConfig{{Name: "near", Hold: &testbed.HoldConfig{}, Card: &testbed.CardConfig{}}, {Name: "far"}},
		Links: []testbed.LinkConfig{{Ends: [2]string{"near", "far"}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	near := b.Host("near")
	err = b.Run(func() {
		c, err := near.Dial("udp", "10.0.0.2:9")
		if err != nil {
			t.Error(err)
			return
		}
		if err := near.Pace(c, c.RemoteAddr(), &pacer.Rate{BitsPerSecond: 1000}); err != nil {
			t.Error(err)
		}
		for range 3 {
			c.Write(make([]byte, 1000))
		}
		b.Sleep(time.Second)
	})
	if err != nil {
		t.Fatal(err)
	}
	near.Top.Transmit([]*link.Frame{link.NewFrame(5000)})
	first, dropped := count(b, link.Drops{}, near)
	if d := first.Departures; d.Packets != 1 || d.Waiting != 2 || d.Dropped != 1 || d.DroppedBy[link.TooLong] != 1 {
		t.Errorf("%+v", d)
	}
	near.Top.Transmit([]*link.Frame{link.NewFrame(5000), link.NewFrame(5000)})
	second, dropped := count(b, dropped, near)
	if d := second.Departures; d.Dropped != 2 || dropped[link.TooLong] != 3 {
		t.Errorf("%+v, in all %v", d, dropped)
	}
}
