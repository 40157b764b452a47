package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/stack/testbed"
)

// A captured frame, of a file that --pcap has written.
type captured struct {
	at    time.Time
	bytes []byte
}

// readCapture reads the whole file.
func readCapture(t *testing.T, name string) (frames []captured) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil || info.CaptureLength != info.Length || info.Length != len(b) {
			t.Fatalf("frame %d: %d of %d bytes, %v", len(frames), info.CaptureLength, info.Length, err)
		}
		frames = append(frames, captured{info.Timestamp, b})
	}
}

// gapsOf returns the times between frames of n bytes from one address, in ns.
func gapsOf(frames []captured, from net.HardwareAddr, n int) (all []int64) {
	var last time.Time
	for _, f := range frames {
		if len(f.bytes) != n || string(f.bytes[6:12]) != string(from) {
			continue
		}
		if !last.IsZero() {
			all = append(all, int64(f.at.Sub(last)))
		}
		last = f.at
	}
	return all
}

// TestCapture finds the frames of a run in its file: each once, in order, and those that
// were paced at their departure.
func TestCapture(t *testing.T) {
	for _, test := range []struct {
		name  string
		args  []string
		from  net.HardwareAddr
		frame int   // length of the data's frames, in bytes
		gap   int64 // ns
	}{
		{"tcp", []string{"-b", "500M", "-n", "1M"}, testbed.MAC(0), 14 + 20 + 32 + 1448, 23168},
		{"tcp -6", []string{"-b", "500M", "-n", "1M", "-6"}, testbed.MAC(0), 14 + 40 + 32 + 1428, 22848},
		{"tcp -R", []string{"-b", "500M", "-n", "1M", "-R"}, testbed.MAC(1), 14 + 20 + 32 + 1448, 23168},
		{"udp", []string{"-b", "500M", "-n", "1M", "-u"}, testbed.MAC(0), 14 + 20 + 8 + 1448, 23168},
		{"udp -6 -R", []string{"-b", "500M", "-n", "1M", "-u", "-6", "-R"}, testbed.MAC(1), 14 + 40 + 8 + 1428, 22848},
		{"software", []string{"-b", "100M", "-n", "1M", "-u", "--card", "none"}, testbed.MAC(0), 14 + 20 + 8 + 1448, 115840},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "capture.pcapng")
			r := measure(t, append([]string{"-c", "far", "--pcap", name}, test.args...)...)
			frames := readCapture(t, name)
			whole(t, r, len(frames))
			for i := 1; i < len(frames); i++ {
				if frames[i].at.Before(frames[i-1].at) {
					t.Fatalf("frame %d is %v before the one in front of it", i, frames[i-1].at.Sub(frames[i].at))
				}
			}
			all := gapsOf(frames, test.from, test.frame)
			exact := 0
			for _, gap := range all {
				if gap == test.gap {
					exact++
				}
				if gap < test.gap {
					t.Errorf("a gap of %d ns, shorter than %d", gap, test.gap)
				}
			}
			// The longer ones are where TCP's window was shut.
			if paced := int(r.Caliper.Departures.Paced); len(all) < paced*9/10 || exact < len(all)*9/10 {
				t.Errorf("%d gaps of %d paced frames, %d of them of %d ns", len(all), paced, exact, test.gap)
			}
		})
	}
}

// TestCaptureDropped has frames in the file that the wire's queue had no room for: they
// did leave.
func TestCaptureDropped(t *testing.T) {
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	for _, port := range []string{"wire:rate=100M,delay=5ms,queue=10", "wire:rate=100M,line=1G,delay=5ms,queue=10"} {
		r := measure(t, "-c", "far", "--pcap", name, "-n", "2M", "-R", "--port", port)
		whole(t, r, len(readCapture(t, name)))
		if r.Caliper.Wire.Dropped == 0 {
			t.Error("nothing was dropped")
		}
	}
}

// whole checks the number of frames in a file. Those that waited for the wire at the end
// had left their host and are in it.
func whole(t *testing.T, r *report, frames int) {
	t.Helper()
	if w := r.Caliper.Wire; frames != int(w.Frames+w.Dropped+w.Waiting) {
		t.Errorf("%d frames in the file, %d passed the wire, %d were dropped there, %d waited", frames, w.Frames, w.Dropped, w.Waiting)
	}
}

// tshark runs it on a file and returns what it prints. It must not complain. What a test
// sends is data: a client's port, drawn at random, may be one that a protocol has.
func tshark(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		linktest.Skip(t, "tshark is not in PATH")
	}
	cmd := linktest.Command(t, path, append([]string{"-r", name, "-n", "-d", "tcp.port==5201,data", "-d", "udp.port==5201,data"}, args...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	for line := range strings.Lines(complaints.String()) {
		if !strings.HasPrefix(line, "Running as user") {
			t.Errorf("tshark: %s", line)
		}
	}
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	return string(out)
}

// TestTshark has somebody else read the file and check every length and checksum in it.
func TestTshark(t *testing.T) {
	for _, args := range [][]string{
		{"-b", "500M", "-n", "1M"},
		{"-b", "500M", "-n", "1M", "-6", "-R"},
		{"-b", "500M", "-n", "1M", "-u", "--bidir"},
		{"-n", "1M", "-R", "-P", "2", "-6", "--port", "wire:rate=50M,delay=5ms,queue=10"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "capture.pcapng")
			r := measure(t, append([]string{"-c", "far", "--pcap", name}, args...)...)
			frames := readCapture(t, name)

			lines := strings.Split(strings.TrimSuffix(tshark(t, name, "-T", "fields", "-e", "eth.src", "-e", "frame.time_epoch", "-e", "frame.len"), "\n"), "\n")
			if len(lines) != len(frames) {
				t.Fatalf("tshark reads %d frames of %d", len(lines), len(frames))
			}
			from := make(map[string]int)
			for i, line := range lines {
				fields := strings.Fields(line)
				from[fields[0]]++
				// Nine places: nothing of the time stamp is lost.
				if want := frames[i].at.Format(".000000000"); !strings.HasSuffix(fields[1], want) {
					t.Fatalf("frame %d is at %s, not %s", i+1, fields[1], want)
				}
			}
			if from[testbed.MAC(0).String()] == 0 || from[testbed.MAC(1).String()] == 0 || len(from) != 2 {
				t.Errorf("frames from %v", from)
			}
			bad := `_ws.malformed || ip.checksum.status == "Bad" || tcp.checksum.status == "Bad" || udp.checksum.status == "Bad" || _ws.short`
			if out := tshark(t, name, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
				"-o", "udp.check_checksum:TRUE", "-Y", bad); out != "" {
				t.Errorf("tshark finds fault with\n%s", out)
			}
			if r.Caliper.Wire.Dropped == 0 {
				lost := tshark(t, name, "-Y", "tcp.analysis.lost_segment || tcp.analysis.retransmission || tcp.analysis.out_of_order")
				if lost != "" {
					t.Errorf("nothing was lost on the wire, and tshark misses\n%s", lost)
				}
			}
		})
	}
}

// TestCaptureUDP reads the datagrams as their receiver does: all numbers in order.
func TestCaptureUDP(t *testing.T) {
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	measure(t, "-c", "far", "--pcap", name, "-b", "900M", "-n", "1M", "-u")
	next := uint32(1)
	for _, f := range readCapture(t, name) {
		if len(f.bytes) != 14+20+8+1448 {
			continue
		}
		if n := binary.BigEndian.Uint32(f.bytes[14+20+8+8:]); n != next {
			t.Fatalf("datagram %d comes after %d", n, next-1)
		}
		next++
	}
	if next < 700 {
		t.Errorf("%d datagrams", next-1)
	}
}
