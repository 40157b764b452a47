package nic

import (
	"bytes"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// script is a back end that has packets to read: each is a length of two bytes and so much of
// what follows. A packet is cut to the buffer, as the kernel does it. Behind the last comes err.
type script struct {
	fake
	rest []byte
	want [][]byte
	err  error
}

func (s *script) Read(to *Receiver, _ bool) error {
	if len(s.rest) < 2 {
		return s.err
	}
	n := int(s.rest[0])<<8 | int(s.rest[1])
	s.rest = s.rest[2:]
	packet := s.rest[:min(n, len(s.rest))]
	s.rest = s.rest[len(packet):]
	s.want = append(s.want, packet)
	to.Took(copy(to.Buffer(), packet))
	return nil
}

// FuzzRead has the kernel send packets of any content and length, and none, and in the end an
// error: all arrive as they were, in their order, or are counted.
func FuzzRead(f *testing.F) {
	f.Add([]byte{0, 4, 'a', 'b', 'c', 'd', 0, 0, 0, 9, 'e'}, uint16(1500), false)
	f.Add(append([]byte{5, 220}, make([]byte, 1500)...), uint16(68), true)
	f.Add(bytes.Repeat([]byte{0, 1, 0x45}, 5000), uint16(0), false)
	f.Fuzz(func(t *testing.T, packets []byte, mtu uint16, fails bool) {
		s := &script{rest: packets, err: os.ErrClosed}
		if fails {
			s.err = io.ErrUnexpectedEOF
		}
		clk := clock.NewVirtual()
		d, err := New(clk, s, Config{Info: link.Info{MTU: max(68, int(mtu))}})
		if err != nil {
			t.Fatal(err)
		}
		above := &linktest.Collector{Clock: clk}
		d.Attach(above)
		<-d.done
		for clk.Step() {
		}
		if (d.Err() != nil) != fails {
			t.Errorf("Err is %v", d.Err())
		}
		packetsIn := len(s.want)
		received := d.Counters().Received
		want := slices.DeleteFunc(s.want, func(b []byte) bool { return len(b) > d.Info().MTU })
		if n := received.Frames + received.Drops[link.TooLong] + received.Drops[link.QueueFull]; n != uint64(packetsIn) || received.Frames != uint64(len(above.Records)) {
			t.Fatalf("%d packets, and received %+v, handed on %d", packetsIn, received, len(above.Records))
		}
		for i, r := range above.Records {
			if !bytes.Equal(r.Bytes, want[i]) {
				t.Errorf("packet %d is %x, want %x", i, r.Bytes, want[i])
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
