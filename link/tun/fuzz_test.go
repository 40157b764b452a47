package tun

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// script is a port that has packets to read: each is a length of two bytes and so much of
// what follows. A packet is cut to the buffer, as the kernel does it. Behind the last comes err.
type script struct {
	rest []byte
	want [][]byte
	err  error
}

func (s *script) read(b []byte) (int, error) {
	if len(s.rest) < 2 {
		return 0, s.err
	}
	n := int(s.rest[0])<<8 | int(s.rest[1])
	s.rest = s.rest[2:]
	packet := s.rest[:min(n, len(s.rest))]
	s.rest = s.rest[len(packet):]
	n = copy(b, packet)
	s.want = append(s.want, bytes.Clone(b[:n]))
	return n, nil
}

func (s *script) write([]byte) error { return nil }
func (s *script) close() error       { return nil }

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
		d := newDevice(clk, s, "fuzz", &Config{MTU: max(68, int(mtu))})
		above := &linktest.Collector{Clock: clk}
		d.Attach(above)
		<-d.done
		for clk.Step() {
		}
		if (d.Err() != nil) != fails {
			t.Errorf("Err is %v", d.Err())
		}
		_, received := d.Stats()
		if n := received.Frames + received.Dropped(); n != uint64(len(s.want)) || received.Frames != uint64(len(above.Records)) {
			t.Fatalf("%d packets, and received %+v, handed on %d", len(s.want), received, len(above.Records))
		}
		for i, r := range above.Records {
			if !bytes.Equal(r.Bytes, s.want[i]) {
				t.Errorf("packet %d is %x, want %x", i, r.Bytes, s.want[i])
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
