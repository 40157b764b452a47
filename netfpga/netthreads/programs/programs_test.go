package programs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/netthreads"
)

func TestELFUnknown(t *testing.T) {
	if _, err := Image("nothing"); err == nil || !strings.Contains(err.Error(), "bounce hello pktgen") {
		t.Errorf("the error is %v", err)
	}
}

func hellos() []string {
	want := []string{"Hello world. I am the wonderful thread 2"}
	for _, thread := range []int{0, 1, 3, 4, 5, 6, 7} {
		want = append(want, fmt.Sprintf("Hello world. I am thread %d", thread))
	}
	slices.Sort(want)
	return want
}

func TestHello(t *testing.T) {
	r := newGenerator(t, "hello", netthreads.Config{})
	slices.Sort(r.lines)
	if want := hellos(); !slices.Equal(r.lines, want) {
		t.Errorf("it says %q, want %q", r.lines, want)
	}
}

// All packets of all sizes come back, by the port that they came by.
func TestBounce(t *testing.T) {
	r := newGenerator(t, "bounce", netthreads.Config{})
	var want []sent
	for i := range 300 {
		b := payload(i, 1+(i*37)%1592)
		port := i % 8
		for !r.m.Offer(port, b) {
			r.run(r.m.Cycle() + 1000)
		}
		want = append(want, sent{ports: 1 << port, bytes: b})
		r.run(r.m.Cycle() + 1000)
	}
	r.idle()
	if len(r.packets) != len(want) {
		t.Fatalf("%d packets came back, want %d", len(r.packets), len(want))
	}
	// Eight threads bounce packets of different lengths: they overtake each other.
	order := func(a, b sent) int { return bytes.Compare(a.bytes, b.bytes) }
	slices.SortFunc(want, order)
	slices.SortFunc(r.packets, order)
	for i := range want {
		if !bytes.Equal(r.packets[i].bytes, want[i].bytes) || r.packets[i].ports != want[i].ports {
			t.Fatalf("ports %x, %x; want ports %x, %x", r.packets[i].ports, r.packets[i].bytes, want[i].ports, want[i].bytes)
		}
	}
}

// ---- The context sw

// record is a packet of a pcap file, and when it was captured, in nanoseconds.
type record struct {
	at    uint64
	bytes []byte
}

// pcapOf returns a file of nanosecond resolution.
func pcapOf(packets ...[]byte) []byte {
	h := []uint32{0xa1b23c4d, 4<<16 | 2, 0, 0, 65535, 1}
	b, _ := binary.Append(nil, binary.LittleEndian, h)
	for _, p := range packets {
		b, _ = binary.Append(b, binary.LittleEndian, []uint32{0, 0, uint32(len(p)), uint32(len(p))})
		b = append(b, p...)
	}
	return b
}

func readPcap(t *testing.T, file string) (records []record) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 24 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	for b = b[24:]; len(b) >= 16; {
		n := binary.LittleEndian.Uint32(b[8:])
		at := uint64(binary.LittleEndian.Uint32(b))*1e9 + uint64(binary.LittleEndian.Uint32(b[4:]))
		records = append(records, record{at, b[16 : 16+n]})
		b = b[16+n:]
	}
	return records
}

func runSW(t *testing.T, program, port string, packets ...[]byte) []record {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "out.pcap")
	if err := os.WriteFile(in, pcapOf(packets...), 0o666); err != nil {
		t.Fatal(err)
	}
	command(t, program, "-p", port, "-i", in, "-o", out)
	return readPcap(t, out)
}

func TestSoftwareHello(t *testing.T) {
	got := strings.Split(strings.TrimSpace(string(command(t, makeIn(t, "hello", "sw", "hello")))), "\n")
	slices.Sort(got)
	if want := hellos(); !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestSoftwareBounce(t *testing.T) {
	var packets [][]byte
	for i := range 50 {
		packets = append(packets, payload(i, 60+i*20))
	}
	got := runSW(t, makeIn(t, "bounce", "sw", "bounce"), "0", packets...)
	slices.SortFunc(got, func(a, b record) int { return len(a.bytes) - len(b.bytes) })
	if len(got) != len(packets) {
		t.Fatalf("%d packets came back", len(got))
	}
	for i := range got {
		if !bytes.Equal(got[i].bytes, packets[i]) {
			t.Fatalf("packet %d is %x", i, got[i].bytes)
		}
	}
}

// Time is real there, and so only the order is sure.
func TestSoftwarePktgen(t *testing.T) {
	r := &generator{t: t}
	packets := steady(30, 200, 1514, 4000)
	packets[0].clock = 1
	r.send(packets...)
	got := runSW(t, makeIn(t, "pktgen", "sw", "pktgen"), "1", append([][]byte{drivercomm.PutReset(make([]byte, 60))}, r.queue...)...)
	for _, p := range got {
		if reply, ok := drivercomm.ParseReply(p.bytes); ok && len(p.bytes) == drivercomm.ReplyLen {
			r.replies = append(r.replies, reply)
		} else {
			r.packets = append(r.packets, sent{drivercomm.MACBit(0), p.at, p.bytes})
		}
	}
	r.check(packets)
	if !slices.IsSortedFunc(r.packets, func(a, b sent) int { return cmp.Compare(a.depart, b.depart) }) {
		t.Error("the packets are not in order")
	}
	if len(r.replies) == 0 || r.replies[0].Type != drivercomm.ResetDone {
		t.Errorf("replies %v", r.replies)
	}
}
