package nl

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/pacer/clock"
)

// message returns a PKT message.
func message(t *testing.T, h Header, d netfpga.Description) []byte {
	t.Helper()
	b, err := AppendPacket(nil, h, &d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The replies and refusals of the original's module, beside those of ours.
func TestOriginalReplies(t *testing.T) {
	start := AppendSimStart(nil, Header{Seq: 1}, time.Unix(0, 0))
	long := func(payload int) []byte { return message(t, Header{Seq: 2}, describe(payload, "head")) }
	beyond := message(t, Header{Seq: 2}, describe(8, "customby"))
	native.PutUint32(beyond[headerLen+36:], 4)
	for _, c := range []struct {
		name           string
		b              []byte
		original, ours []Errno // of the answers
		frame          int     // bytes that leave with the original; 0 for none
	}{
		{"payload of 1472", long(1472), nil, nil, 1514},
		{"payload of 1473", long(1473), nil, []Errno{Invalid}, 1514},
		{"payload of 2000", long(2000), nil, []Errno{Invalid}, 1514},
		{"payload of 2001", long(2001), []Errno{Invalid}, []Errno{Invalid}, 0},
		{"custom beyond the payload", beyond, nil, []Errno{Invalid}, 60},
		{"on i386", onI386(long(100)), nil, nil, 142},
		{"unknown type", Append(nil, Header{Type: 99, Seq: 2}, nil), nil, []Errno{Unsupported}, 0},
		{"unknown type, wants an answer", Append(nil, Header{Type: 99, Flags: Ack, Seq: 2}, nil), nil, []Errno{Unsupported}, 0},
		{"DELAYS", AppendDelays(nil, Header{Seq: 2}, []time.Duration{5}), nil, nil, 0},
		{"DELAYS that are none", Append(nil, Header{Type: Delays, Seq: 2}, make([]byte, 7)), nil, []Errno{Invalid}, 0},
		{"port 3", message(t, Header{Seq: 2, Flags: 3 << portShift}, describe(100, "")), nil, []Errno{Invalid}, 142},
	} {
		for _, original := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, original %v", c.name, original), func(t *testing.T) {
				want := c.ours
				if original {
					want = c.original
				}
				r := newServed(t, nil, &Config{Original: original})
				s := r.raw()
				if err := s.send(slices.Concat(start, c.b), DefaultPort, true); err != nil {
					t.Fatal(err)
				}
				r.settle()
				for r.clk.Next() < r.end && r.clk.Step() {
				}
				_, refused := r.answers(s)
				var got []Errno
				for _, e := range refused {
					got = append(got, e.Code)
				}
				if !slices.Equal(got, want) {
					t.Errorf("answers %v, want %v", got, want)
				}
				left := int(r.card.Counters().Sent.Bytes)
				if left > 0 {
					left = max(left, 60)
				}
				if original && left != c.frame {
					t.Errorf("%d bytes left, want %d", left, c.frame)
				}
			})
		}
	}
}

// hold has packets wait in the driver, one to a buffer, as nothing leaves and the quota is
// used up.
func (r *testCard) hold(c *Client) {
	r.t.Helper()
	r.wire.full = true
	err := r.while(func() error {
		for range 30 {
			if err := c.Send(background, list(packets(1, 0, 0))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.settle()
}

// With the original a transmit buffer has room for one mark, whoever sets it. A MARK_HIT has
// no port id.
func TestOriginalMarks(t *testing.T) {
	r := newServed(t, nil, &Config{Original: true})
	c := r.dial()
	defer c.Close()
	r.hold(c) // with the mark of settle
	s := r.raw()
	marks := Append(Append(nil, Header{Type: Mark, Seq: 7}, nil), Header{Type: Mark, Seq: 8}, nil)
	if err := s.send(marks, DefaultPort, true); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return r.server.Stats().Refused == 2 })
	if _, refused := r.answers(s); len(refused) != 2 || refused[0].Code != Busy || refused[0].Seq != 7 || refused[1].Seq != 8 {
		t.Errorf("answers %v", refused)
	}
	// A client's mark is set again until there is room.
	seq, err := c.Mark(background)
	if err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return r.server.Stats().Refused == 3 })
	r.wire.open()
	if err := r.while(func() error { return c.Wait(background, seq) }); err != nil {
		t.Error(err)
	}
	if err := s.send(marks[:headerLen], DefaultPort, true); err != nil {
		t.Fatal(err)
	}
	hits := r.server.Stats().Hits
	r.until(func() bool { return r.server.Stats().Hits > hits })
	if all, _ := r.answers(s); len(all) != 1 || all[0] != (Header{Type: MarkHit, Seq: 7}) {
		t.Errorf("answers %+v", all)
	}
}

// What a client sends leaves at its date with the original, too, where absolute times count
// from the last SIM_START, and without one from when the card's clock began. A stream whose
// marks often fall into one transmit buffer ends.
func TestOriginalStream(t *testing.T) {
	for _, original := range []bool{false, true} {
		t.Run(fmt.Sprint(original), func(t *testing.T) {
			r := newServed(t, &netfpga.Config{PCI: pci.Measured()}, &Config{Original: original})
			r.server.epoch = 1e18 // the date of the clock's time 0
			c := r.dial()
			defer c.Close()
			const n, gap = 100, 100_000
			err := r.while(func() error {
				if err := c.Stream(background, Window{Burst: 3, Bursts: 10}, packets(n, 1e18+1e6, gap)); err != nil {
					return err
				}
				// A date before the one that was told is told, too.
				return c.Send(background, list(packets(1, 1e18+2e6, 0)))
			})
			if err != nil {
				t.Fatal(err)
			}
			r.until(func() bool { return len(r.wire.left) == n+1 })
			for i, d := range r.wire.left[:n] {
				if want := clock.Time(1e6 + i*gap); d.at != want {
					t.Fatalf("packet %d left at %v, want %v", i, d.at, want)
				}
			}

			s := r.raw()
			d := describe(100, "")
			d.Absolute, d.Departure = true, 500_000_000
			if err := s.send(message(t, Header{}, d), DefaultPort, true); err != nil {
				t.Fatal(err)
			}
			r.until(func() bool { return len(r.wire.left) == n+2 })
			if at := r.wire.left[n+1].at; original && at != 500_000_000 || !original && at >= 500_000_000 {
				t.Errorf("a time without SIM_START: left at %v", at)
			}
		})
	}
}
