package endpoint

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// TestSequencesInFlight goes through a connection whose numbers begin anywhere, also before
// the wrap and at the sign.
func TestSequencesInFlight(t *testing.T) {
	for _, first := range []pacer.Seq{0, 1, 1 << 31, 1<<31 - 500, 1<<32 - 1, 1<<32 - 500} {
		var s sequence
		sent := func(seq pacer.Seq, payload int, flags header.TCPFlags) {
			tcp := make(header.TCP, 20)
			tcp.Encode(&header.TCPFields{SeqNum: uint32(first + seq), DataOffset: 20, Flags: flags})
			s.sent(tcp, payload)
		}
		is := func(from, to int) {
			t.Helper()
			for _, n := range []int{-1 << 30, -1000, from - 1, from, (from + to) / 2, to - 1, to, to + 1, to + 1000, 1 << 30} {
				if got, want := s.holds(first+pacer.Seq(n)), from <= n && n < to; got != want {
					t.Errorf("from %d: %d is in flight: %v, want %v", first, n, got, want)
				}
			}
		}
		if s.holds(first) || s.holds(0) {
			t.Error("something is in flight before anything was sent")
		}
		// # a SYN takes a number, and what answers it acknowledges that
		sent(0, 0, header.TCPFlagSyn)
		is(0, 1)
		s.acked(first + 1)
		is(1, 1)
		// # an ACK takes none, data does, what is sent again is in flight already
		sent(1, 0, header.TCPFlagAck)
		is(1, 1)
		sent(1, 1000, header.TCPFlagAck)
		sent(1001, 1000, header.TCPFlagAck)
		sent(1, 1000, header.TCPFlagAck)
		is(1, 2001)
		// # what was not sent cannot be acknowledged, nor what was before
		s.acked(first + 501)
		s.acked(first + 2002)
		s.acked(first)
		is(501, 2001)
		// # the FIN takes one
		sent(2001, 0, header.TCPFlagAck|header.TCPFlagFin)
		is(501, 2002)
		// # another connection with the same ports begins somewhere else
		sent(1<<29, 0, header.TCPFlagSyn)
		if s.holds(first+501) || !s.holds(first+1<<29) {
			t.Error("numbers of the old connection")
		}
	}
}

// FuzzMTU raises an MTU in a message: its checksum is as right, or as wrong, as it was.
func FuzzMTU(f *testing.F) {
	f.Add([]byte{3, 4, 0xfc, 0xfb, 0, 0, 0, 0, 0x45}, uint16(552))
	f.Add([]byte{3, 4, 0, 0, 0, 0, 0xff, 0xff}, uint16(0))
	f.Fuzz(func(t *testing.T, icmp []byte, mtu uint16) {
		if len(icmp) < 8 {
			return
		}
		icmp = append([]byte{3, 4}, icmp[2:]...)
		right := func() bool { return link.Fold(link.Sum(0, icmp)) == 0xffff }
		was := right()
		setMTU(icmp, int(mtu))
		if icmp[6] != byte(mtu>>8) || icmp[7] != byte(mtu) || right() != was {
			t.Errorf("% x: the checksum is right: %v, and was: %v", icmp, right(), was)
		}
	})
}
