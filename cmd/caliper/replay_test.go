package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/clock"
)

const cases = "../../link/pcap/testdata/"

// TestReplayTempos sends the packets of a file at their own times, and at rates.
func TestReplayTempos(t *testing.T) {
	for _, test := range []struct {
		args    string
		seconds string // from the first departure to the last
		pacer   string
	}{
		{"", "0.019000", "speed 1"},
		{"--speed 4", "0.004750", "speed 4"},
		{"--pps 10000", "0.001900", "10000 packets/s"},
		{"--pps 0.5 -n 3", "4.000000", "0.5 packets/s"},
		{"--mbps 4.8", "0.001900", "4.8 Mbit/s of frames"}, // of 60 bytes
		{"--topspeed", "0.000013", "as fast as a line of 1000 Mbit/s"},
		{"--topspeed --card none --port wire:rate=100M", "0.000128", "as fast as a line of 100 Mbit/s"},
		{"--topspeed --port pcap:/dev/null", "0.000013", "as fast as a line of 1000 Mbit/s"},
		{"--pps 10000 --loop 5", "0.009900", "10000 packets/s"},
	} {
		f := generate(t, append([]string{"-N", "--replay", cases + "07-fcs-small.pcap"}, strings.Fields(test.args)...)...)
		d := &f.Departures
		if s := fmt.Sprintf("%.6f", f.Sent.Seconds); s != test.seconds || !strings.HasSuffix(f.Pacer, ", "+test.pacer) || f.Sent.Packets != f.Replay.Packets {
			t.Errorf("%q: %s s, %s, %+v", test.args, s, f.Pacer, f.Sent)
		}
		if d.GapError.Max > 8 || d.Late != 0 || d.Dropped != 0 {
			t.Errorf("%q: %+v", test.args, d)
		}
	}
}

// TestReplayNothing has no report of a file of which nothing could be read. In JSON the
// error is in it.
func TestReplayNothing(t *testing.T) {
	file, err := os.ReadFile(record(t, "-b", "500M", "-n", "10K"))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.pcapng")
	if err := os.WriteFile(cut, file[:200], 0o666); err != nil {
		t.Fatal(err)
	}
	text, asJSON := caliper(t, "pktgen", "-N", "--replay", cut), caliper(t, "pktgen", "-N", "--replay", cut, "--json")
	if text.code != exitFailed || text.stdout != "" || !strings.Contains(text.stderr, "cut short at byte 200") {
		t.Errorf("%d\n%s%s", text.code, text.stdout, text.stderr)
	}
	if !strings.Contains(asJSON.stdout, `"error": "`) || asJSON.stderr != text.stderr {
		t.Errorf("%s%s", asJSON.stdout, asJSON.stderr)
	}
}

// TestReplayDirections is README's example: what one host sent. Both
// directions on one port would meet there.
func TestReplayDirections(t *testing.T) {
	file := record(t, "-b", "500M", "-n", "2M")
	both := generate(t, "-N", "--replay", file)
	one := generate(t, "-N", "--replay", file, "--filter", "sent at near")
	if both.Departures.Late == 0 || one.Departures.Late != 0 || one.Departures.GapError.Max > 8 {
		t.Errorf("%+v\n%+v", both.Departures, one.Departures)
	}
	if r := one.Replay; r.Packets+r.Filtered != both.Replay.Packets || r.Filtered == 0 || one.Sent.Payload < 2e6 {
		t.Errorf("%+v, %+v", one.Replay, both.Replay)
	}
	none := caliper(t, "pktgen", "-N", "--replay", file, "--filter", "udp")
	if none.code != exitFailed || !strings.Contains(none.stderr, "no packet in it is meant by the filter") ||
		!strings.HasPrefix(none.stdout, "read: 0 packets in 1 pass;") || strings.Count(none.stdout, "\n") != 1 {
		t.Errorf("%d\n%s%s", none.code, none.stdout, none.stderr)
	}
}

// TestReplayCasesRead has the files of other programs: all of their packets leave, on
// time but for one behind a negative gap, and what is captured of that is read again.
func TestReplayCasesRead(t *testing.T) {
	names, err := filepath.Glob(cases + "*.pcap*")
	if err != nil || len(names) < 13 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		out := filepath.Join(t.TempDir(), "out.pcapng")
		f := generate(t, "-N", "--replay", name, "--pcap", out)
		r, d := f.Replay, &f.Departures
		if r.Packets < 20 || f.Sent.Packets != r.Packets || r.TooLong+r.NoPlace+r.Untimed+r.CutShort != 0 || d.Late != r.Negative || d.Dropped != 0 {
			t.Errorf("%s: %+v, %+v", name, r, d)
		}
		if set := filepath.Base(name) == "15-clock-set-back.pcap"; set != (r.Negative == 1) {
			t.Errorf("%s: %d negative gaps", name, r.Negative)
		}
		s := show(t, "gaps", out, "--flow", "udp :4000 > :9")
		if s.Packets != r.Packets || len(s.Flows) != 1 || s.Flows[0].Packets != r.Packets {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestReplayJumbo sends frames that no card takes, without one.
func TestReplayJumbo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jumbo.pcapng")
	b := pcap.AppendInterface(pcap.AppendSection(nil), pcap.Interface{Name: "eth0", Link: pcap.Ethernet})
	for i := range clock.Time(10) {
		frame := make([]byte, 9014)
		copy(frame[12:], "\x08\x00\x45\x00\x23\x28")
		b = pcap.AppendPacket(b, 0, 100_000*i, pcap.Sent, frame)
	}
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"wire", "pcap:" + filepath.Join(t.TempDir(), "out")} {
		f := generate(t, "-N", "--replay", file, "--mtu", "9000", "--card", "none", "--port", port)
		if f.Sent.Packets != 10 || f.Departures.GapError.Max != 0 || f.Departures.Dropped != 0 || f.Card != "none" || f.Sent.Seconds != 0.0009 {
			t.Errorf("%+v", f)
		}
	}
	o := caliper(t, "pktgen", "-N", "--replay", file)
	if o.code != exitFailed || !strings.Contains(o.stderr, "no packet in it that could be sent") || !strings.Contains(o.stdout, "too long 10,") {
		t.Errorf("%d\n%s\n%s", o.code, o.stdout, o.stderr)
	}
}

// TestReplayRefused names the link whose packets no port takes.
func TestReplayRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wlan.pcapng")
	b := pcap.AppendInterface(pcap.AppendSection(nil), pcap.Interface{Name: "wlan0", Link: 127})
	b = pcap.AppendPacket(b, 0, 1, pcap.Sent, make([]byte, 60))
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"pktgen", "-N", "--replay", file}, {"gaps", file}, {"netthreads", "run", "bounce", "--mac", "0=pcap:" + file}} {
		if o := caliper(t, args...); o.code != exitFailed || !strings.Contains(o.stderr, "802.11 with radiotap (link type 127)") {
			t.Errorf("%v: %d\n%s", args, o.code, o.stderr)
		}
	}
}

// TestReplayStdin replays standard input, and is interrupted while it waits for that.
func TestReplayStdin(t *testing.T) {
	content, err := os.ReadFile(cases + "07-fcs-small.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, interrupt := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"pktgen", "-N", "--replay", "-"}
		want, code := "20 packets in 0.019000 s", exitOK
		if interrupt {
			// The first packet is read, and so the command runs, when the pipe is full.
			args, want, code = append(args, "--pps", "1000000"), "standard input", exitInterrupted
		}
		cmd := command(t, args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		w.Write(content)
		if interrupt {
			for range 200 {
				w.Write(content[24:])
			}
			cmd.Process.Signal(os.Interrupt)
		} else {
			w.Close()
		}
		cmd.Wait()
		w.Close()
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(stdout.String(), want) {
			t.Errorf("exit code %d\n%s%s", got, stdout.String(), stderr.String())
		}
	}
	if o := caliper(t, "pktgen", "-N", "--replay", "-", "--loop", "2"); o.code != exitBadInput {
		t.Errorf("%d\n%s", o.code, o.stderr)
	}
}
