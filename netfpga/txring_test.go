package netfpga

import (
	"bytes"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga/firmware"
)

// A launched packet is a frame by the bytes that were carried and by its length.
func TestLeaves(t *testing.T) {
	b := bytes.Repeat([]byte{7}, 100)
	g := given{frame: linktest.FrameOf(b), carried: 50}
	other := bytes.Clone(b)
	other[49]++
	behind := bytes.Clone(b)
	behind[50]++
	for _, c := range []struct {
		what string
		b    []byte
		want bool
	}{
		{"the same", b, true}, {"others behind what was carried", behind, true}, {"other bytes", other, false},
		{"shorter", b[:99], false}, {"much shorter", b[:20], false}, {"longer", append(bytes.Clone(b), 7), false},
	} {
		if got := g.leaves(c.b); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	if (&given{carried: 50}).leaves(b) {
		t.Error("the place of a frame that was dropped is taken for one")
	}
}

// A frame that 240 others have overtaken is still waited for, and with the next it is given up.
func TestOvertaken(t *testing.T) {
	i := &Interface{card: &Card{}}
	first := linktest.FrameOf([]byte{0})
	i.txring.Push(given{frame: first})
	for n := 1; n <= maxOvertaken+1; n++ {
		f := linktest.FrameOf([]byte{1})
		i.txring.Push(given{frame: f})
		if got := i.overtake(1); got.frame != f {
			t.Fatal("another frame was taken out")
		}
		if lost := i.account.sent.Drops[link.LinkError]; (lost == 1) != (n > maxOvertaken) {
			t.Fatalf("overtaken %d times: %d lost", n, lost)
		}
	}
	if i.txring.Len() != 0 {
		t.Errorf("%d frames are left", i.txring.Len())
	}
}

// The ring of a card whose program takes frames and sends none is bounded.
func TestRingIsBounded(t *testing.T) {
	i := &Interface{card: &Card{firmware: &firmware.Generator{}}}
	for range maxTxRing + 5 {
		i.give(given{frame: link.NewFrame(0)})
	}
	if n := i.account.sent.Drops[link.LinkError]; n != 5 || i.txring.Len() != maxTxRing {
		t.Errorf("%d dropped, %d are left", n, i.txring.Len())
	}
}
