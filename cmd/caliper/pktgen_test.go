package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/netcaliper/caliper/link/linktest"
)

// generate runs caliper pktgen with --json; it must succeed.
func generate(t testing.TB, args ...string) *pktgenFindings {
	t.Helper()
	return decodePktgen(t, succeed(t, append([]string{"pktgen", "--json"}, args...)...).stdout)
}

func decodePktgen(t testing.TB, s string) *pktgenFindings {
	t.Helper()
	f := new(pktgenFindings)
	if err := json.Unmarshal([]byte(s), f); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, s)
	}
	return f
}

// pktgenTable runs all in virtual time and prints one line for each.
func pktgenTable(t *testing.T, runs []virtualRun, check func(t *testing.T, f *pktgenFindings)) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "run\tpackets\tmean gap\tasked\terror mean\tp95\tmax\tlate\tcontention\tdropped\tMbit/s\ttrace\t")
	for _, run := range runs {
		f := generate(t, append([]string{"-N"}, run.args...)...)
		d, s := &f.Departures, &f.Sent
		fmt.Fprintf(w, "%s\t%d\t%.3f\t%.3f\t%.3f\t%d\t%d\t%d\t%d\t%d\t%.3f\t%s\t\n", run.name, d.Packets, s.Gap, s.AskedGap, s.GapError,
			d.GapError.P95, d.GapError.Max, d.Late, d.LateBy.Contention, d.Dropped, s.WireRate/1e6, f.TraceHash)
		t.Run(run.name, func(t *testing.T) { check(t, f) })
	}
	w.Flush()
	return b.String()
}

// exact is what holds for every schedule that the line can carry.
func exact(t *testing.T, f *pktgenFindings) {
	d := &f.Departures
	if d.Packets == 0 || d.Paced != d.Packets || f.Sent.Packets != d.Packets || d.GapError.Max > 8 || d.Late != 0 || d.Early != 0 || d.Dropped != 0 {
		t.Errorf("%v", d)
	}
	if f.Wire.Dropped != 0 || f.Wire.Frames != d.Packets {
		t.Errorf("%+v", f.Wire)
	}
	if total := (f.Sent.Gap - f.Sent.AskedGap) * float64(d.Packets-1); total > 8 || total < -8 {
		t.Errorf("all gaps together are off by %v ns", total)
	}
}

// to is an address on the wire.
var to = []string{"-i", "10.0.0.2"}

// TestPktgenFigures are the figures of the paper, with fewer packets.
func TestPktgenFigures(t *testing.T) {
	var runs []virtualRun
	for rate := 100; rate <= 1000; rate += 100 {
		// 1518 bytes with FCS take 12304 ns of 1 Gbit/s.
		runs = append(runs, virtualRun{fmt.Sprintf("1518 B %d Mbit/s", rate),
			append(to, "-l", "1472", "-d", fmt.Sprintf("%.3f", 12304e3/float64(rate)), "-n", "3000")})
	}
	runs = append(runs,
		virtualRun{"13560 ns", append(to, "-l", "1470", "-d", "13560", "-n", "3000")},
		virtualRun{"950 Mbit/s", append(to, "-l", "1472", "-d", "12951.579", "-n", "3000")},
		virtualRun{"13333.33 ns", append(to, "-l", "1472", "-d", "13333.33", "-n", "3000")},
		virtualRun{"64 B line rate", append(to, "-l", "18", "-d", "672", "-n", "3000")},
		virtualRun{"pareto", append(to, "-l", "200", "--dist", "pareto:20000,1.5", "-n", "4000")},
		virtualRun{"spike bump", append(to, "-d", "13560", "--dist", "spike-bump", "-n", "3000")},
		virtualRun{"poisson, IPv6", []string{"-i", "fd00::2", "-l", "18", "--dist", "exponential:100000", "-n", "30"}},
	)
	linktest.Golden(t, "pktgen.golden", pktgenTable(t, runs, exact))
}

// TestPktgenTooFast asks for what the line cannot carry: all of it leaves, late by
// contention and by nothing else.
func TestPktgenTooFast(t *testing.T) {
	linktest.Golden(t, "pktgenfast.golden", pktgenTable(t, []virtualRun{
		{"1.02 Gbit/s", append(to, "-d", "12000", "-n", "3000")},
		{"as fast as it goes", append(to, "-d", "0", "-l", "18", "-n", "3000")},
		{"1 ms of that", append(to, "-d", "0", "-t", "0.001")},
		{"exponential", append(to, "--dist", "exponential:13000", "-n", "3000")},
		{"sizes of all kinds", append(to, "--dist", "exponential:7000", "--dist", "uniform:0,1472", "-n", "3000")},
	}, func(t *testing.T, f *pktgenFindings) {
		if d := &f.Departures; d.Late == 0 || d.Late != d.LateBy.Contention || d.Dropped != 0 || d.Early != 0 || f.Wire.Dropped != 0 {
			t.Errorf("%v, %+v", d, f.Wire)
		}
	}))
}

// TestPktgenFiles has delays and sizes in files.
func TestPktgenFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := generate(t, "-N", "-i", "10.0.0.2", "-D", write("delays", "20000 30000\n40000.5\n"), "-L", write("sizes", "100 200\t300 400\n"), "-n", "13")
	exact(t, f)
	// Three sizes of 1000 bytes in all, and four times 90 us and a half.
	if s := &f.Sent; s.Payload != 3*1000+100 || s.AskedGap != (4*90_000.5)/12 {
		t.Errorf("%+v", s)
	}
	if want := "gaps 3 in turn, payloads 4 in turn"; f.Pacer != want {
		t.Errorf("the pacer is %q, want %q", f.Pacer, want)
	}
	for args, want := range map[string]string{
		"-D " + write("words", "1 two\n"):    `"two" is not a number`,
		"-D " + write("empty", " \n"):        "empty",
		"-D " + dir + "/none":                "no such file",
		"-D " + dir:                          "is a directory",
		"-d 1 -L " + write("letters", "1 b"): `size 2: "b"`,
		"-d 1 -L " + write("large", "1473"):  "1473 bytes does not fit an MTU of 1500",
		"-d 1 -L " + dir + "/none":           "no such file",
	} {
		o := caliper(t, append([]string{"pktgen", "-N", "-i", "10.0.0.2", "-n", "1"}, strings.Fields(args)...)...)
		if o.code != exitBadInput || o.stdout != "" || !strings.Contains(o.stderr, want) || !strings.Contains(o.stderr, "hint: ") {
			t.Errorf("%s: want %q, exit code %d\n%s", args, want, o.code, o.stderr)
		}
	}
}

// TestPktgenReplay captures a run and replays it: the same packets at the same gaps.
func TestPktgenReplay(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.pcapng"), filepath.Join(dir, "second.pcapng")
	draw := []string{"-N", "-i", "fd00::2", "--dist", "exponential:15000", "--dist", "uniform:0,1452", "-n", "2000"}
	a := generate(t, append(draw, "--pcap", first)...)
	b := generate(t, "-N", "--replay", first, "--pcap", second)
	exact(t, b)
	if b.Departures.GapError.Max != 0 || b.TraceHash != a.TraceHash || b.Replay == nil || b.Replay.Packets != 2000 || a.Replay != nil {
		t.Errorf("%+v\n%+v", a, b)
	}
	if x, y := fileOf(t, first), fileOf(t, second); !bytes.Equal(x, y) {
		t.Error("the two captures differ")
	}

	// A port that is a capture, at twice the speed and three times over.
	c := generate(t, "-N", "--replay", first, "--port", "pcap:"+second, "--speed", "2", "--loop", "3")
	if c.Sent.Packets != 6000 || c.Replay.Passes != 3 || c.Port != "pcap:"+second || c.Wire != nil || c.Departures.Dropped != 0 {
		t.Errorf("%+v", c)
	}
	if ratio := a.Sent.Seconds * 3 / 2 / c.Sent.Seconds; ratio < 0.999 || ratio > 1.001 {
		t.Errorf("three passes at twice the speed take %v s, and one %v s", c.Sent.Seconds, a.Sent.Seconds)
	}
	d := generate(t, "-N", "--replay", second, "--loop", "0", "-n", "7000")
	if d.Sent.Packets != 7000 || d.Replay.Passes != 2 {
		t.Errorf("%+v", d)
	}

	// What is cut short is sent up to there, and then an error.
	cut := filepath.Join(dir, "cut.pcapng")
	if err := os.WriteFile(cut, fileOf(t, first)[:100_000], 0o666); err != nil {
		t.Fatal(err)
	}
	o := caliper(t, "pktgen", "-N", "--replay", cut, "--json")
	if e := decodePktgen(t, o.stdout); o.code != exitFailed || !strings.Contains(o.stderr, e.Error) || !strings.Contains(e.Error, "cut short") || e.Sent.Packets == 0 {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if text := succeed(t, "pktgen", "-N", "--replay", first).stdout; !strings.Contains(text, "read: 2000 packets in 1 pass;") || !strings.Contains(text, "pacer: replay of "+first) {
		t.Errorf("%s", text)
	}
	for args, want := range map[string]string{
		"--pcap " + first:               "is replayed and cannot be written to",
		"--port pcap:" + first:          "is replayed and cannot be written to",
		"--loop x":                      "--loop x",
		"--loop -1":                     "--loop -1",
		"--speed 0":                     "--speed",
		"--speed fast":                  `"fast"`,
		"--pcap " + dir:                 "is a directory",
		"--port pcap:" + dir + "/no/no": "no such file",
	} {
		before := fileOf(t, first)
		o := caliper(t, append([]string{"pktgen", "-N", "--replay", first}, strings.Fields(args)...)...)
		if o.code != exitBadInput || o.stdout != "" || !strings.Contains(o.stderr, want) || !strings.Contains(o.stderr, "hint: ") {
			t.Errorf("%s: want %q, exit code %d\n%s", args, want, o.code, o.stderr)
		}
		if !bytes.Equal(before, fileOf(t, first)) {
			t.Fatalf("%s: the file is another one now", args)
		}
	}
}

func fileOf(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPktgenRepeat has the same trace for the same seed, on any number of processors.
func TestPktgenRepeat(t *testing.T) {
	args := []string{"-N", "-i", "10.0.0.2", "--dist", "pareto:15000,1.8", "--dist", "spike-bump", "-n", "2000"}
	want := generate(t, args...)
	t.Setenv("GOMAXPROCS", "set") // so that ours is kept
	for _, n := range []int{1, 2, 4} {
		before := runtime.GOMAXPROCS(n)
		got := generate(t, args...)
		runtime.GOMAXPROCS(before)
		if got.TraceHash != want.TraceHash || got.Departures != want.Departures {
			t.Errorf("GOMAXPROCS %d: trace %s, want %s", n, got.TraceHash, want.TraceHash)
		}
	}
	if other := generate(t, append(args, "--seed", "2")...); other.TraceHash == want.TraceHash {
		t.Error("another seed has the same trace")
	}
}

// TestPktgenReport compares the text with the JSON of the same run.
func TestPktgenReport(t *testing.T) {
	args := []string{"-N", "-i", "10.0.0.7", "-I", "10.0.0.9", "-m", "02:00:00:00:00:99", "--dport", "4000", "--sport", "5000",
		"-l", "100", "-d", "2000.5", "-n", "500", "--port", "wire:rate=100M,queue=10"}
	f := generate(t, args...)
	if f.Clock != "virtual" || f.Card != "native" || f.Port != "wire:rate=100M,delay=200us,queue=10" || f.Seed != 1 || len(f.TraceHash) != 16 {
		t.Errorf("%+v", f)
	}
	if f.Flow != "udp 10.0.0.9:5000 > 10.0.0.7:4000" || f.Pacer != "gaps 2000.5 ns, payloads 100 bytes" {
		t.Errorf("flow %q, pacer %q", f.Flow, f.Pacer)
	}
	// The wire is slower than the card, and drops what its queue has no room for.
	if f.Wire.Frames+f.Wire.Dropped != 500 || f.Wire.Dropped == 0 || f.Wire.QueuePeak != 10 || f.Departures.Dropped != 0 {
		t.Errorf("%+v", f.Wire)
	}
	text := succeed(t, append([]string{"pktgen"}, args...)...).stdout
	for _, want := range []string{
		f.Flow + "\n",
		fmt.Sprintf("500 packets in %.6f s, %.3f Mbit/s of payload, %.3f Mbit/s on the wire\n", f.Sent.Seconds, f.Sent.PayloadRate/1e6, f.Sent.WireRate/1e6),
		fmt.Sprintf("gaps: mean %.3f ns, asked 2000.499 ns, average error %.3f ns\n", f.Sent.Gap, f.Sent.GapError),
		fmt.Sprint(f.Departures),
		"pacer: gaps 2000.5 ns, payloads 100 bytes; card: native; port: " + f.Port,
		fmt.Sprintf("wire: %d frames, %d dropped, in the queue %.1f on average and at most 10\n", f.Wire.Frames, f.Wire.Dropped, f.Wire.QueueMean),
		"clock: virtual, seed 1, trace " + f.TraceHash,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}

// pktgenBadInputs are command lines that are refused before anything is opened, with what
// the error must name.
var pktgenBadInputs = []struct{ args, want string }{
	// The conflicts of tech doc section 2.
	{"-N -i 10.0.0.2 -d 1 -n 1 -t 1", "-n and -t exclude each other"},
	{"-N -i 10.0.0.2 -d 1 -D file -n 1", "-d and -D exclude each other"},
	{"-N -i 10.0.0.2 -d 1 -l 1 -L file -n 1", "-l and -L exclude each other"},
	{"-N -i 10.0.0.2 -n 1", "how far apart"},
	{"-N -d 1 -n 1", "where are the packets to go"},
	{"-i 127.0.0.1 -d 1 -n 1 -I 10.0.0.1", "-I works only with -N"},
	{"-i 127.0.0.1 -d 1 -n 1 -m 02:00:00:00:00:01", "-m works only with -N"},

	// Others.
	{"-i 127.0.0.1 -d 1 -n 1 --port wire", "--port works only with -N"},
	{"-i 127.0.0.1 -d 1 -n 1 --addr 10.0.0.1/24", "--addr works only with -N"},
	{"-i 127.0.0.1 -d 1 -n 1 --pcap x", "--pcap works only with -N"},
	{"-i 127.0.0.1 -d 1 -n 1 --netlink 0", "--netlink works only with -N"},
	{"--replay x", "--replay works only with -N"},
	{"-N -i 10.0.0.2 -d 1 --speed 2", "--speed is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --loop 2", "--loop is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --card faithful --full-payload", "--full-payload is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --filter udp", "--filter is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --pps 5", "--pps is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --mbps 5", "--mbps is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --topspeed", "--topspeed is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --mtu 1400", "--mtu is for --replay"},
	{"-N -i 10.0.0.2 -d 1 --card none", "need a card"},
	{"-N --replay x --pps 5 --mbps 5", "--pps and --mbps exclude each other"},
	{"-N --replay x --speed 5 --topspeed", "--speed and --topspeed exclude each other"},
	{"-N --replay x --pps 0", `--pps: "0" is not a number`},
	{"-N --replay x --mbps fast", `--mbps: "fast" is not a number`},
	{"-N --replay x --pps=", `--pps: "" is not a number`},
	{"-N --replay x --filter sctp", `--filter sctp: "sctp" is no protocol`},
	{"-N --replay x --mtu 9000", "--mtu 9000 is not from 576 to 1500"},
	{"-N --replay x --mtu 65536 --card none", "--mtu 65536 is not from 576 to 65535"},
	{"-N --replay x -d 1", "-d and --replay exclude each other"},
	{"-N --replay x -L file", "-L and --replay exclude each other"},
	{"-N --replay x -i 10.0.0.2", "-i and --replay exclude each other"},
	{"-N --replay x -m 02:00:00:00:00:01", "-m and --replay exclude each other"},
	{"-N --replay x --dist spike-bump", "--dist and --replay exclude each other"},
	{"-N --replay /nowhere/x.pcapng", "no such file"},
	{"-N --replay /dev/null", "it is empty"},
	{"-N -i 10.0.0.2 -d 1 --dist exponential:5", "--dist exponential and the delays of -d or -D exclude each other"},
	{"-N -i 10.0.0.2 -d 1 -l 1 --dist spike-bump", "--dist spike-bump and the sizes of -l or -L exclude each other"},
	{"-N -i 10.0.0.2 --dist exponential:5 --dist constant:5", "--dist exponential and --dist constant exclude each other"},
	{"-N -i 10.0.0.2 -d 1 --dist uniform:1,2,spike-bump", "--dist uniform and --dist spike-bump exclude each other"},
	{"-N -i 10.0.0.2 -d 1 stray", `"stray" is not a flag`},
	{"-N -i 10.0.0.2 -d 1 --bogus", "-bogus"},

	// Numbers.
	{"-N -i 10.0.0.2 -d 1 -n 0", "-n 0"},
	{"-N -i 10.0.0.2 -d 1 -n -1", "-n -1"},
	{"-N -i 10.0.0.2 -d 1 -n many", "-n many"},
	{"-N -i 10.0.0.2 -d 1 -n 99999999999999999999", "-n 99999999999999999999"},
	{"-N -i 10.0.0.2 -d 1 -t 0", "-t 0"},
	{"-N -i 10.0.0.2 -d 1 -t 5m", "-t 5m"},
	{"-N -i 10.0.0.2 -d 1 -t -1", "-t -1"},
	{"-N -i 10.0.0.2 -d 1 -t 1000001", "-t 1000001"},
	{"-N -i 10.0.0.2 -d fast", `"fast" is not a number of nanoseconds`},
	{"-N -i 10.0.0.2 -d -1", `"-1" is not a number of nanoseconds`},
	{"-N -i 10.0.0.2 -d 1.0001", "finer than a picosecond"},
	{"-N -i 10.0.0.2 -d 99999999999999999999", "too long for a gap"},
	{"-N -i 10.0.0.2 -d 1 -l -1", `"-1" is not a size in bytes`},
	{"-N -i 10.0.0.2 -d 1 -l 1473", "1473 bytes does not fit an MTU of 1500"},
	{"-N -i fd00::2 -d 1 -l 1453", "1453 bytes does not fit an MTU of 1500"},
	{"-i 127.0.0.1 -d 1 -n 1 -l 65508", "more than UDP's 65507"},
	{"-N -i 10.0.0.2 -d 1 --dist uniform:1,1473", "1473 bytes does not fit"},
	{"-N -i fd00::2 -d 1 --dist spike-bump", "no room for headers"},
	{"-N -i 10.0.0.2 --dist pareto:100,1", "--dist pareto:100,1"},
	{"-N -i 10.0.0.2 --dist pareto:100", "write it as pareto:MEAN,SHAPE"},
	{"-N -i 10.0.0.2 --dist gauss:1", `no distribution "gauss"`},
	{"-N -i 10.0.0.2 --dist ,", "--dist"},
	{"-N -i 10.0.0.2 -d 1 --dport 0", "--dport 0"},
	{"-N -i 10.0.0.2 -d 1 --sport 65536", "--sport 65536"},
	{"-N -i 10.0.0.2 -d 1 --seed x", "-seed"},

	// Addresses and ports.
	{"-N -i far -d 1", "-i far is not an IP address"},
	{"-N -i 0.0.0.0 -d 1", "-i 0.0.0.0 is not the address of a host"},
	{"-N -i 10.0.0.1 -d 1", "the source's own address"},
	{"-N -i 10.0.0.2 -I fd00::1 -d 1", "not of the same kind"},
	{"-N -i 10.0.0.2 -I x -d 1", "-I x is not an IP address"},
	{"-N -i fe80::1%eth0 -d 1", "knows no zones"},
	{"-N -i 10.0.0.2 -m 02:00 -d 1", "-m 02:00 is not a MAC address"},
	{"-N -i 10.0.0.2 -m 02:00:00:00:00:00:00:01 -d 1", "is not a MAC address"},
	{"-N -i 10.0.0.2 -d 1 --port eth0", `there is no port "eth0"`},
	{"-N -i 10.0.0.2 -d 1 --port pcap:", "the file needs a name"},
	{"-N -i 10.0.0.2 -d 1 --port pcap:x --pcap y", "--pcap and --port pcap:x exclude each other"},
	{"-N -i 10.0.0.2 -d 1 --port wire:rate=0", "a rate of 0"},
	{"-N -i 10.0.0.2 -d 1 --addr 10.0.0.1/24", "--addr is for a real port"},
	{"-N -i 10.99.0.1 -d 1 --port tun:cal0", "needs an address"},
	{"-N -i fd99::1 -d 1 --port tun:cal0 --addr 10.99.0.2/24", "no --addr is of its kind"},
	{"-N -i 10.99.0.2 -d 1 --port tun:cal0 --addr 10.99.0.2/24", "own address"},
	{"-N -i 10.99.0.1 -d 1 --port tun:cal0 --addr 10.99.0.2/24 -m 02:00:00:00:00:01", "no MAC addresses"},
	{"-N -i 10.99.0.1 -d 1 --port tap:cal0 --addr 10.99.0.2/24", "needs the MAC address"},
	{"-N -i 10.99.0.1 -d 1 --port packet:eth0 --addr 10.99.0.2/24", "needs the MAC address"},

	// A card in another process.
	{"-N -i 10.0.0.2 -d 1 --netlink x", "--netlink x is not a netlink port id"},
	{"-N -i 10.0.0.2 -d 1 --netlink 4294967296", "--netlink 4294967296"},
	{"-N -i 10.0.0.2 -d 1 --netlink 0 --netlink-protocol 32", "--netlink-protocol 32"},
	{"-N -i 10.0.0.2 -d 1 --netlink-protocol 17", "--netlink-protocol is for --netlink"},
	{"-N -i 10.0.0.2 -d 1 --netlink 0", "needs -I"},
	{"-N -i fd00::2 -I fd00::1 -d 1 --netlink 0", "IPv4"},
	{"-N -i 10.0.0.2 -d 1 --netlink 0 --port wire", "--port and --netlink exclude each other"},
	{"-N --netlink 0 --replay x", "--replay and --netlink exclude each other"},
}

func TestPktgenBadInput(t *testing.T) {
	for _, test := range pktgenBadInputs {
		t.Run(strings.ReplaceAll(test.args, "/", "|"), func(t *testing.T) {
			t.Chdir(t.TempDir())
			o := caliper(t, append([]string{"pktgen"}, strings.Fields(test.args)...)...)
			if o.code != exitBadInput || o.stdout != "" {
				t.Errorf("exit code %d\n%s", o.code, o.stdout)
			}
			first, rest, _ := strings.Cut(o.stderr, "\n")
			if !strings.HasPrefix(first, "caliper: ") || !strings.Contains(first, test.want) {
				t.Errorf("want %q, got %s", test.want, first)
			}
			if !strings.HasPrefix(rest, "hint: ") || strings.Count(o.stderr, "\n") != 2 || strings.Contains(o.stderr, "%!") {
				t.Errorf("want a line and a hint, got\n%s", o.stderr)
			}
			if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
				t.Errorf("there is a file now: %v, %v", files, err)
			}
		})
	}
}

// TestPktgenFull has disks without room.
func TestPktgenFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		linktest.Skip(t, err.Error())
	}
	for _, args := range [][]string{{"--pcap", "/dev/full"}, {"--port", "pcap:/dev/full"}} {
		o := caliper(t, append([]string{"pktgen", "-N", "-i", "10.0.0.2", "-d", "20000", "-n", "100"}, args...)...)
		if o.code != exitFailed || !strings.Contains(o.stderr, "/dev/full") || !strings.Contains(o.stdout, "100 packets") {
			t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	stderr := tempFile(t, "stderr")
	code := run([]string{"caliper", "pktgen", "-N", "-i", "10.0.0.2", "-d", "20000", "-n", "100"}, full, stderr)
	if said := contents(t, stderr); code != exitFailed || !strings.Contains(said, "no space left") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// TestPktgenHelp names all eleven options.
func TestPktgenHelp(t *testing.T) {
	o := succeed(t, "pktgen", "-h")
	for _, option := range []string{"-n", "-t", "-d", "-D", "-l", "-L", "-i", "-I", "-m", "-N", "-h"} {
		if !strings.Contains(o.stdout, ", "+option+" ") && !strings.Contains(o.stdout, ", "+option+"\t") {
			t.Errorf("there is no %s in\n%s", option, o.stdout)
		}
	}
}

// TestOnePacket sends one packet, which has no gap and no rate.
func TestOnePacket(t *testing.T) {
	text := succeed(t, "pktgen", "-N", "-i", "10.0.0.2", "-d", "20000", "-n", "1").stdout
	if !strings.Contains(text, "\n1 packet\n") || strings.Contains(text, "Mbit/s") || strings.Contains(text, "gaps: mean") {
		t.Error(text)
	}
}
