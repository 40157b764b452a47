package programs

import (
	"fmt"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// Every gap is exact as long as the sending thread keeps up, with all bytes carried at line
// rate, too. The ticks are of 8 ns: 1538 of them are 12,304 ns.
func TestPktgenGaps(t *testing.T) {
	for _, c := range []struct {
		carried, wire int
		gap           uint64
	}{
		{42, 1514, 1695}, {42, 1514, 1542}, {42, 1514, 1538},
		{200, 1514, 1538}, {1514, 1514, 1538}, {66, 608, 635}, {42, 60, 635}, {42, 60, 500},
	} {
		for _, delaySlots := range []bool{false, true} {
			r := newGenerator(t, "pktgen", netthreads.Config{DelaySlots: delaySlots})
			packets := steady(1000, c.carried, c.wire, c.gap)
			r.send(packets...)
			r.run(400_000 + 1001*c.gap)
			r.check(packets)
			if got, want := r.gaps(), fmt.Sprintf("%d to %d, mean %d.0", c.gap, c.gap, c.gap); got != want {
				t.Errorf("%d of %d bytes every %d ticks: gaps %s, want %s", c.carried, c.wire, c.gap, got, want)
			}
			if at := r.packets[0].depart; at != 400_000 {
				t.Errorf("the first packet left at tick %d, want 400000", at)
			}
		}
	}
}

// What the sending thread takes for a packet is the limit: it was 632 ticks with the
// original.
func TestPktgenSaturates(t *testing.T) {
	r := newGenerator(t, "pktgen", netthreads.Config{})
	packets := steady(1000, 42, 60, 84)
	r.send(packets...)
	r.run(2_000_000)
	r.check(packets)
	span := r.packets[999].depart - r.packets[0].depart
	if perPacket := span / 999; perPacket < 84 || perPacket > 632 {
		t.Errorf("a packet takes %d ticks", perPacket)
	}
}

// From the descriptor in the card to the MAC: within what the original took, which is 20.7,
// 24.4 and 53.9 us.
func TestPktgenLatency(t *testing.T) {
	for _, c := range []struct {
		carried int
		limit   uint64 // ticks
	}{{42, 2587}, {200, 3050}, {1514, 6737}} {
		r := newGenerator(t, "pktgen", netthreads.Config{})
		start := r.m.Cycle()
		packets := []packet{{carried: c.carried, wire: 1514}}
		r.send(packets...)
		r.run(start + 10_000)
		r.check(packets)
		if took := r.packets[0].depart - start; took > c.limit {
			t.Errorf("%d bytes carried: %d ticks, want at most %d", c.carried, took, c.limit)
		}
	}
}

// Sizes follow each other in the same slots: no byte of a packet is seen in another.
func TestPktgenSizes(t *testing.T) {
	r := newGenerator(t, "pktgen", netthreads.Config{})
	var packets []packet
	for i := range 300 {
		carried := (i * 397) % 1515
		packets = append(packets, packet{carried: carried, wire: min(max(60, carried+i%7*100), 1514), clock: 2000, port: uint8(i % 4)})
	}
	r.send(packets...)
	r.run(3_000_000)
	r.check(packets)
}

func TestPktgenQuota(t *testing.T) {
	r := newGenerator(t, "pktgen", netthreads.Config{})
	r.send(steady(100*24, 42, 60, 700)...)
	r.run(400_000 + 2500*700)
	if len(r.packets) != 2400 || len(r.queue) != 0 {
		t.Fatalf("%d packets left, and %d messages wait", len(r.packets), len(r.queue))
	}
	if r.quota != drivercomm.StartQuota || len(r.replies) != 25 {
		t.Errorf("quota %d after %d replies, want 8 after 25", r.quota, len(r.replies))
	}
	last := uint64(0)
	for _, reply := range r.replies {
		if reply.Type != drivercomm.Quota || reply.Quota < drivercomm.QuotaStep || reply.Time <= last || reply.Time > r.m.Cycle() {
			t.Errorf("reply %+v after tick %d", reply, last)
		}
		last = reply.Time
	}
}

// A reset forgets packets whose time is far away, also where they keep all slots occupied
// and further messages waiting.
func TestPktgenReset(t *testing.T) {
	testReset(t, netthreads.Config{})
	testReset(t, netthreads.Config{CPUs: 1, Threads: 2}) // one thread has all jobs
	testReset(t, netthreads.Config{CPUs: 4, Threads: 4})
}

func testReset(t *testing.T, config netthreads.Config) {
	t.Helper()
	r := newGenerator(t, "pktgen", config)
	reset := drivercomm.PutReset(make([]byte, drivercomm.ResetLen))
	for range 3 {
		for _, messages := range []int{0, 1, 7} {
			r.packets, r.replies = nil, nil
			far := make([]packet, 24*messages)
			for i := range far {
				far[i] = packet{carried: 42, wire: 60, clock: 1 << 40, absolute: true}
			}
			r.send(far...)
			r.idle()
			if !r.m.Offer(host, reset) {
				t.Fatal("no room for a reset")
			}
			r.idle()
			if len(r.replies) != 1 || r.replies[0].Type != drivercomm.ResetDone || r.quota != drivercomm.StartQuota || len(r.packets) != 0 {
				t.Fatalf("%d messages: replies %v, %d packets", messages, r.replies, len(r.packets))
			}
			if r.m.Free() != drivercomm.Slots {
				t.Errorf("%d messages: %d input slots are free", messages, r.m.Free())
			}
			// Relative departures count from the reset.
			packets := steady(100, 42, 60, 600)
			packets[0] = packet{carried: 42, wire: 60, clock: 200_000}
			r.send(packets...)
			r.run(r.m.Cycle() + 400_000)
			r.check(packets)
			if got, want := r.packets[0].depart, r.replies[0].Time+200_000; got != want {
				t.Errorf("%d messages: the first packet left at %d, want %d", messages, got, want)
			}
		}
	}
}

// Departures of late packets: with gaps below 5000 ticks the schedule is caught up with, and
// with 5000 it begins anew.
func TestPktgenLate(t *testing.T) {
	for _, c := range []struct {
		gap     uint64
		catchUp bool
	}{{1000, true}, {4999, true}, {5000, false}, {20_000, false}} {
		r := newGenerator(t, "pktgen", netthreads.Config{})
		first := steady(10, 42, 60, c.gap)
		r.send(first...)
		r.run(400_000 + 30*c.gap)
		rest := make([]packet, 100)
		for i := range rest {
			rest[i] = packet{carried: 42, wire: 60, clock: c.gap}
		}
		r.send(rest...)
		r.run(400_000 + 140*c.gap)
		if len(r.packets) != 110 {
			t.Fatalf("gap %d: %d packets left", c.gap, len(r.packets))
		}
		last, late := r.packets[109].depart, r.packets[10].depart
		if want := 400_000 + 109*c.gap; c.catchUp && last != want {
			t.Errorf("gap %d: the last packet left at tick %d, want %d", c.gap, last, want)
		}
		// The card reads its clock just after it has launched.
		if want := late + 99*c.gap; !c.catchUp && (last < want || last > want+16) {
			t.Errorf("gap %d: the last packet left at tick %d, want %d", c.gap, last, want)
		}
	}
}

// The time register wraps; the card's time has 64 bits.
func TestPktgenWrap(t *testing.T) {
	r := newGenerator(t, "pktgen", netthreads.Config{Clock: 1<<32 - 300_000})
	packets := steady(200, 42, 60, 1000)
	packets[0].clock = 1<<32 - 100_000
	r.send(packets...)
	r.run(500_000)
	r.check(packets)
	if got := r.gaps(); got != "1000 to 1000, mean 1000.0" || r.packets[0].depart != 200_000 {
		t.Errorf("the first left at cycle %d, gaps %s", r.packets[0].depart, got)
	}
}

// Messages that contradict themselves are dropped, and those behind them are not.
func TestPktgenMalformed(t *testing.T) {
	r := newGenerator(t, "pktgen", netthreads.Config{})
	for _, c := range []struct {
		why  string
		edit func(msg []byte) []byte
		sent int
	}{
		{"empty", func(m []byte) []byte { return m[:1] }, 0},
		{"no header", func(m []byte) []byte { return m[:23] }, 0},
		{"no bytes", func(m []byte) []byte { return m[:60] }, 0},
		{"cut in the second", func(m []byte) []byte { return m[:len(m)-1] }, 1},
		{"another type", func(m []byte) []byte { m[3] = 43; return m }, 0},
		{"more than a message", func(m []byte) []byte { m[8] = 0xff; return m }, 0},
		{"too short for a wire", func(m []byte) []byte { m[11] = 59; return m }, 0},
		{"too long for a wire", func(m []byte) []byte { m[10], m[11] = 0xff, 0xff; return m }, 0},
		{"more carried than on the wire", func(m []byte) []byte { m[9], m[11] = 61, 60; return m }, 0},
		{"a port that no card has", func(m []byte) []byte { m[20] = 4; return m }, 0},
		{"next in this one", func(m []byte) []byte { m[23] = 16; return m }, 0},
		{"next not aligned", func(m []byte) []byte { m[23]++; return m }, 0},
		{"next far away", func(m []byte) []byte { m[22] = 0xff; return m }, 1},
	} {
		b := drivercomm.NewBuilder()
		for range 2 {
			b.Add(drivercomm.Header{WireLen: 60}, payload(0, 42))
		}
		r.packets = nil
		if !r.m.Offer(host, c.edit(b.Message().Bytes)) {
			t.Fatalf("%s: no room", c.why)
		}
		r.idle()
		if len(r.packets) != c.sent {
			t.Errorf("%s: %d packets left, want %d", c.why, len(r.packets), c.sent)
		}
		if r.m.Free() != drivercomm.Slots {
			t.Errorf("%s: %d input slots are free", c.why, r.m.Free())
		}
	}
	// What comes from the wire is no message.
	r.replies = nil
	if r.m.Offer(0, drivercomm.PutReset(make([]byte, 60))); r.m.Free() != drivercomm.Slots-1 {
		t.Fatal("no room")
	}
	r.idle()
	if len(r.replies) != 0 || r.m.Free() != drivercomm.Slots {
		t.Errorf("a reset from the wire: replies %v", r.replies)
	}
}

// The program runs on other machines, and with caches.
func TestPktgenMachines(t *testing.T) {
	for _, config := range []netthreads.Config{
		{CPUs: 1, Threads: 4}, {CPUs: 1, Threads: 2}, {CPUs: 2, Threads: 8}, {CPUs: 4, Threads: 4}, {Memory: &netthreads.Memory{}},
	} {
		r := newGenerator(t, "pktgen", config)
		packets := steady(200, 42, 1514, 3000)
		r.send(packets...)
		r.run(400_000 + 201*3000)
		r.check(packets)
		if got := r.gaps(); got != "3000 to 3000, mean 3000.0" {
			t.Errorf("%d CPUs of %d threads: gaps %s", config.CPUs, config.Threads, got)
		}
	}
}
