package endpoint_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// segment is a TCP segment from src to dst, or back.
func segment(back bool, seq, ack pacer.Seq, flags header.TCPFlags, payload int) []byte {
	from, to := src, dst
	if back {
		from, to = dst, src
	}
	b := linktest.UDP(from, to, make([]byte, 12+payload)) // whose header is 8 bytes, and TCP's 20
	b[9] = pacer.ProtoTCP
	header.TCP(b[20:]).Encode(&header.TCPFields{
		SrcPort: from.Port(), DstPort: to.Port(), SeqNum: uint32(seq), AckNum: uint32(ack), DataOffset: 20, Flags: flags,
	})
	return b
}

func writeSegment(e *endpoint.Endpoint, b []byte) {
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	write(e, pkt)
	pkt.DecRef()
}

// told writes down what a Loop is told.
type told []string

func (l *told) Departed(seq, end pacer.Seq, sent clock.Optional, waiting int) link.Stop {
	*l = append(*l, fmt.Sprintf("%d-%d left: %v, %d wait", seq, end, sent, waiting))
	return link.StopApplication
}
func (l *told) Handshake(rtt time.Duration) { *l = append(*l, fmt.Sprint("handshake ", rtt)) }
func (l *told) Arrived(s *pacer.Segment, now clock.Time) {
	*l = append(*l, fmt.Sprintf("arrived %d at %v", s.Ack, now))
}

// A Loop at time 0: what leaves then has left, what is dropped has not, and a SYN that left
// then is answered as any other.
func TestLoopAtZero(t *testing.T) {
	key := pacer.FlowOf(pacer.ProtoTCP, src, dst)
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500})
	h := hold.New(sink, clk, &hold.Config{FlowBytes: 3000})
	e := endpoint.New(h, clk, endpoint.Config{})
	e.Attach(nobody{})
	var l told

	writeSegment(e, segment(false, 1<<32-1, 0, header.TCPFlagSyn, 0))
	clk.RunUntil(7_000_000)
	sink.Arrive(segment(true, 99, 0, header.TCPFlagSyn|header.TCPFlagAck, 0))
	e.Listen(key, &l)
	if want := []string{"handshake 7ms"}; !slices.Equal(l, want) {
		t.Errorf("the loop was told %q, want %q", l, want)
	}

	l = nil
	clk = clock.NewVirtual()
	h = hold.New(linktest.NewSink(clk, link.Info{MTU: 1500}), clk, &hold.Config{FlowBytes: 3000})
	e = endpoint.New(h, clk, endpoint.Config{})
	p, _ := pacer.NewRate(1000, pacer.Wire)
	h.Do(pacer.Pace(key, p))
	e.Listen(key, &l)
	for i := range pacer.Seq(4) {
		writeSegment(e, segment(false, i*1000-1000, 0, header.TCPFlagAck, 1000))
	}
	clk.RunUntil(0)
	want := []string{
		"1000-2000 left: none, 3 wait", // the bound is two and a half segments
		"2000-3000 left: none, 2 wait",
		"4294966296-0 left: 0.000000000s, 1 wait",
	}
	slices.Sort(l)
	slices.Sort(want)
	if !slices.Equal(l, want) {
		t.Errorf("the loop was told %q, want %q", l, want)
	}
}

// nobody is a network stack that takes what comes.
type nobody struct{ gstack.NetworkDispatcher }

func (nobody) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *gstack.PacketBuffer) {}
