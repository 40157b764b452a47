package programs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// host is the number of the port that the driver's messages come by.
const host = 1

// generator is a machine that runs pktgen, and a driver that is infinitely fast: it sends a
// message as soon as its quota lets it.
type generator struct {
	t       testing.TB
	m       *netthreads.Machine
	queue   [][]byte
	quota   int
	packets []sent
	replies []drivercomm.Reply
	lines   []string
}

// sent is a packet that left.
type sent struct {
	ports  uint16
	depart uint64 // tick
	bytes  []byte
}

func newGenerator(t testing.TB, name string, config netthreads.Config) *generator {
	t.Helper()
	img, err := Image(name)
	if err != nil {
		t.Fatal(err)
	}
	return newGeneratorOf(t, img, config)
}

func newGeneratorOf(t testing.TB, img *netthreads.Image, config netthreads.Config) *generator {
	t.Helper()
	r := &generator{t: t, quota: drivercomm.StartQuota}
	config.Log = func(thread int, cycle uint64, line string) { r.lines = append(r.lines, line) }
	var err error
	if r.m, err = netthreads.New(img, &config); err != nil {
		t.Fatal(err)
	}
	r.idle()
	return r
}

// run goes on to a cycle.
func (r *generator) run(to uint64) {
	r.t.Helper()
	for {
		for len(r.queue) > 0 && r.quota > 0 && r.m.Offer(host, r.queue[0]) {
			r.queue, r.quota = r.queue[1:], r.quota-1
		}
		stop, err := r.m.Run(to)
		if err != nil {
			r.t.Fatal(err)
		}
		if stop != netthreads.Launched {
			return
		}
		p, _ := r.m.Output()
		if p.Ports != drivercomm.HostBit(0) || len(p.Bytes) != drivercomm.ReplyLen {
			r.packets = append(r.packets, sent{p.Ports, p.Depart, slices.Clone(p.Bytes)})
			continue
		}
		reply, _ := drivercomm.ParseReply(p.Bytes)
		r.replies = append(r.replies, reply)
		switch reply.Type {
		case drivercomm.Quota:
			r.quota += int(reply.Quota)
		case drivercomm.ResetDone:
			r.quota = int(reply.Quota)
		}
	}
}

// idle gives the program time to start, and to wait.
func (r *generator) idle() {
	r.t.Helper()
	r.run(r.m.Cycle() + 100_000)
}

// packet is a packet to be sent.
type packet struct {
	carried, wire int // bytes, without FCS
	clock         uint64
	absolute      bool
	port          uint8
}

// send queues packets, as many to a message as fit. Their bytes tell which they are.
func (r *generator) send(packets ...packet) {
	b := drivercomm.NewBuilder()
	flush := func() {
		if b.Count() > 0 {
			r.queue = append(r.queue, slices.Clone(b.Message().Bytes))
			b.Clear()
		}
	}
	for i, p := range packets {
		h := drivercomm.Header{WireLen: uint16(p.wire), Clock: p.clock, Absolute: p.absolute, Port: p.port}
		if !b.Add(h, payload(i, p.carried)) {
			flush()
			b.Add(h, payload(i, p.carried))
		}
	}
	flush()
}

// payload returns n bytes that no other packet has, none of them 0.
func payload(i, n int) []byte {
	b := make([]byte, n+4)
	binary.BigEndian.PutUint32(b, uint32(i)|0x80808080)
	for j := range b {
		b[j] = b[j] | 1
		if j >= 4 {
			b[j] = byte(i+j) | 1
		}
	}
	return b[:n]
}

// check compares what left with what was asked for.
func (r *generator) check(packets []packet) {
	r.t.Helper()
	if len(r.packets) != len(packets) {
		r.t.Fatalf("%d packets left, want %d", len(r.packets), len(packets))
	}
	for i, p := range packets {
		got := r.packets[i]
		want := append(payload(i, p.carried), make([]byte, p.wire-p.carried)...)
		if !slices.Equal(got.bytes, want) {
			r.t.Fatalf("packet %d is\n%x, want\n%x", i, got.bytes, want)
		}
		if got.ports != drivercomm.MACBit(int(p.port)) {
			r.t.Fatalf("packet %d left by ports %x", i, got.ports)
		}
	}
}

// gaps returns the least and the greatest gap between packets, and the mean, in ticks.
func (r *generator) gaps() string {
	least, greatest, sum := ^uint64(0), uint64(0), uint64(0)
	for i := 1; i < len(r.packets); i++ {
		gap := r.packets[i].depart - r.packets[i-1].depart
		least, greatest, sum = min(least, gap), max(greatest, gap), sum+gap
	}
	return fmt.Sprintf("%d to %d, mean %.1f", least, greatest, float64(sum)/float64(len(r.packets)-1))
}

// steady returns n packets with equal gaps.
func steady(n, carried, wire int, gap uint64) []packet {
	packets := make([]packet, n)
	for i := range packets {
		packets[i] = packet{carried: carried, wire: wire, clock: gap}
	}
	packets[0].clock, packets[0].absolute = 400_000, true
	return packets
}
