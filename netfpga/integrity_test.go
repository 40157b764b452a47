package netfpga_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// What leaves the native card are the frames that it was given, in their memory, byte for byte;
// and described packets, with zeros behind their data whatever was in that memory before.
func TestOriginalFrameLeaves(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	type sent struct {
		frame *link.Frame // nil if it was described
		bytes []byte      // the end of it
	}
	var want []sent
	left := 0
	dev.onFrame = func(f *link.Frame) {
		w := want[left]
		if w.frame != nil && f != w.frame {
			t.Fatalf("frame %d that leaves is another one", left)
		}
		if !bytes.HasSuffix(f.Bytes(), w.bytes) {
			t.Fatalf("frame %d that leaves is\n%x, and not\n%x", left, f.Bytes(), w.bytes)
		}
		left++
	}
	sender := card.NewSender(netfpga.SenderConfig{})
	const n = 3000
	for i := range n {
		if rng.IntN(2) == 0 {
			b := random(1 + rng.IntN(1514))
			f := link.NewFrame(len(b))
			copy(f.Bytes(), b)
			want = append(want, sent{f, b})
			if _, err := card.Transmit([]*link.Frame{f}); err != nil {
				t.Fatal(err)
			}
		} else {
			d := &netfpga.Description{
				Src:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(random(4))), uint16(i)),
				Dst:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(random(4))), uint16(i)),
				Payload: rng.IntN(1473),
			}
			d.Data = random(rng.IntN(d.Payload + 1))
			want = append(want, sent{bytes: append(bytes.Clone(d.Data), make([]byte, d.Payload-len(d.Data))...)})
			if err := sender.Inject(d); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(4) == 0 {
			for range rng.IntN(20) {
				clk.Step()
			}
		}
		for i+1-left > 15 {
			clk.Step()
		}
	}
	run(clk)
	if left != n {
		t.Errorf("%d frames left, want %d", left, n)
	}
}
