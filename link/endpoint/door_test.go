package endpoint

import (
	"net/netip"
	"testing"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// TestDoorIsBounded writes more than the door has room for: the rest is counted once, in the
// account as well, and nothing of it is kept.
func TestDoorIsBounded(t *testing.T) {
	clk := clock.NewVirtual()
	d := &narrow{Null: linktest.Null{Is: link.Info{MTU: 1500}}, room: 2 * doorSize}
	e := New(d, clk, Config{})
	told := 0
	a := e.Account(pacer.FlowOf(pacer.ProtoUDP, netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:2000")), func(bool) { told++ })
	pkt := numbered(1)
	one := []*gstack.PacketBuffer{pkt}
	const more = 10
	for i := range doorSize + more {
		if wake, open := e.door.put(one, 0); wake != (i == 0) || !open {
			t.Fatalf("packet %d: wake %v, open %v", i, wake, open)
		}
	}
	if _, dropped, waiting := a.Counts(); dropped != (Datagrams{more, more * 8}) || waiting != (Datagrams{doorSize, doorSize * 8}) {
		t.Errorf("%v are dropped and %v wait", dropped, waiting)
	}
	if n := pkt.ReadRefs(); n != doorSize+1 {
		t.Errorf("%d references", n)
	}
	e.Flush()
	e.Flush() // counted once
	left, dropped, waiting := a.Counts()
	if e.sent.Drops[link.QueueFull] != more || len(d.got) != doorSize || left.Packets != doorSize || dropped.Packets != more || waiting != (Datagrams{}) || told != doorSize {
		t.Errorf("%d left, %v are counted: %v left, %v dropped, %v wait, %d were told", len(d.got), e.sent.Drops, left, dropped, waiting, told)
	}
	if wake, _ := e.door.put(one, 0); !wake {
		t.Error("nobody comes for what is written behind a flush")
	}
	e.Close()
	if _, open := e.door.put(one, 0); open {
		t.Error("the door is open behind Close")
	}
	e.Flush()
	if n := pkt.ReadRefs(); n != 1 || len(d.got) != doorSize+1 {
		t.Errorf("%d references, %d left", n, len(d.got))
	}
	pkt.DecRef()
}

// A datagram of which a fragment was refused at the door was dropped, and counted once.
func TestRefusedFragment(t *testing.T) {
	for _, refused := range []int{0, 1, 2} {
		a := New(&linktest.Null{Is: link.Info{MTU: 1500}}, clock.NewVirtual(), Config{}).Account(pacer.Flow{}, func(bool) {})
		d := &datagram{account: a}
		var waits []parcel
		for i := range 3 {
			p := parcel{account: a, whole: d, payload: 100, first: i == 0}
			a.door.mu.Lock()
			p.wrote(i == 2)
			if i == refused {
				p.refused()
			}
			a.door.mu.Unlock()
			if i == refused {
				continue
			}
			waits = append(waits, p)
		}
		for _, p := range waits {
			p.gone(true)
		}
		if left, dropped, waiting := a.Counts(); left != (Datagrams{}) || dropped != (Datagrams{1, 300}) || waiting != (Datagrams{}) {
			t.Errorf("fragment %d refused: %v left, %v dropped, %v wait", refused, left, dropped, waiting)
		}
	}
}

// What is asked for while it runs comes at the next run.
func TestDoorRuns(t *testing.T) {
	var d door
	var got []int
	d.ask(&d.before, func() {
		got = append(got, 1)
		d.ask(&d.before, func() { got = append(got, 3) })
	})
	d.ask(&d.before, func() { got = append(got, 2) })
	d.run(&d.before)
	if len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Fatalf("%v", got)
	}
	d.run(&d.after)
	d.run(&d.before)
	d.run(&d.before)
	if len(got) != 3 || got[2] != 3 {
		t.Fatalf("%v", got)
	}
}
