package pcap

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap/pcaptest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// written are files of what the cases leave out, by name.
func written() map[string][]byte {
	files := map[string][]byte{
		"version-2.2.pcap": classicOf(2, int(Raw), 999_999, 100, 40, make([]byte, 40)),
		"version-2.3.pcap": classicOf(3, int(Raw), 0, 100, 40, make([]byte, 40)),
		"late.pcap":        classicOf(4, int(Ethernet), 1_500_000, 42, 42, ethernet(pcaptest.UDP4(0))),
		"ours.pcapng":      AppendPacket(AppendInterface(AppendSection(nil), Interface{Name: "near", Link: Raw}), 0, 1_234_567_890_123_456_789, Sent, pcaptest.UDP4(7)),
	}
	f := pcaptest.Big()
	f.Section()
	for i, u := range []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 0x80, 0x81, 0x80 | 10, 0x80 | 30, 0x80 | 31, 0x80 | 62} {
		f.Interface(int(Raw), fmt.Sprint("unit ", u), u)
		f.Packet(i, 1, 0, pcaptest.UDP4(1), 29)
		f.Packet(i, 1_234_567, 0, pcaptest.UDP4(2), 30)
		f.Packet(i, 1<<32-1, 0, pcaptest.UDP4(3), 1500)
	}
	files["units.pcapng"] = f.Bytes()
	f = pcaptest.Little()
	f.Section()
	f.Block(blockInterface, func(f *pcaptest.File) {
		f.U16(int(Ethernet), 0)
		f.U32(0)
		f.Option(optionOffset, f.Order.AppendUint64(nil, 1_700_000_000))
		f.Option(optionResolution, []byte{9})
	})
	f.Packet(0, 12345, 1, ethernet(pcaptest.UDP4(20)), 62)
	f.Block(blockOldPacket, func(f *pcaptest.File) {
		f.U16(0, 3)
		f.U32(0, 50, 62, 62)
		f.Write(ethernet(pcaptest.UDP4(20)))
	})
	f.Order = pcaptest.Big().Order
	f.Section()
	f.Interface(int(Cooked), "b", 6)
	f.Packet(0, 77, 0, append([]byte("\x00\x04\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00"), pcaptest.UDP4(9)...), 53)
	files["mixed.pcapng"] = f.Bytes()
	return files
}

// TestAgainstTshark compares the time of every packet, to the nanosecond, its lengths, and
// its interface with what tshark reads, in all cases and in files of our own.
func TestAgainstTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		linktest.Skip(t, "tshark is not in PATH")
	}
	names := cases(t)
	for name, content := range written() {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			cmd := linktest.Command(t, tshark, "-n", "-r", name, "-T", "fields", "-E", "separator=,",
				"-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.interface_id", "-e", "frame.interface_name", "-e", "udp.dstport")
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, r, err := readAll(b)
			if err != nil || len(got) != len(lines) {
				t.Fatalf("%d packets, %v; tshark reads %d", len(got), err, len(lines))
			}
			for i, p := range got {
				fields := strings.Split(lines[i], ",")
				// Where more is captured than there was, tshark tells both, and we the larger.
				length, captured := p.Length+p.FCS, p.Captured
				if captured == p.Length {
					captured += p.FCS
				}
				if n, _ := strconv.Atoi(fields[1]); n < captured {
					length = n
				}
				if at := epoch(fields[0]); at != p.Time {
					t.Errorf("packet %d is at %v, and for tshark at %s", i+1, p.Time, fields[0])
				}
				// tshark numbers the interfaces of each section from 0, and takes their
				// names from the first.
				face := fmt.Sprintf("%d,%s", p.Interface, cmp.Or(r.Interfaces[p.Interface].Name, "unknown"))
				if r.Format() == "pcap" {
					face = ","
				} else if p.Interface > 0 && filepath.Base(name) == "mixed.pcapng" {
					face = "0,unknown"
				}
				if want := fmt.Sprintf("%d,%d,%s", length, captured, face); strings.Join(fields[1:5], ",") != want {
					t.Errorf("packet %d is %s, and for tshark %s", i+1, want, lines[i])
				}
				if flow, _, _ := p.Measure(); fields[5] != "" && fields[5] != fmt.Sprint(flow.DstPort) {
					t.Errorf("packet %d is of %v, and for tshark to port %s", i+1, flow, fields[5])
				}
			}
		})
	}
}

// epoch reads a time of tshark's, in seconds and nanoseconds, which may be more than a
// second.
func epoch(s string) clock.Time {
	seconds, ns, _ := strings.Cut(s, ".")
	a, _ := strconv.ParseInt(seconds, 10, 64)
	b, _ := strconv.ParseInt(ns, 10, 64)
	return clock.Time(a*1e9 + b)
}

// TestCases has what the cases are about.
func TestCases(t *testing.T) {
	for _, name := range cases(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, r, err := readAll(b)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %d packets, %v", name, len(got), err)
			continue
		}
		for i, p := range got {
			if flow, size, ok := p.Measure(); !ok || flow.Proto != 17 || flow.SrcPort != 4000 || flow.DstPort != 9 || size.Payload == 0 {
				t.Errorf("%s, packet %d: %v, %+v", name, i, flow, size)
				break
			}
		}
		first := got[0]
		_, size, _ := first.Measure()
		line := new(Timeline)
		for _, p := range got {
			line.At(p.Time)
		}
		fact := func(what string, got, want any) {
			if got != want {
				t.Errorf("%s: %s is %v, want %v", name, what, got, want)
			}
		}
		switch filepath.Base(name)[:2] {
		case "01", "03":
			fact("the gap", got[1].Time-first.Time, got[2].Time-got[1].Time)
			fact("the gap", got[1].Time.Sub(first.Time).String(), "125ms")
		case "05":
			fact("the wire", size.Wire, 1518+4+20)
		case "06":
			fact("the wire", size.Wire, 1518+20)
			fact("the FCS", first.FCS, 4)
		case "07":
			fact("the length", first.Length, 60)
			fact("the wire", size.Wire, 84)
		case "13":
			fact("interfaces", len(r.Interfaces), 200)
		case "15":
			fact("negative gaps", line.Negative, uint64(1))
			fact("the time of all", line.at.String(), "398ms")
		case "17":
			fact("the link", r.Interfaces[0].Link, Raw14)
		case "19":
			fact("the IP packet", size.IP, first.Length-14)
		case "20":
			fact("the payload", size.Payload, first.Length-14-40-8-8)
		}
	}
}
