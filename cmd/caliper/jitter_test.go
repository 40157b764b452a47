package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// jitterOf computes the jitter, in ms, of the first most datagrams of so many bytes in a
// capture, and returns how many there are. The link header has the given length.
func jitterOf(frames []captured, header, bytes, most int) (jitter float64, n int) {
	var last time.Duration
	for _, f := range frames {
		flow, size := pacer.Parse(f.bytes[header:])
		if flow.Proto != pacer.ProtoUDP || size.Payload != bytes || n == most {
			continue
		}
		head := f.bytes[len(f.bytes)-bytes:]
		sent := time.Duration(binary.BigEndian.Uint32(head))*time.Second + time.Duration(binary.BigEndian.Uint32(head[4:]))*time.Microsecond
		transit := time.Duration(f.at.UnixNano()) - sent
		if n++; n > 1 {
			jitter += (math.Abs((transit-last).Seconds())*1000 - jitter) / 16
		}
		last = transit
	}
	return jitter, n
}

// TestPacedJitter has datagrams stamped with the departures that their pacer gives: on a
// path without jitter none is reported but that of the stamp's microsecond, and what is
// reported is what the capture has.
func TestPacedJitter(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	gaps := "gaps:" + file("gaps", "100000\n300000\n50000.5\n")
	schedule := "schedule:" + file("schedule", "0 20M\n0.05 5M\n0.1 100M\n0.12 0\n0.13 50M\n")
	for _, args := range []string{
		"-b 100M", "-b 100M -6 -R", "-b 100M -l 8000",
		"-b 0 --pace rate:100M", "-b 0 --pace rate:100M -R", "-b 0 --pace rate:100M -6 --card none",
		"-b 0 --pace rate:100M,unit=ip -l 8000", "-b 0 --pace rate:100M -l 8000 -6", "-b 0 --pace rate:1M -l 20",
		"-b 0 --pace " + gaps, "-b 0 --pace " + gaps + " -R", "-b 0 --pace " + gaps + " -6 -l 4000",
		"-b 0 --pace " + schedule, "-b 0 --pace " + schedule + " -R", "-b 0 --pace " + schedule + " -l 8000",
		"-b 0 --pace none", "-b 10M --pace none",
	} {
		name := filepath.Join(dir, "capture.pcapng")
		r := measure(t, append(strings.Fields(args), "-c", "far", "-u", "-n", "1M", "--pcap", name)...)
		got := r.End.Received
		switch {
		case got.Packets < 100 || got.Lost > 0:
			t.Errorf("%s: %+v", args, got)
		case got.Jitter > 0.001:
			t.Errorf("%s: %v ms of jitter where every datagram leaves as its pacer says", args, got.Jitter)
		}
		bytes := int(got.Bytes / max(1, got.Packets))
		if bytes > 1472 {
			continue // in fragments
		}
		if jitter, n := jitterOf(readCapture(t, name), link.EthernetHeader, bytes, int(got.Packets)); n != int(got.Packets) || math.Abs(jitter-got.Jitter) > 1e-9 {
			t.Errorf("%s: %v ms of jitter in %d datagrams, and the capture has %v in %d", args, got.Jitter, got.Packets, jitter, n)
		}
	}
}
