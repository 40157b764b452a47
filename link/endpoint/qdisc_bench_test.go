package endpoint_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/qdisc/tbf"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/endpoint"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Packets are written in bursts, of which so many may be on their way at a time.
const (
	burst  = 64
	bursts = 32
)

// BenchmarkQdisc is what a packet of 1500 bytes costs from WritePackets to the device, with
// gVisor's token bucket filter and with an Endpoint and a Hold. Both have a rate that no
// packet waits for. The filter is one queue of packets, which it passes on as they are. The
// Hold finds the flow of each, asks its pacer and the wire's plan, and the Endpoint copies
// the packet into a frame, which the "copy" is without a Hold. What is called real has a
// goroutine of its own for its departures, as the filter has; what is virtual has not.
func BenchmarkQdisc(b *testing.B) {
	b.Run("tbf/real", benchTBF)
	b.Run("copy/virtual", func(b *testing.B) { benchVirtual(b, 1, false) })
	for _, flows := range []int{1, burst} {
		b.Run(fmt.Sprintf("hold/real/%d", flows), func(b *testing.B) { benchReal(b, flows) })
		b.Run(fmt.Sprintf("hold/virtual/%d", flows), func(b *testing.B) { benchVirtual(b, flows, true) })
	}
}

// lower is the interface below a queueing discipline.
type lower struct {
	gstack.LinkEndpoint // nobody asks for the rest
	departures
}

func (l *lower) MTU() uint32             { return 1500 }
func (l *lower) MaxHeaderLength() uint16 { return 0 }

func (l *lower) WritePackets(pkts gstack.PacketBufferList) (int, tcpip.Error) {
	l.add(pkts.Len())
	return pkts.Len(), nil
}

// departures says when a burst has left.
type departures struct {
	n    int
	left chan struct{}
}

func newDepartures() departures { return departures{left: make(chan struct{}, bursts)} }

func (d *departures) add(n int) {
	for d.n += n; d.n >= burst; d.n -= burst {
		d.left <- struct{}{}
	}
}

func benchTBF(b *testing.B) {
	below := &lower{departures: newDepartures()}
	const bytesPerSecond, bucket = 1 << 38, 1 << 30
	q, err := tbf.New(below, tcpip.NewStdClock(), bytesPerSecond, bucket, burst*bursts)
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	pkts := packets(1)
	bench(b, func() {
		for _, pkt := range pkts {
			if err := q.WritePacket(pkt); err != nil {
				b.Fatal(err)
			}
		}
	}, func() { <-below.left })
}

// bottom is the device below a Hold.
type bottom struct {
	linktest.Null
	departures
}

func (d *bottom) Transmit(frames []*link.Frame) (int, error) {
	d.add(len(frames))
	return d.Null.Transmit(frames)
}

func newBottom() *bottom {
	return &bottom{linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, newDepartures()}
}

// free is a pacer for each flow, at 8 Tbit/s.
func free(b *testing.B) *hold.Config {
	p, err := pacer.ParsePolicy("rate:8000G", nil)
	if err != nil {
		b.Fatal(err)
	}
	return &hold.Config{Default: hold.Class{Policy: p}}
}

func benchReal(b *testing.B, flows int) {
	clk := clock.NewReal()
	defer clk.Close()
	below := newBottom()
	e := endpoint.New(hold.New(below, clk, free(b)), clk, endpoint.Config{})
	list := listOf(packets(flows))
	bench(b, func() { e.WritePackets(list) }, func() { <-below.left })
}

func benchVirtual(b *testing.B, flows int, held bool) {
	clk := clock.NewVirtual()
	below := newBottom()
	var top link.Device = below
	if held {
		top = hold.New(top, clk, free(b))
	}
	e := endpoint.New(top, clk, endpoint.Config{})
	list := listOf(packets(flows))
	bench(b, func() { e.WritePackets(list) }, func() {
		for len(below.left) == 0 {
			clk.Step()
		}
		<-below.left
	})
}

// bench calls write, which writes a burst, until b.N packets were written, and wait, which
// waits for one to leave.
func bench(b *testing.B, write, wait func()) {
	for range bursts {
		write()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += burst {
		wait()
		write()
	}
	b.StopTimer()
	for range bursts {
		wait()
	}
}

// packets returns a burst of packets of so many flows.
func packets(flows int) []*gstack.PacketBuffer {
	pkts := make([]*gstack.PacketBuffer, burst)
	for i := range pkts {
		ip := linktest.UDP(src, dst, make([]byte, 1500-28))
		binary.BigEndian.PutUint16(ip[20:], uint16(1+i%flows)) // the source port
		pkts[i] = gstack.NewPacketBuffer(gstack.PacketBufferOptions{
			ReserveHeaderBytes: header.IPv4MinimumSize,
			Payload:            buffer.MakeWithData(ip[20:]),
		})
		copy(pkts[i].NetworkHeader().Push(20), ip[:20])
		pkts[i].NetworkProtocolNumber = header.IPv4ProtocolNumber
	}
	return pkts
}

func listOf(pkts []*gstack.PacketBuffer) (list gstack.PacketBufferList) {
	for _, pkt := range pkts {
		list.PushBack(pkt)
	}
	return list
}
