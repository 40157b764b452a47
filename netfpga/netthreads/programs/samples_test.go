package programs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// The samples build in all contexts, and do the same in sim and sw.
func TestSamples(t *testing.T) {
	out := t.TempDir() // no two samples have files of the same name
	for name, test := range map[string]func(t *testing.T, out string){"print": samplesPrint, "ping": samplePing, "times": sampleTimes} {
		t.Run(name, func(t *testing.T) { test(t, out) })
	}
}

// sample builds a sample in the contexts nf, sim and sw, and returns the last two.
func sample(t *testing.T, out, dir, name string) (sim *netthreads.Image, sw string) {
	t.Helper()
	dir = filepath.Join("samples", dir)
	makeInto(t, out, dir, "nf", name)
	return readImage(t, makeInto(t, out, dir, "sim", name)), makeInto(t, out, dir, "sw", name)
}

// Samples that print print the same on the machine, on machines of other shapes, and on this
// computer.
func samplesPrint(t *testing.T, out string) {
	for name, want := range map[string][]string{
		"deques": {
			"empty 1, pops 0, pop 0", "3: 0 1 2, then 0", "2: 3 4, empty 1", "3, empty 1",
			"empty 1, no item 1, none 0", "400 numbers, sum 79800, empty 1 1", "end",
		},
		// Of 30 rounds a thread writes in a quarter: 8 in the first two of each CPU, 7 in the others.
		"locks": {"60 written, 0 broken, all free 1, too much 0", "end"},
	} {
		t.Run(name, func(t *testing.T) {
			sim, sw := sample(t, out, name, name)
			for _, config := range []netthreads.Config{{}, {DelaySlots: true}, {CPUs: 1, Threads: 8}, {CPUs: 8, Threads: 1}, {Memory: &netthreads.Memory{}}, {Plain: true}} {
				if got := lines(t, sim, config); !slices.Equal(got, want) {
					t.Errorf("%+v: it says %q, want %q", config, got, want)
				}
			}
			if got := strings.Split(strings.TrimSpace(string(command(t, sw))), "\n"); !slices.Equal(got, want) {
				t.Errorf("on this computer it says %q, want %q", got, want)
			}
		})
	}
}

// sum is the checksum of the Internet over all of b, which is 0 where b has its own.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		s += uint32(b[i]) << 8
		if i+1 < len(b) {
			s += uint32(b[i+1])
		}
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// echo returns an echo request or its answer in a frame, n bytes of payload.
func echo(i, n int, request bool) []byte {
	here, there, kind, ttl := byte(1), byte(2), byte(8), byte(9)
	if !request {
		here, there, kind, ttl = 2, 1, 0, 64
	}
	ip := []byte{0x45, 0, 0, 0, byte(i), 1, 0, 0, ttl, 1, 0, 0, 10, 0, 0, here, 10, 0, 0, there}
	icmp := append([]byte{kind, 0, 0, 0, 1, 2, 3, byte(i)}, payload(i, n)...)
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(icmp)))
	binary.BigEndian.PutUint16(ip[10:], sum(ip))
	binary.BigEndian.PutUint16(icmp[2:], sum(icmp))
	frame := []byte{2, 0, 0, 0, 0, there, 2, 0, 0, 0, 0, here, 8, 0}
	return slices.Concat(frame, ip, icmp)
}

func samplePing(t *testing.T, out string) {
	sim, sw := sample(t, out, "ping", "ping")
	var requests, answers [][]byte
	for i := range 40 {
		requests = append(requests, echo(i, 18+i*37, true))
		answers = append(answers, echo(i, 18+i*37, false))
	}
	other := slices.Clone(requests[0])
	other[12] = 0x86 // no IPv4
	short := slices.Clone(requests[1])
	short[16] = 0xff // says that it is longer

	r := newGeneratorOf(t, sim, netthreads.Config{})
	for i, b := range requests {
		port := i % 8
		for !r.m.Offer(port, b) {
			r.run(r.m.Cycle() + 1000)
		}
		r.run(r.m.Cycle() + 20_000)
		if len(r.packets) != i+1 || r.packets[i].ports != 1<<port || !bytes.Equal(r.packets[i].bytes, answers[i]) {
			t.Fatalf("packet %d by port %d: %d came, the last\n%x, want\n%x", i, port, len(r.packets), r.packets[len(r.packets)-1], answers[i])
		}
	}
	for _, b := range [][]byte{other, short} {
		r.m.Offer(2, b)
		r.idle()
	}
	want := []string{
		"port 2: 60 bytes, no ping", "02 00 00 00 00 02",
		"pkt_trim: 63 bytes, and 65343 are asked for", "port 2: 97 bytes, no ping", "02 00 00 00 00 02",
	}
	if !slices.Equal(r.lines, want) || len(r.packets) != len(requests) {
		t.Errorf("%d packets, and it says %q, want %q", len(r.packets), r.lines, want)
	}

	got := runSW(t, sw, "2", requests...)
	slices.SortFunc(got, func(a, b record) int { return len(a.bytes) - len(b.bytes) })
	if len(got) != len(answers) {
		t.Fatalf("on this computer %d answers, want %d", len(got), len(answers))
	}
	for i := range got {
		if !bytes.Equal(got[i].bytes, answers[i]) {
			t.Errorf("on this computer: %x, want %x", got[i].bytes, answers[i])
		}
	}
}

// Packets leave by the port of a number, at the time asked for or as fast as the engine goes.
func sampleTimes(t *testing.T, out string) {
	for name, gap := range map[string]uint64{"times": 2500, "at_once": 0} {
		sim, sw := sample(t, out, "times", name)
		r := newGeneratorOf(t, sim, netthreads.Config{})
		if len(r.packets) != 20 {
			t.Fatalf("%s: %d packets", name, len(r.packets))
		}
		for i, p := range r.packets {
			if want := bytes.Repeat([]byte{byte(i)}, 61); p.ports != 1<<(2*(i%4)) || !bytes.Equal(p.bytes, want) {
				t.Errorf("%s: packet %d left by ports %x as %x", name, i, p.ports, p.bytes)
			}
			if i > 0 && gap > 0 && p.depart-r.packets[i-1].depart != gap {
				t.Errorf("%s: packet %d left %d ticks behind the one before", name, i, p.depart-r.packets[i-1].depart)
			}
		}
		file := filepath.Join(t.TempDir(), "out.pcap")
		command(t, sw, "-o", file)
		if got := readPcap(t, file); len(got) != 20 || fmt.Sprint(got[19].bytes) != fmt.Sprint(r.packets[19].bytes) {
			t.Errorf("%s: on this computer %d packets", name, len(got))
		}
	}
}
