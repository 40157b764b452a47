package endpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// bulk is a packet of TCP as netstack hands it down, with the checksum left to us.
type bulk struct {
	v6      bool
	seq     uint32
	flags   header.TCPFlags
	options []byte
	payload []byte
	pieces  int
	mss     int
}

var (
	timestamp = []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}
	oneBlock  = []byte{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}
)

func (b *bulk) packet(e *Endpoint) *gstack.PacketBuffer {
	src, dst := tcpip.AddrFrom4([4]byte{10, 0, 0, 1}), tcpip.AddrFrom4([4]byte{10, 0, 0, 2})
	gso := gstack.GSO{Type: gstack.GSOTCPv4, NeedsCsum: true, CsumOffset: header.TCPChecksumOffset, MSS: uint16(b.mss), L3HdrLen: 20, MaxSize: 65535}
	if b.v6 {
		src, dst = tcpip.AddrFrom16([16]byte{0xfd, 15: 1}), tcpip.AddrFrom16([16]byte{0xfd, 15: 2})
		gso.Type, gso.L3HdrLen = gstack.GSOTCPv6, 40
	}
	var data buffer.Buffer
	rest := b.payload
	for i := range max(1, b.pieces) {
		n := len(rest)
		if i < b.pieces-1 {
			n = min(n, len(b.payload)/b.pieces+i)
		}
		data.Append(buffer.NewViewWithData(rest[:n]))
		rest = rest[n:]
	}
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{ReserveHeaderBytes: 200, Payload: data})
	tcp := header.TCP(pkt.TransportHeader().Push(20 + len(b.options)))
	tcp.Encode(&header.TCPFields{SrcPort: 1000, DstPort: 2000, SeqNum: b.seq, AckNum: 9, DataOffset: uint8(len(tcp)), Flags: b.flags, WindowSize: 5})
	copy(tcp[20:], b.options)
	length := len(tcp) + len(b.payload)
	tcp.SetChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, uint16(length)))
	if b.v6 {
		header.IPv6(pkt.NetworkHeader().Push(40)).Encode(&header.IPv6Fields{PayloadLength: uint16(length), TransportProtocol: header.TCPProtocolNumber, HopLimit: 64, SrcAddr: src, DstAddr: dst, TrafficClass: 0x28})
	} else {
		ip := header.IPv4(pkt.NetworkHeader().Push(20))
		ip.Encode(&header.IPv4Fields{TotalLength: uint16(20 + length), Flags: header.IPv4FlagDontFragment, TTL: 64, TOS: 0x28, Protocol: 6, SrcAddr: src, DstAddr: dst})
		ip.SetChecksum(^ip.CalculateChecksum())
	}
	pkt.TransportProtocolNumber, pkt.NetworkProtocolNumber = header.TCPProtocolNumber, header.IPv4ProtocolNumber
	if b.v6 {
		pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
	}
	pkt.GSOOptions, pkt.Mark = gso, 77
	e.AddHeader(pkt)
	return pkt
}

// write hands a packet down, flushes, and returns how many references are left of it.
func (b *bulk) write(e *Endpoint) *gstack.PacketBuffer {
	pkt := b.packet(e)
	var list gstack.PacketBufferList
	list.PushBack(pkt)
	e.WritePackets(list)
	e.Flush()
	return pkt
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

// tagged is a sink that looks at what frames say of themselves.
type tagged struct {
	*linktest.Sink
	t *testing.T
}

func (d *tagged) Transmit(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		flow, size, tag := f.Flow, f.Size, f.Tag
		f.Measure(d.Info().Header())
		if flow != f.Flow || size != f.Size || tag.DSCP != f.Tag.DSCP || tag.Mark != 77 || f.Super != nil {
			d.t.Errorf("the frame says %v %+v %+v, and its bytes %v %+v %+v", flow, size, tag, f.Flow, f.Size, f.Tag)
		}
		f.Flow, f.Size, f.Tag = flow, size, tag
	}
	return d.Sink.Transmit(frames)
}

// TestSuperIsCut hands down TCP of any length, to a device that takes super-segments and to one
// that does not: frames of the segment's size leave, with their checksums.
func TestSuperIsCut(t *testing.T) {
	for _, c := range []bulk{
		{payload: counting(10_000), mss: 1448, options: timestamp, flags: header.TCPFlagAck | header.TCPFlagPsh},
		{payload: counting(10_000), mss: 1428, options: timestamp, v6: true, pieces: 3},
		{payload: counting(1449), mss: 1448, options: timestamp, pieces: 2},
		{payload: counting(1448), mss: 1448, options: timestamp, pieces: 2},
		{payload: counting(1448), mss: 1448, options: slices.Concat(timestamp, oneBlock)},
		{payload: counting(4000), mss: 1460, options: oneBlock, v6: false},
		{payload: counting(65_000), mss: 1460, pieces: 5, seq: 1<<32 - 100},
		{payload: counting(4000), mss: 1000, options: slices.Concat(timestamp, oneBlock)}, // a path that takes less
		{payload: counting(5000), mss: 9000, options: timestamp},                          // more than the device takes
		{payload: counting(1), mss: 1448, options: timestamp},
		{options: timestamp, mss: 1448, flags: header.TCPFlagAck},
	} {
		for _, address := range []net.HardwareAddr{nil, {2, 0, 0, 0, 0, 1}} {
			for _, whole := range []bool{false, true} {
				clk := clock.NewVirtual()
				d := &tagged{Sink: linktest.NewSink(clk, link.Info{MTU: 1500, Address: address}), t: t}
				var below link.Device = d
				if whole {
					below = hold.New(d, clk, nil)
				}
				e := New(below, clk, Config{})
				pkt := c.write(e)
				name := fmt.Sprintf("%d bytes, IPv6 %v, Ethernet %v, whole %v", len(c.payload), c.v6, address != nil, whole)
				c.check(t, name, d.Records, len(address)/6*14)
				if n := pkt.ReadRefs(); n != 1 || int(e.sent.Frames) != len(d.Records) || e.sent.Dropped() != 0 {
					t.Errorf("%s: %d references, %d of %d frames counted, %v", name, n, e.sent.Frames, len(d.Records), e.sent.Drops)
				}
				for _, fl := range e.flows.known {
					if fl.waiting != 0 || fl.largest != longest(d.Records)-len(address)/6*14 {
						t.Errorf("%s: %d wait, the largest had %d bytes", name, fl.waiting, fl.largest)
					}
				}
				pkt.DecRef()
			}
		}
	}
}

func longest(records []linktest.Record) (n int) {
	for _, r := range records {
		n = max(n, len(r.Bytes))
	}
	return n
}

func (b *bulk) check(t *testing.T, name string, records []linktest.Record, link int) {
	t.Helper()
	size := b.mss
	switch len(b.options) {
	case 12:
		if b.options[2] == 5 {
			size -= 12
		}
	case 24:
		size -= 12
	}
	ip := 20
	if b.v6 {
		ip = 40
	}
	head := ip + 20 + len(b.options)
	size = min(size, 1500-head)
	if want := max(1, (len(b.payload)+size-1)/size); len(records) != want {
		t.Errorf("%s: %d frames, want %d", name, len(records), want)
		return
	}
	var got []byte
	for i, r := range records {
		p := r.Bytes[link:]
		tcp := header.TCP(p[ip:])
		var src, dst tcpip.Address
		if b.v6 {
			src, dst = header.IPv6(p).SourceAddress(), header.IPv6(p).DestinationAddress()
		} else {
			src, dst = header.IPv4(p).SourceAddress(), header.IPv4(p).DestinationAddress()
			if h := header.IPv4(p); !h.IsChecksumValid() || int(h.TotalLength()) != len(p) {
				t.Errorf("%s: the IPv4 header of frame %d is wrong", name, i)
			}
		}
		if len(p) > 1500 || !tcp.IsChecksumValid(src, dst, onesSum(p[head:]), uint16(len(p)-head)) {
			t.Errorf("%s: frame %d of %d bytes is wrong", name, i, len(p))
		}
		if seq := tcp.SequenceNumber(); seq != b.seq+uint32(len(got)) {
			t.Errorf("%s: frame %d has the sequence number %d", name, i, seq)
		}
		if last := i == len(records)-1; tcp.Flags().Contains(header.TCPFlagPsh) != (last && b.flags.Contains(header.TCPFlagPsh)) {
			t.Errorf("%s: frame %d has the flags %v", name, i, tcp.Flags())
		}
		got = append(got, p[head:]...)
	}
	if !bytes.Equal(got, b.payload) {
		t.Errorf("%s: another payload left", name)
	}
}

// onesSum is the ones' complement sum of RFC 1071, done simply.
func onesSum(b []byte) uint16 {
	if len(b)%2 == 1 {
		b = append(bytes.Clone(b), 0)
	}
	sum := uint32(0)
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// An MTU that has no room for the headers takes nothing.
func TestSuperAboveAnyMTU(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 68})
	e := New(sink, clk, Config{})
	b := bulk{payload: counting(100), mss: 16, options: slices.Concat(timestamp, oneBlock, oneBlock)}
	pkt := b.write(e)
	if n := pkt.ReadRefs(); n != 1 || e.sent.Drops[link.TooLong] != 1 || len(sink.Records) != 0 {
		t.Errorf("%d references, %v, %d left", n, e.sent.Drops, len(sink.Records))
	}
	pkt.DecRef()
}

// heardOf writes down what left.
type heardOf struct {
	deaf
	left    []string
	waiting []int
}

func (l *heardOf) Departed(seq, end pacer.Seq, sent clock.Optional, waiting int) link.Stop {
	l.left = append(l.left, fmt.Sprintf("%d-%d %v", seq, end, sent.IsSet()))
	l.waiting = append(l.waiting, waiting)
	return link.StopWindow
}

// TestSuperIsAccounted has a super-segment wait in a hold: what is sent again of it is a
// duplicate, frame by frame, and each frame is told of, with how many still wait.
func TestSuperIsAccounted(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500})
	h := hold.New(sink, clk, &hold.Config{})
	e := New(h, clk, Config{})
	loop := &heardOf{}
	b := bulk{payload: counting(4000), mss: 1000, seq: 100}
	pkt := b.packet(e)
	key, _ := pacer.Parse(pkt.ToView().AsSlice())
	pkt.DecRef()
	e.Listen(key, loop)
	h.Do(pacer.Pace(key, &pacer.Rate{BitsPerSecond: 1040 * 8 * 1000, Unit: pacer.IP})) // a frame each millisecond
	first := b.write(e)
	if n := first.ReadRefs(); n != 2 || len(sink.Records) != 1 {
		t.Fatalf("%d references, %d left", n, len(sink.Records))
	}
	// # a timeout: 100 to 1100 has left, the others wait
	again := bulk{payload: counting(2000), mss: 1000, seq: 100}
	second := again.write(e)
	if e.sent.Drops[link.Duplicate] != 1 || h.Waiting() != 4 {
		t.Errorf("%v, %d wait", e.sent.Drops, h.Waiting())
	}
	for _, fl := range e.flows.known {
		if fl.waiting != 4 || !fl.sequence.holds(100) || !fl.sequence.holds(4099) || fl.sequence.holds(4100) || fl.stopped != link.StopWindow {
			t.Errorf("%+v", fl)
		}
	}
	clk.RunUntil(clock.Time(time.Second))
	want := []string{"100-1100 true", "1100-2100 true", "2100-3100 true", "3100-4100 true", "100-1100 true"}
	if !slices.Equal(loop.left, want) || !slices.Equal(loop.waiting, []int{3, 3, 2, 1, 0}) {
		t.Errorf("%q, %v waited", loop.left, loop.waiting)
	}
	if first.ReadRefs() != 1 || second.ReadRefs() != 1 || len(e.supers) != 2 {
		t.Errorf("%d and %d references, %d super-segments are free", first.ReadRefs(), second.ReadRefs(), len(e.supers))
	}
	first.DecRef()
	second.DecRef()
	// # what waits when the device is closed was dropped
	loop.left = nil
	b.seq = 4100
	third := b.write(e)
	h.Close()
	e.Drain()
	if want := []string{"4100-5100 true", "5100-6100 false", "6100-7100 false", "7100-8100 false"}; !slices.Equal(loop.left, want) || h.Counters().Sent.Drops[link.Closed] != 3 {
		t.Errorf("%q, %v", loop.left, h.Counters().Sent.Drops)
	}
	if n := third.ReadRefs(); n != 1 {
		t.Errorf("%d references", n)
	}
	third.DecRef()
}

// TestSuperStaysWhole hands down as much as netstack does at most, behind one set of headers:
// it waits in netstack's memory, whatever the segments' headers add up to.
func TestSuperStaysWhole(t *testing.T) {
	for _, mss := range []int{1448, 524, 216} {
		clk := clock.NewVirtual()
		sink := linktest.NewSink(clk, link.Info{MTU: 1500})
		h := hold.New(sink, clk, nil)
		e := New(h, clk, Config{})
		b := bulk{payload: counting((link.MaxSuper - 200) / mss * mss), mss: mss, options: timestamp}
		pkt := b.packet(e)
		key, _ := pacer.Parse(pkt.ToView().AsSlice())
		pkt.DecRef()
		h.Do(pacer.Pace(key, &pacer.Rate{BitsPerSecond: 1e6, Unit: pacer.IP}))
		pkt = b.write(e)
		if n := pkt.ReadRefs(); n != 2 || len(sink.Records) != 1 {
			t.Errorf("segments of %d: %d references, %d left", mss, n, len(sink.Records))
		}
		h.Close()
		pkt.DecRef()
	}
}

// TestCounters has what a full device does not take wait in the endpoint: all frames and bytes
// are counted in one place, as those of any device are.
func TestCounters(t *testing.T) {
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{MTU: 1500})
	sink.Room, sink.Every = 3, time.Millisecond
	e := New(sink, clk, Config{})
	b := bulk{payload: counting(10_000), mss: 1000, seq: 100}
	pkt := b.write(e)
	pkt.DecRef()
	sent := func() (n, bytes uint64) {
		for _, r := range sink.Records {
			bytes += uint64(len(r.Bytes))
		}
		return uint64(len(sink.Records)), bytes
	}
	for _, left := range []uint64{3, 6} {
		c := e.Counters()
		n, bytes := sent()
		if c.Kind != "endpoint" || n != left || c.Sent.Frames != n || c.Sent.Bytes != bytes || c.Waiting != int(10-left) || c.Sent.Dropped() != 0 {
			t.Errorf("%d frames of %d bytes have left: %+v", n, bytes, c)
		}
		clk.RunUntil(clk.Now() + clock.Time(sink.Every))
	}
	sink.Close()
	e.Drain()
	if c, n := e.Counters(), uint64(len(sink.Records)); c.Sent.Frames != n || c.Waiting != 0 || c.Sent.Drops[link.Closed] != 10-n {
		t.Errorf("%d of 10 frames have left: %+v", n, c)
	}
}
