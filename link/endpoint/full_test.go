package endpoint

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// narrow is a device that has room for so many frames, again and again.
type narrow struct {
	linktest.Null
	room int
	got  [][]byte
}

func (d *narrow) Transmit(frames []*link.Frame) (int, error) {
	n := min(d.room, len(frames))
	d.room -= n
	for _, f := range frames[:n] {
		d.got = append(d.got, append([]byte(nil), f.Bytes()[28:36]...))
		f.Left(0)
		f.Free()
	}
	if n < len(frames) {
		return n, link.ErrFull
	}
	return n, nil
}

func numbered(n int) *gstack.PacketBuffer {
	src, dst := netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:2000")
	b := linktest.UDP(src, dst, fmt.Appendf(nil, "%08d", n))
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{
		ReserveHeaderBytes: header.IPv4MinimumSize, Payload: buffer.MakeWithData(b[20:]),
	})
	copy(pkt.NetworkHeader().Push(20), b[:20])
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	return pkt
}

// TestDeviceFull writes far more than a device that is full takes: what waits is bounded,
// the rest is counted, and what leaves is in order.
func TestDeviceFull(t *testing.T) {
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clk := clock.NewVirtual()
		d := &narrow{Null: linktest.Null{Is: link.Info{MTU: 1500}}, room: 10}
		e := New(d, clk, Config{})
		const all = 30_000
		held := make([]*gstack.PacketBuffer, all)
		for i := 0; i < all; {
			var list gstack.PacketBufferList
			for range min(1+rng.IntN(2*maxFrames), all-i) {
				held[i] = numbered(i)
				list.PushBack(held[i])
				i++
			}
			e.WritePackets(list)
			e.Flush()
			if rng.IntN(2) == 0 {
				d.room = rng.IntN(1000)
				e.Ready()
			}
			if e.frames.Len() > maxFrames || i != len(d.got)+e.frames.Len()+int(e.sent.Drops[link.QueueFull]) {
				t.Fatalf("%d written, %d left, %d wait, %d dropped", i, len(d.got), e.frames.Len(), e.sent.Drops[link.QueueFull])
			}
		}
		d.room = all
		e.Ready()
		if e.frames.Len() != 0 || int(e.sent.Frames) != len(d.got) || e.sent.Drops[link.QueueFull] == 0 {
			t.Errorf("%d left, counted %d, %d wait", len(d.got), e.sent.Frames, e.frames.Len())
		}
		for i := range len(d.got) - 1 {
			if string(d.got[i]) >= string(d.got[i+1]) {
				t.Fatalf("%s left before %s", d.got[i], d.got[i+1])
			}
		}
		for i, p := range held {
			if n := p.ReadRefs(); n != 1 {
				t.Fatalf("packet %d has %d references", i, n)
			}
			p.DecRef()
		}
		e.Drain()
	}
}

// BenchmarkDeviceFull has a device that takes one frame at a time while so many wait: what a
// departure costs does not depend on how many.
func BenchmarkDeviceFull(b *testing.B) {
	for _, n := range []int{16, maxFrames} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			d := &narrow{Null: linktest.Null{Is: link.Info{MTU: 1500}}}
			e := New(d, clock.NewVirtual(), Config{})
			var list gstack.PacketBufferList
			for i := range n {
				list.PushBack(numbered(i))
			}
			e.WritePackets(list)
			e.Flush()
			var one gstack.PacketBufferList
			one.PushBack(numbered(0))
			for b.Loop() {
				d.room, d.got = 1, d.got[:0]
				e.Ready()
				e.WritePackets(one)
				e.Flush()
			}
		})
	}
}
