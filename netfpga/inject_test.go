package netfpga_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// expected returns the bytes of a described packet, by gopacket.
func expected(t *testing.T, d *netfpga.Description, ethernet bool) []byte {
	t.Helper()
	src, dst := d.Src.Addr().Unmap(), d.Dst.Addr().Unmap()
	udp := &layers.UDP{SrcPort: layers.UDPPort(d.Src.Port()), DstPort: layers.UDPPort(d.Dst.Port())}
	var all []gopacket.SerializableLayer
	etherType := layers.EthernetTypeIPv6
	if src.Is4() {
		etherType = layers.EthernetTypeIPv4
	}
	if ethernet {
		all = append(all, &layers.Ethernet{SrcMAC: d.SrcMAC[:], DstMAC: d.DstMAC[:], EthernetType: etherType})
	}
	if src.Is4() {
		ip := &layers.IPv4{
			Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolUDP,
			SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
		}
		udp.SetNetworkLayerForChecksum(ip)
		all = append(all, ip)
	} else {
		ip := &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP,
			SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
		}
		udp.SetNetworkLayerForChecksum(ip)
		all = append(all, ip)
	}
	payload := make([]byte, d.Payload)
	copy(payload, d.Data)
	all = append(all, udp, gopacket.Payload(payload))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	// gopacket pads Ethernet frames to 60 bytes; link.Frame does not.
	n := 8 + d.Payload + 40
	if src.Is4() {
		n -= 20
	}
	if ethernet {
		n += link.EthernetHeader
	}
	b := bytes.Clone(buf.Bytes()[:n])
	// A UDP checksum that comes to zero is sent as all ones (RFC 768).
	if sum := b[n-d.Payload-2 : n-d.Payload]; sum[0] == 0 && sum[1] == 0 {
		sum[0], sum[1] = 0xff, 0xff
	}
	return b
}

// FuzzInject compares the bytes that leave, headers, checksums and payload, with those that
// gopacket makes.
func FuzzInject(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, uint16(1000), uint16(2000), 1472, []byte("seq 1"), true)
	f.Add([]byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, uint16(1000), uint16(2000), 18, []byte{}, false)
	f.Add([]byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, uint16(0), uint16(0), 0, []byte{}, true)
	f.Add(bytes.Repeat([]byte{0xfd, 1}, 8), bytes.Repeat([]byte{0xff, 2}, 8), uint16(65535), uint16(9), 1452, []byte("odd"), true)
	f.Add([]byte{0, 0, 0, 0}, []byte{0, 0, 0, 0}, uint16(0xffff-17-16), uint16(0), 0, []byte{}, true) // a checksum of zero
	f.Add(append(bytes.Repeat([]byte{0}, 10), 255, 255, 1, 2, 3, 4), []byte{9, 8, 7, 6}, uint16(1), uint16(2), 100, []byte{1}, true)
	f.Fuzz(func(t *testing.T, src, dst []byte, sport, dport uint16, payload int, data []byte, ethernet bool) {
		a, ok1 := netip.AddrFromSlice(src)
		b, ok2 := netip.AddrFromSlice(dst)
		clk, dev := clock.NewVirtual(), newBelow()
		if !ethernet {
			dev.info.Address = nil
		}
		card := newCard(t, clk, dev, nil)
		s := card.NewSender(netfpga.SenderConfig{})
		d := &netfpga.Description{
			Src: netip.AddrPortFrom(a, sport), Dst: netip.AddrPortFrom(b, dport),
			SrcMAC: [6]byte{2, 1, 2, 3, 4, 5}, DstMAC: [6]byte{2, 9, 8, 7, 6, 5},
			Payload: payload, Data: data,
		}
		err := s.Inject(d)
		headers := 28
		if !a.Unmap().Is4() {
			headers = 48
		}
		if good := ok1 && ok2 && a.Unmap().Is4() == b.Unmap().Is4() && len(data) <= payload && payload <= 1500-headers; good != (err == nil) {
			t.Fatalf("Inject = %v", err)
		}
		if err != nil {
			return
		}
		want := expected(t, d, ethernet)
		dev.onFrame = func(f *link.Frame) {
			if !bytes.Equal(f.Bytes(), want) {
				t.Errorf("left\n%x, want\n%x", f.Bytes(), want)
			}
			flow, size := f.Flow, f.Size
			if f.Measure(dev.info.Header()); f.Flow != flow || f.Size != size {
				t.Errorf("flow %v, size %+v, want %v, %+v", flow, size, f.Flow, f.Size)
			}
		}
		run(clk)
		if len(dev.sent) != 1 {
			t.Errorf("%d frames left", len(dev.sent))
		}
	})
}

// As the original made them: identifications that count up, no DF, no UDP checksum, and the
// source that is given. There is one mark to a transmit buffer.
func TestInjectAsTheOriginal(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	dev.info.Address = net.HardwareAddr{2, 7, 7, 7, 7, 7}
	card := newCard(t, clk, dev, nil)
	hits := 0
	s := card.NewSender(netfpga.SenderConfig{Original: true, Hit: func(uint32) { hits++ }})
	var left []*layers.IPv4
	dev.onFrame = func(f *link.Frame) {
		p := gopacket.NewPacket(bytes.Clone(f.Bytes()), layers.LayerTypeEthernet, gopacket.Default)
		ip := p.NetworkLayer().(*layers.IPv4)
		udp := p.TransportLayer().(*layers.UDP)
		eth := p.LinkLayer().(*layers.Ethernet)
		if udp.Checksum != 0 || udp.Length != 108 || eth.SrcMAC.String() != "00:00:00:00:00:00" || ones(0, ip.Contents) != 0xffff {
			t.Errorf("%v", p)
		}
		left = append(left, ip)
	}
	d := describe(142+4, 0, true)
	const n = 0x10003 // identifications wrap
	marked := 0
	for range n {
		for s.Inject(d) == link.ErrFull {
			run(clk)
		}
		if err := s.Mark(0); err == netfpga.ErrMarked {
			marked++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	run(clk)
	for i, ip := range left {
		if ip.Id != uint16(i) || ip.Flags != 0 || ip.FragOffset != 0 {
			t.Fatalf("packet %d: identification %d, flags %v", i, ip.Id, ip.Flags)
		}
	}
	if len(left) != n || marked == 0 || hits+marked != n {
		t.Errorf("%d packets left, %d marks hit, %d refused", len(left), hits, marked)
	}
}

// What leaves has the time that was asked for: absolute, or relative to what the sender
// asked before, whatever others send in between.
func TestInjectDepartures(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	var got []string
	dev.onFrame = func(f *link.Frame) {
		got = append(got, fmt.Sprintf("%d %d>%d", f.Flow.SrcPort, int64(f.Depart), int64(f.Sent.Or(clock.Never))))
		if f.Flow.Proto == pacer.ProtoUDP && (!f.Paced || f.Enqueued != clock.At(500)) {
			t.Errorf("paced %v, handed at %v", f.Paced, f.Enqueued)
		}
	}
	clk.RunUntil(500)
	a, b := card.NewSender(netfpga.SenderConfig{}), card.NewSender(netfpga.SenderConfig{})
	inject := func(s *netfpga.Sender, port uint16, departure clock.Time, absolute bool) {
		d := describe(64, departure, absolute)
		d.Src = netip.AddrPortFrom(d.Src.Addr(), port)
		if err := s.Inject(d); err != nil {
			t.Fatal(err)
		}
	}
	inject(a, 1, 1000, false) // relative to now
	inject(a, 1, 1001, false)
	inject(b, 2, 3700, true)
	inject(b, 2, 1001, false)
	inject(a, 1, 4001, false) // relative to its own, 2501
	card.Transmit([]*link.Frame{frame(60, 8000)})
	inject(a, 1, 4001, false)
	inject(a, 1, 4001, false)
	inject(b, 2, 20_001, true)
	inject(b, 2, 0, false)
	run(clk)
	want := []string{
		"1 1500>1504", "1 2501>2504", "2 3700>3704", "2 4701>4704", "1 6502>6504", "0 8000>8000",
		"1 10503>10504", "1 14504>14504", "2 20001>20008", "2 20001>20680",
	}
	if !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	if s := card.Counters(); s.Get("injected") != 9 || s.Sent.Frames != 10 {
		t.Errorf("%+v", s)
	}
}

// Link traces and their reports count injected packets as any other frame.
func TestInjectedAreTraced(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	trace := link.NewTrace(dev, clk, nil)
	card := newCard(t, clk, trace, nil)
	card.Attach(&linktest.Collector{Clock: clk})
	s := card.NewSender(netfpga.SenderConfig{})
	for i := range 100 {
		d := describe(1518, 13_561, false)
		if i == 0 {
			d = describe(1518, 1_000_000, true)
		}
		if err := s.Inject(d); err != nil {
			t.Fatal(err)
		}
	}
	run(clk)
	r := trace.Departures.Report()
	if r.Packets != 100 || r.Paced != 100 || r.Late != 0 || r.GapError.Max != 7 || r.Lateness.Max != 7 {
		t.Errorf("%+v", r)
	}
}

func TestInjectRefuses(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	s := card.NewSender(netfpga.SenderConfig{})
	if err := s.Inject(describe(64, 1000, true)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*netfpga.Description)
		want   string
	}{
		{func(d *netfpga.Description) { d.Port = 1 }, "no port 1"},
		{func(d *netfpga.Description) { d.Port = -1 }, "no port -1"},
		{func(d *netfpga.Description) { d.Src = netip.AddrPort{} }, "address"},
		{func(d *netfpga.Description) { d.Dst = netip.MustParseAddrPort("[fd00::1]:5") }, "one is IPv4 and the other IPv6"},
		{func(d *netfpga.Description) { d.Payload = 1473 }, "at most 1472 do"},
		{func(d *netfpga.Description) { d.Payload = -1 }, "payload of -1"},
		{func(d *netfpga.Description) { d.Data = make([]byte, 19) }, "begin with 19 bytes"},
		{func(d *netfpga.Description) { d.Departure = -1 }, "negative"},
		{func(d *netfpga.Description) { d.Departure = clock.Never - 1000 }, "end of time"},
	} {
		d := describe(64, 1000, false)
		c.change(d)
		if err := s.Inject(d); err == nil || !strings.HasPrefix(err.Error(), "netfpga: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.want, err)
		}
	}
	// What was refused does not count as the packet before.
	if err := s.Inject(describe(64, 1000, false)); err != nil {
		t.Fatal(err)
	}
	run(clk)
	if want := "[0.000001000s 0.000002000s]"; fmt.Sprint(dev.sent) != want {
		t.Errorf("left at %v, want %s", dev.sent, want)
	}
	card.Close()
	if err := s.Inject(describe(64, 0, false)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("on a closed card: %v", err)
	}
}

// A generator in the original's manner: bursts of 100, with a mark behind each, so that 100
// to 200 packets are outstanding and none is refused. The descriptions are combined as they
// wait: 24 packets of which 42 bytes are carried fit a buffer.
func TestMarksKeepSenderFed(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	longest := 0
	card := newCard(t, clk, dev, &netfpga.Config{Trace: func(s driver.Step) {
		if s.Kind == driver.DMATx {
			longest = max(longest, s.N)
		}
	}})
	const bursts = 50
	var s *netfpga.Sender
	var hits []uint32
	sent := 0
	burst := func() {
		for range 100 {
			d := describe(1518, 13_560, false)
			if sent == 0 {
				d = describe(1518, clk.Now().Add(time.Second), true)
			}
			if err := s.Inject(d); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if err := s.Mark(uint32(sent)); err != nil {
			t.Fatal(err)
		}
	}
	s = card.NewSender(netfpga.SenderConfig{Hit: func(seq uint32) {
		hits = append(hits, seq)
		if outstanding := sent - int(seq); outstanding > 200 {
			t.Errorf("%d packets outstanding", outstanding)
		}
		if sent < bursts*100 {
			burst()
		}
	}})
	burst()
	burst()
	run(clk)
	if sent != bursts*100 || len(dev.sent) != sent || len(hits) != bursts || !slices.IsSorted(hits) {
		t.Errorf("%d sent, %d left, hits %v", sent, len(dev.sent), hits)
	}
	for i, at := range dev.sent {
		if want := clock.Time(1e9 + i*13_560); at != want {
			t.Fatalf("packet %d left at %v, want %v", i, at, want)
		}
	}
	if want := 8 + 24*(16+48) - 6; longest != want { // 42 bytes are padded to 48, but for the last
		t.Errorf("the longest message has %d bytes, want the %d of 24 packets", longest, want)
	}
	if st := card.Counters(); st.Get("driver_no_buffer") != 0 || late(st) != 0 {
		t.Errorf("%+v", st)
	}
}

// Where there is no room a sender is told so, and of room again, and takes turns with the
// others that wait.
func TestSendersTakeTurns(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	const each = 1000
	var sent [3]int
	var pump [3]func()
	for k := range pump {
		var s *netfpga.Sender
		pump[k] = func() {
			for sent[k] < each {
				d := describe(1518, 0, false)
				d.Payload, d.Data = 1472, make([]byte, 1472)
				if err := s.Inject(d); errors.Is(err, link.ErrFull) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
				sent[k]++
			}
		}
		s = card.NewSender(netfpga.SenderConfig{Ready: func() { pump[k]() }})
	}
	for _, p := range pump {
		p()
	}
	for clk.Step() && sent[0] < each && sent[1] < each && sent[2] < each {
	}
	if slices.Min(sent[:]) < each*3/4 {
		t.Errorf("when the first is done they have sent %v of %d", sent, each)
	}
	run(clk)
	if len(dev.sent) != 3*each {
		t.Errorf("%d left", len(dev.sent))
	}
}

// A sender that goes away leaves its packets, but no mark and no claim to room.
func TestSenderCloses(t *testing.T) {
	clk, dev := clock.NewVirtual(), newBelow()
	card := newCard(t, clk, dev, nil)
	told := 0
	s := card.NewSender(netfpga.SenderConfig{
		Hit: func(uint32) { told++ }, Ready: func() { told++ },
	})
	n := 0
	for ; s.Inject(describe(1518, 0, false)) == nil; n++ {
	}
	if err := s.Mark(1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.Close()
	}
	run(clk)
	if told != 0 || len(dev.sent) != n {
		t.Errorf("told %d times; %d of %d packets left", told, len(dev.sent), n)
	}
	if err := s.Inject(describe(64, 0, false)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Inject = %v", err)
	}
	if err := s.Mark(2); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Mark = %v", err)
	}
}

func TestInjectDoesNotAllocate(t *testing.T) {
	if testing.AllocsPerRun(100, func() { link.NewFrame(64).Free() }) > 0 {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	clk := clock.NewVirtual()
	card := newCard(t, clk, &linktest.Null{Is: link.Info{Name: "null", MTU: 1500, Address: make([]byte, 6)}}, nil)
	s := card.NewSender(netfpga.SenderConfig{Hit: func(uint32) {}})
	d := describe(1518, 13_560, false)
	send := func() {
		if err := s.Inject(d); err != nil {
			t.Fatal(err)
		}
		if err := s.Mark(1); err != nil {
			t.Fatal(err)
		}
		run(clk)
	}
	send()
	if n := testing.AllocsPerRun(1000, send); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
