package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// record runs iperf3 in virtual time with the arguments and returns its capture.
func record(t *testing.T, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.pcapng")
	succeed(t, append([]string{"iperf3", "-c", "far", "--pcap", file}, args...)...)
	return file
}

// shown is what the tests read of the JSON of caliper gaps.
type shown struct {
	Error   string
	Packets uint64
	Flows   []struct {
		Flow      string
		Direction string
		Packets   uint64
		Gaps      uint64
		Gap       struct{ Min, P50, Max int64 } `json:"gap_ns"`
		Asked     *struct {
			GapError  struct{ P50, P95, P99, P999, Max int64 } `json:"gap_error_ns"`
			RateError float64                                  `json:"rate_error_ppm"`
			Distance  int64                                    `json:"cdf_distance_ns"`
		}
		Bursts struct{ Bursts, Packets uint64 }
	}
}

func show(t *testing.T, args ...string) *shown {
	t.Helper()
	s := new(shown)
	if err := json.Unmarshal([]byte(succeed(t, append(args, "--json")...).stdout), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGapsOfRuns finds in captures what the pacer asked for, though the file tells nothing
// of it.
func TestGapsOfRuns(t *testing.T) {
	for _, test := range []struct {
		name      string
		iperf3    string
		gaps      string
		direction string
		packets   uint64
		most      int64 // gap error, ns
	}{
		{"udp", "-u -b 300M -n 2M", "--rate 300M --flow udp --pause 100us", "sent", 1300, 8},
		{"tcp", "-b 500M -n 2M", "--rate 500M --flow tcp --pause 100us", "sent", 1300, 8},
		{"tcp, software", "-b 123M -n 2M --card none", "--rate 123M --flow tcp --pause 200us", "sent", 1300, 1},
		{"tcp, IPv6, the other way", "-b 200M -n 2M -R -6", "--rate 200M --pause 150us", "sent", 1300, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := record(t, strings.Fields(test.iperf3)...)
			f := show(t, append([]string{"gaps", file}, strings.Fields(test.gaps)...)...).Flows[0]
			if f.Gaps < test.packets || f.Direction != test.direction || f.Asked == nil {
				t.Fatalf("%+v", f)
			}
			if a := f.Asked; a.GapError.Max > test.most || a.Distance > test.most || a.RateError > 1 || a.RateError < -1 {
				t.Errorf("%+v, %+v", f, a)
			}
		})
	}
}

// TestGapsText is what people see.
func TestGapsText(t *testing.T) {
	file := record(t, "-b", "500M", "-n", "2M")
	out := succeed(t, "gaps", file, "--rate", "500M", "--pause", "100us", "--top", "2").stdout
	for _, want := range []string{
		file + ": pcapng, ",
		"\nasked: 500Mbit/s of payload\nbursts: packets closer than 1.05 times their time on the line",
		" > 10.0.0.2:5201, sent at near\n",
		" longer than 100us left out",
		"\n  gap error                       0           0           0           0           0\n  rate error +0.000 ppm; drift from 0 to 0 ns",
		"\n\nand 2 flows more, with ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if before := succeed(t, "gaps", "--rate", "500M", "--pause", "100us", "--top", "2", file).stdout; before != out {
		t.Errorf("with the flags before the file:\n%s\nand behind it:\n%s", before, out)
	}
}

// TestGapsUnpaced shows the bursts of a sender that nobody paces.
func TestGapsUnpaced(t *testing.T) {
	file := record(t, "-n", "2M", "--port", "wire:rate=100M,delay=5ms,queue=50")
	f := show(t, "gaps", file, "--flow", "tcp > :5201", "--line", "100M").Flows[0]
	if f.Asked != nil || f.Bursts.Packets < f.Packets*9/10 {
		t.Errorf("%+v", f)
	}
}

// TestGapsAsked compares with a file of gaps.
func TestGapsAsked(t *testing.T) {
	file := record(t, "-u", "-b", "100M", "-n", "1M")
	delays := filepath.Join(t.TempDir(), "delays")
	if err := os.WriteFile(delays, []byte("115840\n115840"), 0o666); err != nil {
		t.Fatal(err)
	}
	f := show(t, "gaps", "--asked", delays, file, "--flow", "udp >", "--pause", "200us").Flows[0]
	if f.Asked == nil || f.Asked.GapError.Max > 8 {
		t.Errorf("%+v, %+v", f, f.Asked)
	}
}

// TestGapsPlot draws both formats.
func TestGapsPlot(t *testing.T) {
	file := record(t, "-b", "500M", "-n", "1M")
	dir := t.TempDir()
	for _, args := range [][]string{{"--rate", "500M"}, {"--log"}} {
		for _, name := range []string{"a.png", "b.SVG"} {
			picture := filepath.Join(dir, name)
			o := succeed(t, append([]string{"gaps", file, "--plot", picture}, args...)...)
			if !strings.Contains(o.stdout, "\n"+picture+" shows tcp 10.0.0.1:") {
				t.Error(o.stdout)
			}
			b, err := os.ReadFile(picture)
			if err != nil {
				t.Fatal(err)
			}
			if name == "a.png" {
				_, err = png.Decode(bytes.NewReader(b))
			} else {
				d := xml.NewDecoder(bytes.NewReader(b))
				for err == nil {
					_, err = d.Token()
				}
				if err == io.EOF {
					err = nil
				}
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestGapsBroken has files that end too early or are none: what there is is shown.
func TestGapsBroken(t *testing.T) {
	file := record(t, "-b", "500M", "-n", "1M")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cut := write("cut", whole[:500_000])
	damaged := bytes.Clone(whole)
	copy(damaged[400_000:], bytes.Repeat([]byte{0xff}, 3000))
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
		stdout string
	}{
		{[]string{cut}, exitFailed, "cut: it is cut short at byte 500000", "packets"},
		{[]string{cut, "--json"}, exitFailed, "cut short", `"error": "it is cut short at byte 500000"`},
		{[]string{write("damaged", damaged)}, exitFailed, "damaged: byte ", "packets"},
		{[]string{write("empty", nil)}, exitBadInput, "empty: it is empty", ""},
		{[]string{write("text", []byte("no capture"))}, exitBadInput, "text: it is neither pcapng nor pcap", ""},
		{[]string{dir}, exitBadInput, "is a directory", ""},
		{[]string{filepath.Join(dir, "none")}, exitBadInput, "no such file", ""},
		{[]string{file, "--flow", "udp"}, exitFailed, "no packet is of such a flow", "0 packets of the flows looked at"},
		{[]string{file, "--plot", filepath.Join(dir, "a.png"), "--flow", "10.0.0.1 >", "--pause", "1ns"}, exitFailed, "no gaps to draw", "packets"},
		{[]string{file, "--plot", "/dev/full/a.png"}, exitBadInput, "--plot /dev/full/a.png", ""},
	} {
		o := caliper(t, append([]string{"gaps"}, test.args...)...)
		if o.code != test.code || !strings.Contains(o.stderr, test.stderr) || !strings.Contains(o.stderr, "\nhint: ") ||
			!strings.Contains(o.stdout, test.stdout) || test.stdout == "" && o.stdout != "" {
			t.Errorf("%v: code %d\n%s\n%s", test.args, o.code, o.stderr, o.stdout)
		}
	}
}

// TestGapsBadInput refuses before the file is read.
func TestGapsBadInput(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "delays")
	if err := os.WriteFile(bad, []byte("13560 fast"), 0o666); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                               "a capture is missing",
		"--rate 1M":                      "a capture is missing",
		"run.pcapng other":               `"other" is a second file`,
		"run.pcapng --bogus":             "-bogus",
		"--bogus run.pcapng":             "-bogus",
		"run.pcapng --rate":              "-rate",
		"run.pcapng --rate fast":         `"fast"`,
		"run.pcapng --rate 0":            "--rate 0",
		"run.pcapng --rate 1M --unit x":  "--unit: a rate counts wire, ip or payload bytes",
		"run.pcapng --unit wire":         "--unit is for --rate",
		"run.pcapng --asked none":        "no such file",
		"run.pcapng --asked " + bad:      `line 1 of the gaps: "fast"`,
		"run.pcapng --rate 1M --asked x": "exclude each other",
		"run.pcapng --pause 0s":          "--pause 0s",
		"run.pcapng --pause -1ms":        "--pause -1ms",
		"run.pcapng --pause long":        "long",
		"run.pcapng --burst-gap 0s":      "--burst-gap 0s",
		"run.pcapng --line 0":            "--line 0",
		"run.pcapng --line x":            `"x"`,
		"run.pcapng --flow sctp":         `"sctp" is no protocol`,
		"run.pcapng --top 0":             "--top 0",
		"run.pcapng --plot a.pdf":        ".png or .svg",
		"run.pcapng --plot /no/a.png":    "--plot /no/a.png",
		"run.pcapng --log":               "--plot needs",
	} {
		o := caliper(t, append([]string{"gaps"}, strings.Fields(args)...)...)
		first, rest, _ := strings.Cut(o.stderr, "\n")
		if o.code != exitBadInput || o.stdout != "" || !strings.HasPrefix(first, "caliper: ") || !strings.Contains(first, want) ||
			!strings.HasPrefix(rest, "hint: ") || strings.Count(o.stderr, "\n") != 2 {
			t.Errorf("gaps %s: code %d, want %q, got\n%s%s", args, o.code, want, o.stderr, o.stdout)
		}
	}
	for _, args := range []string{"gaps -h", "gaps --help", "gaps run.pcapng --help", "help gaps"} {
		if o := succeed(t, strings.Fields(args)...); !strings.Contains(o.stdout, "--burst-gap") {
			t.Errorf("%s: %s", args, o.stdout)
		}
	}
}

// TestGapsStdin reads standard input to its end, and until a signal comes.
func TestGapsStdin(t *testing.T) {
	whole, err := os.ReadFile(record(t, "-b", "500M", "-n", "1M"))
	if err != nil {
		t.Fatal(err)
	}
	for _, interrupt := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := command(t, "gaps", "-", "--flow", "sent at near")
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if _, err := w.Write(whole); err != nil {
			t.Fatal(err)
		}
		want := exitOK
		if interrupt {
			want = exitInterrupted
			cmd.Process.Signal(os.Interrupt)
		} else {
			w.Close()
		}
		cmd.Wait()
		w.Close()
		if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(stdout.String(), "standard input: pcapng, ") ||
			!strings.Contains(stdout.String(), "sent at near\n") || strings.Contains(stdout.String(), "at far\n") {
			t.Errorf("code %d\n%s\n%s", code, stderr.String(), stdout.String())
		}
	}
}

// TestGapsInterrupted shows what was read until then. The file is a pipe that does not end.
func TestGapsInterrupted(t *testing.T) {
	file := record(t, "-b", "500M", "-n", "12M")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	cmd := command(t, "gaps", pipe)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(whole); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 1000 && err == nil; i++ { // until the reader looks up, and is gone
		_, err = w.Write(whole)
	}
	w.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(stderr.String(), "interrupted") ||
		!strings.Contains(stdout.String(), "packets in") {
		t.Errorf("code %d\n%s\n%s", code, stderr.String(), stdout.String())
	}
}
